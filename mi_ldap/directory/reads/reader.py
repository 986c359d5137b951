"""`Reader`: queries for users and roles, answered by searches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from mi_ldap.directory.layout.entry_names import shown_name
from mi_ldap.directory.reads import queries
from mi_ldap.directory.reads.queries import Query
from mi_ldap.directory.reads.searches import Searches, batches, rdn_filter
from mi_ldap.directory.reads.shared_reads import SharedReads
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.search import SearchResult
from mi_ldap.model import Names, Role, User, in_order
from mi_ldap.name_folding import folded

MAX_MEMBERS_SEARCHED: Final = 2000
"""A group with more members is resolved by listing all users, which takes fewer searches."""

T = TypeVar("T")
log = structlog.get_logger()


@dataclass
class Reader(Searches):
    """Queries for users and roles.

    Attributes:
        lists: complete lists; requests that wait for the same one share one read.
    """

    lists: SharedReads[Names] = field(default_factory=SharedReads)

    # Users

    def find_user(self, name: str) -> User | None:
        """Return the user that the server finds under the name.

        Raises:
            AmbiguousName: it finds several.
        """
        return self.answer(queries.user_named(self.layout, name))

    def users_named(self, name: str) -> list[User]:
        """Return all users that the server finds under the name, including unfinished ones."""
        return self.answer(queries.users_named(self.layout, name))

    def user(self, user_id: str) -> User | None:
        """Return the user with exactly that id; the server's matching may be less strict.

        Raises:
            IdUnreadable: several users have it, so that it identifies none of them.
        """
        return self.answer(queries.user_with_id(self.layout, user_id))

    def user_at(self, dn: str) -> User | None:
        """Return the user at the DN, compared by the server's matching rules."""
        if not self.layout.is_under_user_base(dn):
            return None
        evaluation = self.layout.evaluation_of(self.layout.user_list_filter)
        attributes = [*self.layout.user_attributes, *sorted(evaluation.attributes)]
        with self.connection() as connection:
            entry = connection.read(dn, evaluation.server_filter, attributes)
        if entry is None or self.layout.is_unfinished(entry):
            return None
        is_listed = evaluation.test is None or evaluation.test(entry)
        return self.layout.user_from(entry) if is_listed else None

    def member_user(self, value: str) -> User | None:
        """Return the user that a member value names; None if it names none, or several."""
        if not self.layout.group_schema.by_name:
            return self.user_at(value)
        named = self.users_where(self._name_filter([value]))
        return named[0] if len(named) == 1 and named[0].name == value else None

    def unfinished_users(self) -> list[User]:
        """Return all unfinished users."""
        # Reads all accounts of the service: servers have no index for the beginning of the mark.
        layout = self.layout
        ours = names.equals("objectClass", layout.account_class) if layout.account_class else ""
        ldap_filter = f"(&{layout.user_list_filter}{ours or f'({layout.epoch}=*)'})"
        found = self.search_complete(layout.user_bases, ldap_filter, layout.user_attributes)
        return [layout.user_from(entry) for entry in found if layout.is_unfinished(entry)]

    def users_where(self, condition: str) -> list[User]:
        """Return the users that match a filter."""
        return self.answer(queries.users(self.layout, condition))

    def user_names(self, like: str | None) -> Names:
        """Return the names of all users, or at least of those that match `like` (`"a*"`)."""
        layout = self.layout
        if like is None or not layout.can_search_by_substring:
            return self.lists.get("users", lambda: self._user_names(layout.user_list_filter))
        return self._user_names(f"(&{layout.user_list_filter}({layout.user_name}={like}))")

    def _user_names(self, ldap_filter: str) -> Names:
        named_by = self.layout.user_name
        return self._names(self.layout.user_bases, ldap_filter, named_by)

    def names_of(self, members: Iterable[str]) -> Names:
        """Return the names of the users among the member values."""
        wanted = [*members]
        if len(wanted) > MAX_MEMBERS_SEARCHED:
            return self._names_by_listing(wanted)
        return Names(tuple(user.name for user in self.users_among(wanted)))

    def users_among(self, members: Iterable[str]) -> list[User]:
        """Return the users among the member values, without those that have no readable id."""
        wanted = [*members]
        if self.layout.group_schema.by_name:
            return self._users_by_name(wanted)
        dns = [dn for dn in wanted if self.layout.is_under_user_base(dn)]
        found = [*self._users_in_batches(dns, rdn_filter)]
        named = {names.parsed_dn(dn) for dn in dns}
        return [user for user in found if names.parsed_dn(user.locator) in named]

    def _users_by_name(self, member_names: list[str]) -> list[User]:
        by_id = {u.id: u for u in self._users_in_batches(member_names, self._name_filter)}
        counts = Counter(folded(user.name) for user in by_id.values())
        named = set(member_names)
        # A name that several users have identifies none of them.
        return [u for u in by_id.values() if u.name in named and counts[folded(u.name)] == 1]

    # Roles

    def find_role(self, name: str) -> Role | None:
        """Return the role that the server finds under the name.

        Raises:
            AmbiguousName: it finds several.
        """
        return self.answer(queries.role_named(self.layout, name))

    def role_names(self) -> Names:
        """Return the names of all roles."""
        return self.lists.get("roles", self._role_names) if self.layout.reads_roles else Names(())

    def _role_names(self) -> Names:
        return self._names(
            self.layout.role_bases, self.layout.role_list_filter, self.layout.role_name
        )

    def roles_with_member(self, members: Sequence[str]) -> list[Role]:
        """Return the groups that have one of the member values, whether its entry exists or not."""
        found: list[Role] = []
        for part in batches(members):
            found += self.answer(self.query_roles_with_member(part))
        return found

    def query_roles_with_member(self, members: Sequence[str]) -> Query[list[Role]]:
        """Return the query for the groups that have one of at most 200 member values."""

        def without_other_dynamic(found: list[Role]) -> list[Role]:
            return [r for r in found if not r.is_dynamic or self._has_any_member(r, members)]

        return queries.roles_with_member(self.layout, members).then(without_other_dynamic)

    def _has_any_member(self, role: Role, members: Sequence[str]) -> bool:
        group = self.group(role)
        named = self.layout.members(group) if group else []
        if self.layout.group_schema.by_name:
            return not set(named).isdisjoint(members)
        wanted = {names.parsed_dn(dn) for dn in members}
        return any(names.parsed_dn(dn) in wanted for dn in named)

    def query_groups(self, condition: str, attributes: Sequence[str] = ()) -> Query[list[Entry]]:
        """Return the query for the groups that match a filter, with all their members."""
        # With the list filter: the service never removes members from groups that are not listed.
        layout = self.layout
        wanted = [*layout.role_attributes, layout.member, *attributes]
        return Query(
            layout.role_bases if layout.reads_roles else (),
            f"(&{layout.role_list_filter}{condition})",
            wanted,
            lambda found: [self.with_all_members(entry, wanted) for entry in found],
        )

    def groups_at(self, dns: Iterable[str]) -> list[Entry]:
        """Return the groups among the entries with these DNs, with all their members."""
        # Every DN below a base of groups may name a group: neither its attribute type nor its
        # parent shows that it names a user.
        wanted = [dn for dn in dns if self.layout.is_under_role_base(dn)]
        found: list[Entry] = []
        for part in batches(wanted):
            found += self.answer(self.query_groups(rdn_filter(part)))
        named = {names.parsed_dn(dn) for dn in wanted}
        return [entry for entry in found if names.parsed_dn(entry.dn) in named]

    def group(self, role: Role, *more: str) -> Entry | None:
        """Return the role's entry with all its members, and `more`; None if it was deleted."""
        attributes = [*self.layout.role_attributes, self.layout.member, *more]
        with self.connection() as connection:
            entry = connection.read(role.locator, "(objectClass=*)", attributes)
        return self.with_all_members(entry, attributes) if entry else None

    # Entries

    def _users_in_batches(
        self, members: Sequence[str], filter_of: Callable[[Sequence[str]], str]
    ) -> Iterator[User]:
        for part in batches(members):
            ldap_filter = f"(&{self.layout.user_list_filter}{filter_of(part)})"
            found = self.search_complete(
                self.layout.user_bases, ldap_filter, self.layout.user_attributes
            )
            yield from map(self.layout.user_from, filter(self._is_identified, found))

    def _name_filter(self, members: Sequence[str]) -> str:
        return names.any_of([names.equals(self.layout.user_name, name) for name in members])

    def _names_by_listing(self, members: list[str]) -> Names:
        """Return the names of the users among the members, out of the list of all users."""
        layout = self.layout
        found = self._dns_and_names(layout.user_bases, layout.user_list_filter, layout.user_name)
        if layout.group_schema.by_name:
            wanted = set(members)
            kept = [name for _, name in found.entries if name in wanted]
        else:
            kept = _names_at(members, found.entries)
        return in_order(kept, complete=found.complete)

    def _names(self, bases: Sequence[str], ldap_filter: str, named_by: str) -> Names:
        found = self._dns_and_names(bases, ldap_filter, named_by)
        return in_order((name for _, name in found.entries), complete=found.complete)

    def _dns_and_names(
        self, bases: Sequence[str], ldap_filter: str, named_by: str
    ) -> SearchResult[tuple[str, str]]:
        """Return DNs and names of the matching entries; see `_is_identified` for those left out."""
        # The id is read and tested here, not by a presence filter: slapd 2.5.13 misses entries that
        # slapadd loaded before the attribute was indexed, and the right to search for an attribute
        # is not the right to read it.
        attributes = [named_by, self.layout.user_id, self.layout.epoch]

        def named(entry: Entry) -> tuple[str, str] | None:
            return (entry.dn, shown_name(entry, named_by)) if self._is_identified(entry) else None

        return self.collect(bases, ldap_filter, attributes, named)

    def _is_identified(self, entry: Entry) -> bool:
        """Whether the entry has a readable id, and is no unfinished user."""
        return self.layout.has_readable_id(entry) and not self.layout.is_unfinished(entry)


def _names_at(dns: Iterable[str], named: Sequence[tuple[str, str]]) -> list[str]:
    """Return the names of the entries that one of the DNs names, of pairs of DN and name."""
    # Nearly all DNs are equal as texts; parsing 20,000 of them takes half a second.
    missing = set(dns)
    kept = {dn: name for dn, name in named if dn in missing}
    missing.difference_update(kept)
    if missing:
        parsed = {names.parsed_dn(dn) for dn in missing}
        others = ((dn, name) for dn, name in named if dn not in kept)
        kept |= {dn: name for dn, name in others if names.parsed_dn(dn) in parsed}
    return [*kept.values()]
