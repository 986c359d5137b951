"""Reading users and roles from the directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from mi_ldap.directory import names, results
from mi_ldap.directory.connections import Pool
from mi_ldap.directory.session import Entry, Found, Refused, Session
from mi_ldap.directory.tree import Tree, shown_name
from mi_ldap.errors import AmbiguousName, DirectoryUnavailable
from mi_ldap.model import Names, Role, User

MEMBERS_A_SEARCH = 200
MEMBERS_SEARCHED_FOR = 2000
"""A group with more members is resolved by listing all users."""

_NOT_READABLE = frozenset({results.NO_SUCH_OBJECT, 50})

T = TypeVar("T")


@dataclass
class Reader:
    """Searches of the tree, each on a session of the pool.

    Attributes:
        pool: sessions of the service's own account.
        tree: the directory's layout.
    """

    pool: Pool
    tree: Tree

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session whose refusals are outages: what can't be read is not missing."""
        with self.pool.session() as session:
            try:
                yield session
            except Refused as refused:
                raise results.unexpected(refused) from refused

    def check(self) -> None:
        """Read the bases of users and roles, and nothing below them."""
        bases = [self.tree.user_base, *([self.tree.role_base] if self.tree.reads_roles else [])]
        with self.session() as session:
            for base_dn in bases:
                session.search(base_dn, "(objectClass=*)", ["objectClass"], base_only=True)

    def find_user(self, name: str) -> User | None:
        user_filter = names.filter_for(self.tree.user_filter, name)
        return _only("user", name, self._users(user_filter)) if name else None

    def user(self, user_id: str) -> User | None:
        wanted = f"(&{self.tree.user_list_filter}{names.equals(self.tree.user_id, user_id)})"
        return next(iter(self._users(wanted)), None) if user_id else None

    def user_at(self, dn: str) -> User | None:
        """The user whose entry is named `dn` by the server's own matching."""
        if not names.is_under(dn, self.tree.user_base):
            return None
        with self.session() as session:
            entry = session.read(dn, self.tree.user_list_filter, self.tree.user_attributes)
        return self.tree.user_from(entry) if entry else None

    def charges_of(self, user: User) -> tuple[User, ...]:
        if not self.tree.custodian:
            return ()
        return tuple(self._users(names.equals(self.tree.custodian, user.id)))

    def user_names(self, like: str | None) -> Names:
        wanted = self.tree.user_list_filter
        if like is not None:
            wanted = f"(&{wanted}({self.tree.user_name}={like}))"
        found = self._search(self.tree.user_base, wanted, [self.tree.user_name])
        return self._names(found, self.tree.user_name)

    def find_role(self, name: str) -> Role | None:
        wanted = names.filter_for(self.tree.role_filter, name)
        return _only("role", name, self._roles(wanted)) if name else None

    def role_names(self) -> Names:
        if not self.tree.reads_roles:
            return Names(())
        found = self._search(self.tree.role_base, self.tree.role_list_filter, [self.tree.role_name])
        return self._names(found, self.tree.role_name)

    def roles_naming(self, dn: str) -> list[Role]:
        """The groups that have `dn` as a member, whether an entry of that name exists or not."""
        return self._roles(self._naming(dn))

    def roles_and_custodian(self, user: User) -> tuple[list[Role], User | None]:
        """Both in one search where users and roles share a base."""
        if not user.custodian_id:
            return self.roles_naming(user.locator), None
        found = self._under_common_base(user.locator, user.custodian_id)
        if found is None:
            return self.roles_naming(user.locator), self.user(user.custodian_id)
        return self._sorted_out(user.custodian_id, found)

    def members(self, role: Role) -> list[str]:
        """The DNs of the role's members, placeholders left out."""
        with self.session() as session:
            entry = session.read(role.locator, "(objectClass=*)", [self.tree.member])
        return self.tree.members(entry) if entry else []

    def member_names(self, role: Role) -> Names:
        dns = self.members(role)
        if len(dns) > MEMBERS_SEARCHED_FOR:
            return self._listed(dns)
        return Names(tuple(user.name for user in self.users_at(dns)))

    def users_at(self, dns: Iterable[str]) -> list[User]:
        """The users among the entries named, some hundred a search, by their RDN and then DN."""
        wanted = [dn for dn in dns if names.is_under(dn, self.tree.user_base)]
        found: list[User] = []
        for start in range(0, len(wanted), MEMBERS_A_SEARCH):
            part = wanted[start : start + MEMBERS_A_SEARCH]
            by_rdn = names.any_of([names.equals(*names.first_value(dn)) for dn in part])
            named = {names.parsed_dn(dn) for dn in part}
            users = self._users(f"(&{self.tree.user_list_filter}{by_rdn})")
            found += [user for user in users if names.parsed_dn(user.locator) in named]
        return found

    def _listed(self, dns: list[str]) -> Names:
        """The names at the DNs, out of the list of all users."""
        found = self._search(self.tree.user_base, self.tree.user_list_filter, [self.tree.user_name])
        named = {names.parsed_dn(dn) for dn in dns}
        members = [entry for entry in found.entries if names.parsed_dn(entry.dn) in named]
        return self._names(Found(members, found.complete), self.tree.user_name)

    def _under_common_base(self, member_dn: str, user_id: str) -> list[Entry] | None:
        """Groups that name the member and the user with the id; None where that can't be read."""
        base_dn = names.common_base(self.tree.user_base, self.tree.role_base)
        wanted = names.any_of([self._naming(member_dn), names.equals(self.tree.user_id, user_id)])
        attributes = [*self.tree.role_attributes, *self.tree.user_attributes]
        if not self.tree.reads_roles:
            return None
        with self.pool.session() as session:
            try:
                return session.search(base_dn, wanted, attributes).entries if base_dn else None
            except Refused as refused:
                if refused.code in _NOT_READABLE:
                    return None
                raise results.unexpected(refused) from refused

    def _sorted_out(
        self, custodian_id: str, entries: list[Entry]
    ) -> tuple[list[Role], User | None]:
        custodian = [e for e in entries if e.first(self.tree.user_id) == custodian_id]
        roles = [self.tree.role_from(entry) for entry in entries if entry not in custodian]
        under = [role for role in roles if names.is_under(role.locator, self.tree.role_base)]
        return under, self.tree.user_from(custodian[0]) if custodian else None

    def _naming(self, dn: str) -> str:
        return f"(&{self.tree.role_list_filter}{names.equals(self.tree.member, dn)})"

    def _users(self, ldap_filter: str) -> list[User]:
        found = self._whole(self.tree.user_base, ldap_filter, self.tree.user_attributes)
        return [self.tree.user_from(entry) for entry in found]

    def _roles(self, ldap_filter: str) -> list[Role]:
        if not self.tree.reads_roles:
            return []
        found = self._whole(self.tree.role_base, ldap_filter, self.tree.role_attributes)
        return [self.tree.role_from(entry) for entry in found]

    def _names(self, found: Found, attribute: str) -> Names:
        shown = (shown_name(entry, attribute) for entry in found.entries)
        return Names(tuple(name for name in shown if name), found.complete)

    def _whole(self, base_dn: str, ldap_filter: str, attributes: list[str]) -> list[Entry]:
        """What is decided on must not be a part of what is there."""
        found = self._search(base_dn, ldap_filter, attributes)
        if not found.complete:
            raise DirectoryUnavailable("The directory does not give all that this needs.")
        return found.entries

    def _search(self, base_dn: str, ldap_filter: str, attributes: list[str]) -> Found:
        with self.session() as session:
            return session.search(base_dn, ldap_filter, attributes)


def _only(kind: str, name: str, found: Sequence[T]) -> T | None:
    if len(found) > 1:
        raise AmbiguousName(kind, name)
    return found[0] if found else None
