"""Memberships through nested groups; and the admin role, with all who hold it.

Nested groups are resolved level by level, to any depth; no group is read twice, so cycles end. If
groups store names (RFC 2307) there are no nested groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog

from mi_ldap.directory.reads.queries import Query
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.reads.searches import batches
from mi_ldap.errors import AdminRoleUnclear
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry
from mi_ldap.model import AdminRole, EntryId, Names, Role, User, entry_id

log = structlog.get_logger()


@dataclass
class GroupClosure:
    """The transitive members of a group.

    Attributes:
        holders: the member values of the group and of its nested groups, including those groups.
        nested_ids: the ids of the nested groups.
        nested_holders: the member values of the nested groups.
    """

    holders: set[str]
    nested_ids: set[EntryId] = field(default_factory=set)
    nested_holders: set[str] = field(default_factory=set)


@dataclass
class Nesting:
    """Resolves nested groups by searches."""

    # Active Directory's in-chain rule ([MS-ADTS] §3.1.1.3.4.4.3) would need one search, but also
    # follows groups that the filters or bases exclude from the roles: a user would have a role in
    # one response and not in another.

    reader: Reader

    def closure_of(self, group: Entry) -> GroupClosure:
        """Return the transitive members of the group."""
        layout = self.reader.layout
        closure = GroupClosure(set(layout.members(group)))
        level = closure.holders
        root_id = layout.id_of(group)  # in a cycle, the group is not nested in itself
        while True:
            groups = [] if layout.group_schema.by_name else self.reader.groups_at(level)
            seen = {root_id, *closure.nested_ids}
            nested = [each for each in groups if layout.id_of(each) not in seen]
            if not nested:
                return closure
            closure.nested_ids.update(layout.id_of(each) for each in nested)
            level = {dn for each in nested for dn in layout.members(each)}
            closure.nested_holders.update(level)
            closure.holders = closure.holders | level

    def member_names(self, role: Role) -> Names:
        """Return the names of the users in the role, including those in nested groups."""
        return self.reader.lists.get(("members", role.id), lambda: self._member_names(role))

    def _member_names(self, role: Role) -> Names:
        group = self.reader.group(role)
        return self.reader.names_of(self.closure_of(group).holders) if group else Names(())

    def inherited(self, user: User, direct: list[Role]) -> list[Role]:
        """Return the roles that the user has only through its direct ones, each once."""
        if not direct or self.reader.layout.group_schema.by_name:
            return []
        seen_roles, level = list(direct), direct
        while level:
            above = self.reader.roles_with_member([role.locator for role in level])
            level = _without(above, seen_roles)
            seen_roles += level
        return _without(seen_roles, direct)

    def membership_path(self, user: User, role: Role) -> list[Role]:
        """Return the shortest chain of groups from the user to a role, without the role.

        Empty if the user has the role directly, or not at all.
        """
        paths = [
            [direct]
            for direct in self.reader.roles_with_member([self.reader.layout.member_value(user)])
        ]
        seen: set[EntryId] = set()
        while paths:
            paths = [path for path in paths if path[-1].id not in seen]
            for path in paths:
                if path[-1].id == role.id:
                    return path[:-1]
                seen.add(path[-1].id)
            paths = [
                [*path, above]
                for path in paths
                for above in self.reader.roles_with_member([path[-1].locator])
            ]
        return []


@dataclass
class AdminGroup:
    """The admin role's group: exactly one, identified by its id after the first read.

    Attributes:
        reader: searches for groups and users.
        nesting: resolves nested groups.
        name: the configured name of the role.
        id: the id of the group that was read last; None before the first read.
    """

    # Membership is read from the group, never from memberOf: OpenLDAP's overlay writes memberOf
    # after member, and leaves stale values if a member is added while the group is deleted.

    reader: Reader
    nesting: Nesting
    name: str
    id: EntryId | None = None

    def read(self) -> AdminRole | None:
        """Return the group with its members, by one search and one more for nested groups.

        None if there is no such group.

        Raises:
            AdminRoleUnclear: two groups match the name, or the members can't be read.
        """
        return self.reader.answer(self.query())

    def query(self) -> Query[AdminRole | None]:
        """Return the query of `read`."""
        return self.reader.query_groups(self._filter(), [self.reader.layout.first_admin]).then(
            self._admin_role
        )

    def _admin_role(self, found: list[Entry]) -> AdminRole | None:
        layout = self.reader.layout
        entry = self._single_group(found)
        if entry is None:
            return None
        if self.id is None:
            # Read again by the id, since two groups may have the same id.
            self.id = layout.id_of(entry)
            return self.read()
        self.id = layout.id_of(entry)
        closure = self.nesting.closure_of(entry)
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
        by_id = layout.id_filter(self.id) if self.id else None
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
        if self.id and layout.id_of(entries[0]) != self.id:
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


def _without(roles: list[Role], seen_roles: list[Role]) -> list[Role]:
    ids = {role.id for role in seen_roles}
    return [role for role in {role.id: role for role in roles}.values() if role.id not in ids]
