"""The admin role: exactly one group, known by its id after the first read, and who holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from mi_ldap.directory.reads.nesting import Nesting
from mi_ldap.directory.reads.reader import Reader, in_parts
from mi_ldap.errors import AdminRoleUnclear
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import Entry
from mi_ldap.model import AdminRole, EntryId, User, entry_id

log = structlog.get_logger()


@dataclass
class AdminGroup:
    """Finds the admin role's group and resolves its members.

    Membership is read from the group, never from `memberOf`, which may lag or lie.
    """

    reader: Reader
    nesting: Nesting
    name: str
    _id: EntryId | None = None

    @property
    def id(self) -> EntryId | None:
        """The id of the group that was last read; None before that."""
        return self._id

    def read(self) -> AdminRole | None:
        """The group and everybody in it; one search where no group is nested in it.

        Raises:
            AdminRoleUnclear: two groups match the name, or the members can't be seen.
        """
        tree = self.reader.tree
        entry = self._entry()
        if entry is None:
            return None
        if self._id is None:  # read again by the id: another group may have the same one
            self._id = tree.id_of(entry)
            return self.read()
        self._id = tree.id_of(entry)
        gathered = self.nesting.below(entry)
        return AdminRole(
            role=tree.role_from(entry),
            holders=frozenset(gathered.holders),
            nested=frozenset(gathered.nested_ids),
            nested_holders=frozenset(gathered.nested_holders),
            first_admin_id=entry_id(entry.first(tree.first_admin)),
        )

    def _entry(self) -> Entry | None:
        return self._the_one(
            self.reader.role_entries(self._wanted(), [self.reader.tree.first_admin])
        )

    def holds(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user is among the holders, by the server's own idea of equal names."""
        return self._is_among(admin_role.holders, user)

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user is in a group that is nested in the admin role."""
        return self._is_among(admin_role.nested_holders, user)

    def users(self, admin_role: AdminRole) -> Iterator[User]:
        """The holders that are users, each once, some hundred a search, as they are asked for."""
        seen: set[str] = set()
        for part in in_parts(sorted(admin_role.holders)):
            for user in self.reader.users_among(part):
                if user.id not in seen and self._is_sure(admin_role, user):
                    seen.add(user.id)
                    yield user

    def _is_sure(self, admin_role: AdminRole, user: User) -> bool:
        """What was found among many members is alike; whether it is the same the server says."""
        exact = self.reader.tree.shape.by_name or user.locator in admin_role.holders
        return exact or self.holds(admin_role, user)

    def _wanted(self) -> str:
        """By name always, so that a second group of the name is seen; by id once it is known.

        A group that is not listed is none: nobody would take a former life's members out of it.
        """
        tree = self.reader.tree
        by_name = names.filter_for(tree.role_filter, self.name)
        by_id = tree.has_id(self._id) if self._id else None
        wanted = names.any_of([by_name, by_id]) if by_id else by_name
        return f"(&{tree.role_list_filter}{wanted})"

    def _the_one(self, entries: list[Entry]) -> Entry | None:
        tree = self.reader.tree
        if len(entries) > 1:
            log.error("admin_role_ambiguous", groups=[entry.dn for entry in entries])
            raise AdminRoleUnclear
        if not entries:
            return None
        if tree.shape.wants_a_member and not entries[0].all(tree.member):
            log.error("admin_role_hides_members", group=entries[0].dn)
            raise AdminRoleUnclear
        if self._id and tree.id_of(entries[0]) != self._id:
            log.warning("admin_role_replaced", group=entries[0].dn)
        return entries[0]

    def _is_among(self, members: frozenset[str], user: User) -> bool:
        """A DN that is alike and not the same is looked up: servers fold names their own way."""
        if self.reader.tree.shape.by_name:
            return user.name in members and self._is(user.name, user)
        if user.locator in members:
            return True
        parsed = names.parsed_dn(user.locator)
        return any(self._is(dn, user) for dn in members if names.parsed_dn(dn) == parsed)

    def _is(self, member: str, user: User) -> bool:
        found = self.reader.member_user(member)
        return found is not None and found.id == user.id
