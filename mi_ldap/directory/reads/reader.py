"""Reading users and roles from the directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.directory_layout import DirectoryLayout, shown_name
from mi_ldap.directory.reads.shared_reads import SharedReads
from mi_ldap.errors import AmbiguousName, DirectoryUnavailable, IdUnreadable
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import Entry, LdapConnection, LdapError, SearchResult
from mi_ldap.ldap.connection_pool import Pool
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.model import Names, Role, User, entry_id, folded, in_order

MEMBERS_A_SEARCH = 200
MEMBERS_SEARCHED_FOR = 2000
"""A group with more members is resolved by listing all users."""

READINGS = 3
"""How often a group that changes while it is read in parts is read."""

T = TypeVar("T")
log = structlog.get_logger()


@dataclass
class Reader:
    """Searches of the tree, each on a session of the pool.

    Attributes:
        pool: sessions of the service's own account.
        tree: the directory's layout.
        lists: complete lists, which requests that wait for the same one share.
    """

    pool: Pool
    tree: DirectoryLayout
    lists: SharedReads[Names] = field(default_factory=SharedReads)

    @contextmanager
    def session(self) -> Iterator[LdapConnection]:
        """A session whose refusals are outages: what can't be read is not missing."""
        with self.pool.session() as session:
            try:
                yield session
            except LdapError as refused:
                raise ldap_errors.unexpected(refused) from refused

    def check(self, admin_role: str) -> None:
        """Check that the bases, the id of one user in each, and the admin role's id can be read.

        Raises:
            DirectoryUnavailable: a base or an attribute is missing, or the account may not read the
                entries below a base.
            IdUnreadable: the account may not read an id, so that logins or admins are refused.
        """
        self._ensure_attributes_known()
        some_user, key = self.tree.user_list_filter, "user_store.user_search_base"
        self._must_be_seen(self.tree.user_bases, some_user, key)
        if self.tree.reads_roles:
            named = names.filter_for(self.tree.role_filter, admin_role)
            wanted = f"(&{self.tree.role_list_filter}{named})"
            self._must_be_seen(self.tree.role_bases, wanted, "user_store.group_search_base")

    def _must_be_seen(self, bases: Sequence[str], ldap_filter: str, key: str) -> None:
        with self.session() as session:
            for base_dn in bases:
                try:
                    entry = session.first(base_dn, ldap_filter, [self.tree.user_id])
                except LdapError as refused:
                    if refused.code != ResultCode.NO_SUCH_OBJECT:
                        raise
                    log.error("search_base_not_found", base=base_dn, key=key)
                    raise DirectoryUnavailable(
                        f"A search base does not exist, or the account may not see it: see {key}."
                    ) from refused
                if entry:
                    self.tree.id_of(entry)
                else:
                    _ensure_not_hidden(session, base_dn, key)

    def _ensure_attributes_known(self) -> None:
        """Check that the server's schema has the configured attributes.

        Otherwise every list would be empty.

        Raises:
            DirectoryUnavailable: one of them is missing.
        """
        schema, tree = self.tree.profile.schema, self.tree
        configured = {"user_name_attribute": tree.user_name}
        if tree.reads_roles:
            configured |= {
                "group_name_attribute": tree.role_name,
                "membership_attribute": tree.member,
            }
        for key, attribute in configured.items():
            if schema.attributes and not schema.knows(attribute):
                raise DirectoryUnavailable(
                    f"The directory's schema has no attribute {attribute}: see user_store.{key}."
                )

    def exists(self, dn: str) -> bool:
        """Whether there is an entry at the DN that the account may read."""
        with self.session() as session:
            return session.read(dn, "(objectClass=*)", ["1.1"]) is not None

    # Users

    def find_user(self, name: str) -> User | None:
        named = names.filter_for(self.tree.user_filter, name)
        wanted = f"(&{self.tree.user_list_filter}{named})"  # what is not listed is nobody
        return _only("user", name, self._users(wanted)) if name else None

    def users_named(self, name: str) -> list[User]:
        """All users whom the name finds, unfinished ones too."""
        named = names.filter_for(self.tree.user_filter, name)
        return self.users_where(named, unfinished=True)

    def user(self, user_id: str) -> User | None:
        """Return the user with exactly that id; the server's matching may be less strict.

        Raises:
            IdUnreadable: several users have it, so that it identifies none of them.
        """
        wanted = entry_id(user_id)
        same = self.tree.has_id(wanted) if wanted else None
        if same is None:
            return None
        found = self._users(f"(&{self.tree.user_list_filter}{same})")
        if len(found) > 1:
            log.error("id_not_unique", attribute=self.tree.user_id, id=user_id)
            raise IdUnreadable(self.tree.user_id)
        return next((user for user in found if user.id == user_id), None)

    def user_at(self, dn: str) -> User | None:
        """The user whose entry is named `dn` by the server's own matching."""
        if not self.tree.holds_users(dn):
            return None
        evaluation = self.tree.evaluation_of(self.tree.user_list_filter)
        wanted = [*self.tree.user_attributes, *sorted(evaluation.attributes)]
        with self.session() as session:
            entry = session.read(dn, evaluation.server_filter, wanted)
        if entry is None or self.tree.is_unfinished(entry):
            return None
        is_listed = evaluation.test is None or evaluation.test(entry)
        return self.tree.user_from(entry) if is_listed else None

    def member_user(self, value: str) -> User | None:
        """The user whom a group names; None where it is no user, or two."""
        if not self.tree.shape.by_name:
            return self.user_at(value)
        named = self._users(f"(&{self.tree.user_list_filter}{self._by_name([value])})")
        return named[0] if len(named) == 1 and named[0].name == value else None

    def unfinished_users(self) -> list[User]:
        """All of them. Servers do not index the beginning of the mark: all accounts are read."""
        tree = self.tree
        ours = names.equals("objectClass", tree.account_class) if tree.account_class else ""
        wanted = f"(&{tree.user_list_filter}{ours or f'({tree.epoch}=*)'})"
        found = self._whole(tree.user_bases, wanted, tree.user_attributes)
        return [tree.user_from(entry) for entry in found if tree.is_unfinished(entry)]

    def users_where(self, condition: str, *, unfinished: bool = False) -> list[User]:
        """The users of whom the filter is true.

        Args:
            condition: the filter.
            unfinished: whether those are included whose creation has not finished.
        """
        wanted = f"(&{self.tree.user_list_filter}{condition})"
        return self._users(wanted, unfinished=unfinished)

    def dependents_of(self, user: User) -> tuple[User, ...]:
        mine = names.equals(self.tree.custodian, user.id)
        return tuple(self._users(f"(&{self.tree.user_list_filter}{mine})"))

    def user_names(self, like: str | None) -> Names:
        if like is None or not self.tree.can_search_by_part:
            return self.lists.get("users", lambda: self._user_names(self.tree.user_list_filter))
        return self._user_names(f"(&{self.tree.user_list_filter}({self.tree.user_name}={like}))")

    def _user_names(self, ldap_filter: str) -> Names:
        named_by = self.tree.user_name
        found = self._named_entries(self.tree.user_bases, ldap_filter, named_by)
        return self._names(found, named_by)

    def names_of(self, members: Iterable[str]) -> Names:
        """The names of the users among the members that groups name."""
        wanted = [*members]
        if len(wanted) > MEMBERS_SEARCHED_FOR:
            return self._listed(wanted)
        return Names(tuple(user.name for user in self.users_among(wanted)))

    def users_among(self, members: Iterable[str]) -> list[User]:
        """The users among the members, some hundred a search; those without an id left out."""
        wanted = [*members]
        if self.tree.shape.by_name:
            found = {user.id: user for user in self._in_parts(wanted, self._by_name)}.values()
            bearers = Counter(folded(user.name) for user in found)
            named = set(wanted)  # a name that two users have is nobody's
            return [u for u in found if u.name in named and bearers[folded(u.name)] == 1]
        dns = [dn for dn in wanted if self.tree.holds_users(dn)]
        return _named([*self._in_parts(dns, _by_rdn)], dns)

    # Roles

    def find_role(self, name: str) -> Role | None:
        named = names.filter_for(self.tree.role_filter, name)
        wanted = f"(&{self.tree.role_list_filter}{named})"
        return _only("role", name, self._roles(wanted)) if name else None

    def role_names(self) -> Names:
        return self.lists.get("roles", self._role_names) if self.tree.reads_roles else Names(())

    def _role_names(self) -> Names:
        wanted, named_by = self.tree.role_list_filter, self.tree.role_name
        return self._names(self._named_entries(self.tree.role_bases, wanted, named_by), named_by)

    def roles_naming(self, members: Sequence[str]) -> list[Role]:
        """The groups that name one of the members, whether such an entry exists or not.

        The members of dynamic groups are read and compared here: OpenLDAP's dynlist (2.5.13) adds
        them to entries that are returned, but a search does not match them.
        """
        found: list[Role] = []
        dynamic = [names.equals("objectClass", name) for name in self.tree.profile.dynamic_classes]
        for part in in_parts(members):
            naming = [names.equals(self.tree.member, each) for each in part]
            wanted = names.any_of([*naming, *dynamic])
            found += self._roles(f"(&{self.tree.role_list_filter}{wanted})")
        return [
            role for role in found if not role.is_dynamic or self._has_any_member(role, members)
        ]

    def _has_any_member(self, role: Role, members: Sequence[str]) -> bool:
        group = self.group(role)
        named = self.tree.members(group) if group else []
        if self.tree.shape.by_name:
            return not set(named).isdisjoint(members)
        wanted = {names.parsed_dn(dn) for dn in members}
        return any(names.parsed_dn(dn) in wanted for dn in named)

    def role_entries(self, ldap_filter: str, attributes: Sequence[str] = ()) -> list[Entry]:
        """The groups that match, with their members."""
        if not self.tree.reads_roles:
            return []
        wanted = [*self.tree.role_attributes, self.tree.member, *attributes]
        found = self._whole(self.tree.role_bases, ldap_filter, wanted)
        return [self._with_all_members(entry, wanted) for entry in found]

    def groups_at(self, dns: Iterable[str]) -> list[Entry]:
        """Return the groups among the entries with these DNs, with their members.

        Every DN below the bases of groups is read: neither its attribute type nor its parent proves
        that it names a user.
        """
        wanted = [dn for dn in dns if self.tree.holds_roles(dn)]
        found: list[Entry] = []
        for part in in_parts(wanted):
            found += self.role_entries(f"(&{self.tree.role_list_filter}{_by_rdn(part)})")
        named = {names.parsed_dn(dn) for dn in wanted}
        return [entry for entry in found if names.parsed_dn(entry.dn) in named]

    def group(self, role: Role) -> Entry | None:
        """The role's own entry, with its members."""
        wanted = [*self.tree.role_attributes, self.tree.member]
        with self.session() as session:
            entry = session.read(role.locator, "(objectClass=*)", wanted)
        return self._with_all_members(entry, wanted) if entry else None

    # Searches

    def _with_all_members(self, entry: Entry, wanted: list[str]) -> Entry:
        """A group with the members that the server keeps back until they are asked for.

        Active Directory gives 1,500 values at a time ([MS-ADTS] §3.1.1.3.1.3.3).
        """
        if _part_of(entry, self.tree.member)[1] is None:
            return entry
        found: Entry | None = entry
        with self.session() as session:
            for _ in range(READINGS):
                members = self._members_in_parts(session, found) if found else None
                if found and members is not None:
                    return Entry(found.dn, {**found.attributes, self.tree.member.lower(): members})
                found = session.read(entry.dn, "(objectClass=*)", wanted)
        raise DirectoryUnavailable("A group changes while it is read. Try again later.")

    def _members_in_parts(self, session: LdapConnection, group: Entry) -> list[bytes] | None:
        """All of them; None where the group changed between, for who moves up would be missed."""
        stamp = self.tree.profile.stamp
        members, following = _part_of(group, self.tree.member)
        while following is not None:
            wanted = [f"{self.tree.member};range={following}-*", stamp]
            part = session.read(group.dn, "(objectClass=*)", wanted)
            if part is None or part.first(stamp) != group.first(stamp):
                return None
            more, following = _part_of(part, self.tree.member)
            members += more
        return members

    def _in_parts(
        self, members: Sequence[str], named: Callable[[Sequence[str]], str]
    ) -> Iterator[User]:
        for part in in_parts(members):
            wanted = f"(&{self.tree.user_list_filter}{named(part)})"
            found = self._whole(self.tree.user_bases, wanted, self.tree.user_attributes)
            yield from map(self.tree.user_from, self._served(found))

    def _by_name(self, members: Sequence[str]) -> str:
        return names.any_of([names.equals(self.tree.user_name, name) for name in members])

    def _listed(self, members: list[str]) -> Names:
        """The names of the members, out of the list of all users."""
        wanted, named_by = self.tree.user_list_filter, self.tree.user_name
        found = self._named_entries(self.tree.user_bases, wanted, named_by)
        if self.tree.shape.by_name:
            named = set(members)
            kept = [each for each in found.entries if shown_name(each, named_by) in named]
        else:
            kept = _entries_at(members, found.entries)
        return self._names(SearchResult(kept, found.complete), named_by)

    def _users(self, ldap_filter: str, *, unfinished: bool = False) -> list[User]:
        found = self._whole(self.tree.user_bases, ldap_filter, self.tree.user_attributes)
        served = found if unfinished else [e for e in found if not self.tree.is_unfinished(e)]
        return [self.tree.user_from(entry) for entry in served]

    def _roles(self, ldap_filter: str) -> list[Role]:
        if not self.tree.reads_roles:
            return []
        found = self._whole(self.tree.role_bases, ldap_filter, self.tree.role_attributes)
        return [self.tree.role_from(entry) for entry in found]

    def _names(self, found: SearchResult, attribute: str) -> Names:
        shown = (shown_name(entry, attribute) for entry in found.entries)
        return in_order((name for name in shown if name), complete=found.complete)

    def _named_entries(self, bases: Sequence[str], ldap_filter: str, named_by: str) -> SearchResult:
        """Return the entries with their names, those without an id and unfinished users left out.

        Not by a presence filter: it misses entries if the index is incomplete (slapd 2.5.13,
        entries loaded by slapadd), and the right to search an attribute is not the right to read
        it.
        """
        wanted = [named_by, self.tree.user_id, self.tree.epoch]
        found = self._search(bases, ldap_filter, wanted)
        return SearchResult(self._served(found.entries), found.complete)

    def _served(self, entries: Iterable[Entry]) -> list[Entry]:
        tree = self.tree
        with_id = (entry for entry in entries if tree.readable_id_of(entry) is not None)
        return [entry for entry in with_id if not tree.is_unfinished(entry)]

    def _whole(self, bases: Sequence[str], ldap_filter: str, attributes: list[str]) -> list[Entry]:
        """What is decided on must not be a part of what is there."""
        found = self._search(bases, ldap_filter, attributes)
        if not found.complete:
            raise DirectoryUnavailable("The directory returned an incomplete result (size limit).")
        return found.entries

    def _search(
        self, bases: Sequence[str], ldap_filter: str, attributes: list[str]
    ) -> SearchResult:
        """What lies below the bases, each entry once: one base may lie in another."""
        evaluation = self.tree.evaluation_of(ldap_filter)
        wanted, test = [*attributes, *sorted(evaluation.attributes)], evaluation.test
        with self.session() as session:
            found = [session.search(base, evaluation.server_filter, wanted) for base in bases]
        entries = {
            entry.dn: entry
            for each in found
            for entry in each.entries
            if test is None or test(entry)
        }
        return SearchResult(list(entries.values()), all(each.complete for each in found))


