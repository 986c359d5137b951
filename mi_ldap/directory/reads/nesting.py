"""Nested groups: the members that a group has, and the roles that a user has, through other groups.

They are resolved level by level, to any depth; no group is read twice, so cycles end. If groups
store names (RFC 2307) there are no nested groups.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mi_ldap.directory.reads.reader import Reader
from mi_ldap.ldap.connection import Entry
from mi_ldap.model import EntryId, Names, Role, User


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

    def below(self, group: Entry) -> GroupClosure:
        """Return the transitive members of the group."""
        layout = self.reader.layout
        closure = GroupClosure(set(layout.members(group)))
        level = closure.holders
        root_id = layout.id_of(group)  # in a cycle, the group is not nested in itself
        while True:
            groups = [] if layout.group_schema.by_name else self.reader.groups_at(level)
            seen = {root_id, *closure.nested_ids}
            fresh = [each for each in groups if layout.id_of(each) not in seen]
            if not fresh:
                return closure
            closure.nested_ids.update(layout.id_of(each) for each in fresh)
            level = {dn for each in fresh for dn in layout.members(each)}
            closure.nested_holders.update(level)
            closure.holders = closure.holders | level

    def member_names(self, role: Role) -> Names:
        """Return the names of the users in the role, including those in nested groups."""
        return self.reader.lists.get(("members", role.id), lambda: self._member_names(role))

    def _member_names(self, role: Role) -> Names:
        group = self.reader.group(role)
        return self.reader.names_of(self.below(group).holders) if group else Names(())

    def inherited(self, user: User, direct: list[Role]) -> list[Role]:
        """Return the roles that the user has only through its direct ones, each once."""
        if not direct or self.reader.layout.group_schema.by_name:
            return []
        seen_roles, level = list(direct), direct
        while level:
            above = self.reader.roles_naming([role.locator for role in level])
            level = _without(above, seen_roles)
            seen_roles += level
        return _without(seen_roles, direct)

    def membership_path(self, user: User, role: Role) -> list[Role]:
        """Return the shortest chain of groups from the user to a role, without the role.

        Empty if the user has the role directly, or not at all.
        """
        paths = [
            [direct] for direct in self.reader.roles_naming([self.reader.layout.member_value(user)])
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
                for above in self.reader.roles_naming([path[-1].locator])
            ]
        return []


def _without(roles: list[Role], seen_roles: list[Role]) -> list[Role]:
    ids = {role.id for role in seen_roles}
    return [role for role in {role.id: role for role in roles}.values() if role.id not in ids]
