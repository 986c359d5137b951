"""The admin role: exactly one group, identified by its id after the first read, and its members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from mi_ldap.directory.reads.nesting import Nesting
from mi_ldap.directory.reads.queries import Query
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.reads.searches import batches
from mi_ldap.errors import AdminRoleUnclear
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import Entry
from mi_ldap.model import AdminRole, EntryId, User, entry_id

log = structlog.get_logger()


@dataclass
class AdminGroup:
    """Finds the admin role's group and resolves its members.

    Attributes:
        reader: searches for groups and users.
        nesting: resolves nested groups.
        name: the configured name of the role.
    """

    # Membership is read from the group, never from memberOf: OpenLDAP's overlay writes memberOf
    # after member, and leaves stale values if a member is added while the group is deleted.

    reader: Reader
    nesting: Nesting
    name: str
    _id: EntryId | None = None

    @property
    def id(self) -> EntryId | None:
        """The id of the group that was read last; None before the first read."""
        return self._id

    def read(self) -> AdminRole | None:
        """Return the group with its members, by one search and one more for nested groups.

        None if there is no such group.

        Raises:
            AdminRoleUnclear: two groups match the name, or the members can't be read.
        """
        return self.reader.answer(self.query())

    def query(self) -> Query[AdminRole | None]:
        """Return the query of `read`."""
        return self.reader.whole_roles(self._filter(), [self.reader.layout.first_admin]).then(
            self._admin_role
        )

    def _admin_role(self, found: list[Entry]) -> AdminRole | None:
        layout = self.reader.layout
        entry = self._single_group(found)
        if entry is None:
            return None
        if self._id is None:  # read again by the id, since two groups may have the same id
            self._id = layout.id_of(entry)
            return self.read()
        self._id = layout.id_of(entry)
        closure = self.nesting.below(entry)
        return AdminRole(
            role=layout.role_from(entry),
            holders=frozenset(closure.holders),
            nested=frozenset(closure.nested_ids),
            nested_holders=frozenset(closure.nested_holders),
            first_admin_id=entry_id(entry.first(layout.first_admin)),
        )

    def holds(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user is among the members, compared by the server's matching rules."""
        return self._is_among(admin_role.holders, user)

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user is in a group that is nested in the admin role."""
        return self._is_among(admin_role.nested_holders, user)

    def users(self, admin_role: AdminRole) -> Iterator[User]:
        """Yield the members that are users, each once; searched for in batches as needed."""
        seen: set[str] = set()
        for part in batches(sorted(admin_role.holders)):
            for user in self.reader.users_among(part):
                if user.id not in seen and self._is_confirmed(admin_role, user):
                    seen.add(user.id)
                    yield user

    def _is_confirmed(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the server considers the user a member; `users_among` compares more loosely."""
        exact = self.reader.layout.group_schema.by_name or user.locator in admin_role.holders
        return exact or self.holds(admin_role, user)

    def _filter(self) -> str:
        """Return the filter for the group: by name, and by id once it is known.

        It includes the name so that a second group with the name is noticed.
        """
        layout = self.reader.layout
        by_name = names.filter_for(layout.role_filter, self.name)
        by_id = layout.id_filter(self._id) if self._id else None
        return names.any_of([by_name, by_id]) if by_id else by_name

    def _single_group(self, entries: list[Entry]) -> Entry | None:
        layout = self.reader.layout
        if len(entries) > 1:
            log.error("admin_role_ambiguous", groups=[entry.dn for entry in entries])
            raise AdminRoleUnclear
        if not entries:
            return None
        if layout.group_schema.requires_member and not entries[0].all(layout.member):
            log.error("admin_role_hides_members", group=entries[0].dn)
            raise AdminRoleUnclear
        if self._id and layout.id_of(entries[0]) != self._id:
            log.warning("admin_role_replaced", group=entries[0].dn)
        return entries[0]

    def _is_among(self, members: frozenset[str], user: User) -> bool:
        """Whether one of the members is the user; similar DNs are compared by the server."""
        if self.reader.layout.group_schema.by_name:
            return user.name in members and self._is(user.name, user)
        if user.locator in members:
            return True
        parsed = names.parsed_dn(user.locator)
        return any(self._is(dn, user) for dn in members if names.parsed_dn(dn) == parsed)

    def _is(self, member: str, user: User) -> bool:
        found = self.reader.member_user(member)
        return found is not None and found.id == user.id