def _ensure_not_hidden(session: LdapConnection, base_dn: str, key: str) -> None:
    """Check that a base below which nothing was found is really empty.

    A server leaves out entries that the account may not read, without an error. The base's own
    `hasSubordinates` (X.501) and 389's `numSubordinates` also count entries that are left out.

    Raises:
        DirectoryUnavailable: the account may not read the base, or any entry below it.
    """
    base = session.read(base_dn, _ANYTHING, ["hasSubordinates", "numSubordinates"])
    if base is not None:
        told = (base.first("hasSubordinates") or "").upper(), base.first("numSubordinates") or "0"
        has_others = told[0] == "TRUE" or told[1] != "0"
        if not has_others or len(session.some(base_dn, _ANYTHING, ["1.1"], 2)) > 1:
            return
    log.error("search_base_hidden", base=base_dn, key=key)
    raise DirectoryUnavailable(
        f"The service's account sees nothing of what lies in a search base: see {key}."
    )


_ANYTHING = "(objectClass=*)"


def _part_of(entry: Entry, attribute: str) -> tuple[list[bytes], int | None]:
    """The values that were given at once, and the number of the next one; None at the end."""
    label = f"{attribute.lower()};range="
    for name, values in entry.attributes.items():
        if name.startswith(label):
            last = name.rpartition("-")[2]
            return list(values), int(last) + 1 if last.isdecimal() else None
    return list(entry.attributes.get(attribute.lower(), ())), None


