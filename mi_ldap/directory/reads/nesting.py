"""Groups in groups: who is in a group through others, and what a user holds through others.

They are resolved level by level, to any depth. Cycles are harmless, because no group is read twice.
Where groups name their members by name (RFC 2307), no group can be a member.

Active Directory's in-chain rule ([MS-ADTS] §3.1.1.3.4.4.3) is not used. It also resolves groups
that the filters or the bases exclude from the roles, so that a user would have a role in one answer
and not in another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mi_ldap.directory.reads.reader import Reader
from mi_ldap.ldap.connection import Entry
from mi_ldap.model import EntryId, Names, Role, User


@dataclass
class GroupClosure:
    """What a group has below it.

    Attributes:
        holders: all members that the group and the groups in it name; groups among them.
        nested_ids: the ids of the groups in it.
        nested_holders: the members of those.
    """

    holders: set[str]
    nested_ids: set[EntryId] = field(default_factory=set)
    nested_holders: set[str] = field(default_factory=set)


@dataclass
class Nesting:
    """Follows groups in groups, by searches of the reader's."""

    reader: Reader

    def below(self, group: Entry) -> GroupClosure:
        """Everybody in the group, directly and through others."""
        tree = self.reader.tree
        gathered = GroupClosure(set(tree.members(group)))
        level = gathered.holders
        root_id = tree.id_of(group)  # in a circle it is not in itself: its members are its own
        while True:
            groups = [] if tree.shape.by_name else self.reader.groups_at(level)
            seen = {root_id, *gathered.nested_ids}
            fresh = [each for each in groups if tree.id_of(each) not in seen]
            if not fresh:
                return gathered
            gathered.nested_ids.update(tree.id_of(each) for each in fresh)
            level = {dn for each in fresh for dn in tree.members(each)}
            gathered.nested_holders.update(level)
            gathered.holders = gathered.holders | level

    def member_names(self, role: Role) -> Names:
        """The names of the users in the role, directly and through others."""
        return self.reader.lists.get(("members", role.id), lambda: self._member_names(role))

    def _member_names(self, role: Role) -> Names:
        group = self.reader.group(role)
        return self.reader.names_of(self.below(group).holders) if group else Names(())

    def inherited(self, user: User, held: list[Role]) -> list[Role]:
        """The roles that the user has through the ones that it holds itself, each once."""
        if not held or self.reader.tree.shape.by_name:
            return []
        known, level = list(held), held
        while level:
            above = self.reader.roles_naming([role.locator for role in level])
            level = _without(above, known)
            known += level
        return _without(known, held)

    def membership_path(self, user: User, role: Role) -> list[Role]:
        """The groups between the user and a role that it has through them, the nearest first."""
        ways = [[held] for held in self.reader.roles_naming([self.reader.tree.member_value(user)])]
        seen: set[EntryId] = set()
        while ways:
            ways = [way for way in ways if way[-1].id not in seen]
            for way in ways:
                if way[-1].id == role.id:
                    return way[:-1]
                seen.add(way[-1].id)
            ways = [
                [*way, above]
                for way in ways
                for above in self.reader.roles_naming([way[-1].locator])
            ]
        return []


def _without(roles: list[Role], known: list[Role]) -> list[Role]:
    ids = {role.id for role in known}
    return [role for role in {role.id: role for role in roles}.values() if role.id not in ids]