def in_parts(members: Sequence[T]) -> Iterator[Sequence[T]]:
    """The members, or what else, as many at a time as one search asks for."""
    for start in range(0, len(members), MEMBERS_A_SEARCH):
        yield members[start : start + MEMBERS_A_SEARCH]


def _by_rdn(dns: Sequence[str]) -> str:
    """A DN itself can't be searched for everywhere; its first pair can."""
    return names.any_of([names.equals(*names.first_value(dn)) for dn in dns])


def _named(users: list[User], dns: Iterable[str]) -> list[User]:
    named = {names.parsed_dn(dn) for dn in dns}
    return [user for user in users if names.parsed_dn(user.locator) in named]


def _entries_at(dns: Iterable[str], entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that one of the DNs names."""
    # Nearly all DNs are written alike; parsing 20,000 of them takes half a second.
    missing = set(dns)
    kept = [entry for entry in entries if entry.dn in missing]
    missing.difference_update(entry.dn for entry in kept)
    if not missing:
        return kept
    parsed, found = {names.parsed_dn(dn) for dn in missing}, {entry.dn for entry in kept}
    others = (entry for entry in entries if entry.dn not in found)
    return kept + [entry for entry in others if names.parsed_dn(entry.dn) in parsed]


def _only(kind: str, name: str, found: Sequence[T]) -> T | None:
    if len(found) > 1:
        raise AmbiguousName(kind, name)
    return found[0] if found else None
