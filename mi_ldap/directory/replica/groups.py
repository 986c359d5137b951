"""The groups in memory, and their members.

A member value that is exactly a user's DN is stored as that user. All other values are stored as
text: DNs of nested groups, and DNs without an entry, which an entry may get later.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.entry_names import all_names
from mi_ldap.directory.replica.name_keys import CacheMiss, name_key, name_keys_of_dn
from mi_ldap.directory.replica.people import People, Person
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry
from mi_ldap.model import AdminRole, Names, Role, entry_id, in_order

REFINT_S: Final = 30.0
"""Longest time in which refint updates groups after a member was deleted or moved, in seconds."""

_LABELED_URI: Final = "labeledURI"
"""dynlist and autogroup compute members from this attribute and its subtypes (memberURL)."""


@dataclass(eq=False, slots=True)
class Group:
    """A group and the members that were read.

    Attributes:
        uuid: the 16 bytes of the entryUUID.
        entry: without its members.
        role: the group as `model.Role`.
        reported_stamp: the stamp of `entry`, the latest that was reported.
        stamp: the stamp of the entry whose members were read; `""` before they are read first.
        people: the members that are users.
        other_members: the member values that are not the DN of a user.
        silent_changes_until: until when the server may change the members without a new stamp, by
            `time.monotonic()`; 0.0 if it does not.
    """

    uuid: bytes
    entry: Entry
    role: Role
    reported_stamp: str
    stamp: str = ""
    people: set[Person] = field(default_factory=set)
    other_members: set[str] = field(default_factory=set)
    silent_changes_until: float = 0.0

    @property
    def size(self) -> int:
        return len(self.people) + len(self.other_members)

    @property
    def is_certain(self) -> bool:
        """Whether the members in memory are those in the directory; else read them again."""
        return (
            bool(self.stamp) and not self.silent_changes_until and self.stamp == self.reported_stamp
        )


class Groups:
    """All groups, by name and by DN, with their members.

    Args:
        layout: converts an entry into a role.
        people: the users, which may be members.

    Attributes:
        uncertain: the groups whose members must be read.
    """

    def __init__(self, layout: DirectoryLayout, people: People) -> None:
        self._layout, self._people = layout, people
        self._by_uuid: dict[bytes, Group] = {}
        self._by_dn: dict[str, Group] = {}
        self._by_name_key: dict[str, list[Group]] = {}
        self.uncertain: set[Group] = set()
        # The groups of each value in `other_members`, by the name keys of its RDN; None if it must
        # be built anew.
        self._by_member: dict[str, list[tuple[str, Group]]] | None = None

    def __len__(self) -> int:
        return len(self._by_uuid)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._by_uuid.values())

    def get(self, uuid: bytes) -> Group | None:
        return self._by_uuid.get(uuid)

    def dn_of(self, uuid: bytes) -> str | None:
        group = self.get(uuid)
        return group.entry.dn if group else None

    def entry_of(self, uuid: bytes) -> Entry | None:
        """Return the group's entry without its members; None if it is not in memory."""
        group = self.get(uuid)
        return group.entry if group else None

    def uuids(self) -> Iterator[bytes]:
        return iter([*self._by_uuid])

    def put(self, uuid: bytes, entry: Entry) -> Group:
        """Add or replace the group's entry; its members stay as they were read."""
        existing = self._by_uuid.get(uuid)
        if existing is None:
            existing = self._by_uuid[uuid] = Group(uuid, entry, self._layout.role_from(entry), "")
        else:
            self._unindex(existing)
        self._reindex(existing, entry)
        return existing

    def pop(self, uuid: bytes) -> Group | None:
        """Remove and return the group."""
        existing = self._by_uuid.pop(uuid, None)
        if existing:
            self._unindex(existing)
            self.uncertain.discard(existing)
            self._set_other_members(existing, set())
        return existing

    def due(self) -> list[Group]:
        """Return the groups that are certain once their members are read."""
        now = time.monotonic()
        return [group for group in self.uncertain if group.silent_changes_until <= now]

    def set_members(self, group: Group, entry: Entry, read_at_s: float) -> None:
        """Replace the group's members by those of the entry, which was read at that time."""
        members, others = set(self._layout.members(entry)), set[str]()
        self._keep_members(group.people, members)
        for member in members:
            person = self._people.at(member)
            if person:
                group.people.add(person)
            else:
                others.add(member)
        # A set that grows by single values has up to four times the slots that its copy has.
        group.people = group.people.copy()
        self._set_other_members(group, others)
        group.stamp = self.stamp_of(entry)
        if group.silent_changes_until <= read_at_s:
            group.silent_changes_until = 0.0
        self._note_certainty(group)

    def _keep_members(self, people: set[Person], members: set[str]) -> None:
        """Remove from `people` those that are no members, and from `members` those in `people`."""
        # Usually all but one are in both; looking up each member of a large group instead would
        # take ten times as long.
        for person in [*people]:
            dn = self._people.dn(person)
            if dn in members:
                members.discard(dn)
            else:
                people.discard(person)

    def stamp_of(self, entry: Entry) -> str:
        return entry.first(self._layout.profile.stamp) or ""

    # Effects of changed users and groups on groups
    #
    # OpenLDAP 2.5.13: the overlay refint removes or renames a member some time after the member's
    # entry was deleted or moved, and leaves the group's entryCSN as it is: no poll reports it. A
    # value that it removes later is nobody's DN meanwhile, and no query depends on it. But if an
    # entry was moved, or another one got a DN that groups name, it may change these groups so.

    def entry_moved(self, dn: str, person: Person | None = None) -> None:
        """Make the groups uncertain that name a DN that an entry had or has got, until refint ends.

        Args:
            dn: the former or the new DN.
            person: the user that had the DN; None for a group, and for a new DN.
        """
        self._store_as_text(dn, person)
        for group in self._groups_with_member(dn):
            self._expect_silent_changes(group)

    def entry_deleted(self, dn: str, person: Person | None = None) -> None:
        """Read the groups again that name an entry that was deleted."""
        # With a similar DN only, `CacheMiss` is raised as long as a group names this one.
        is_reused = self.at(dn) is not None or self._people.at(dn) is not None
        self._store_as_text(dn, person)
        for group in self._groups_with_member(dn):
            group.stamp = ""
            self._note_certainty(group)
            if is_reused:
                self._expect_silent_changes(group)

    def entries_added(self) -> None:
        """Make the groups uncertain that have members that are no entry's DN."""
        # An entry may have moved here from outside of the bases: its former DN is unknown.
        for group in self:
            if group.other_members and group.other_members - self._by_dn.keys():
                self._expect_silent_changes(group)

    def _store_as_text(self, dn: str, person: Person | None) -> None:
        """Store the DN as text in the groups that have the user as a member."""
        for group in self if person else ():
            if person in group.people:
                group.people.discard(person)
                self._set_other_members(group, group.other_members | {dn})

    def _groups_with_member(self, dn: str) -> list[Group]:
        """Return the groups with a member value that is the DN, perhaps written in another way."""
        return [group for text, group in self._similar_members(dn) if _is_similar(text, dn)]

    def _expect_silent_changes(self, group: Group) -> None:
        group.silent_changes_until = time.monotonic() + REFINT_S
        self._note_certainty(group)

    def _note_certainty(self, group: Group) -> None:
        if group.is_certain:
            self.uncertain.discard(group)
        else:
            self.uncertain.add(group)

    # Queries

    def named(self, name: str) -> Group | None:
        """Return the group that the server finds under `name`.

        Raises:
            CacheMiss: that depends on the server's matching rules.
        """
        found = self._by_name_key.get(name_key(name))
        if not found:
            return None
        if len(found) == 1 and name in all_names(found[0].entry, self._layout.role_name):
            return found[0]
        raise CacheMiss

    def at(self, dn: str) -> Group | None:
        """Return the group whose DN is exactly this text."""
        return self._by_dn.get(dn)

    def names(self) -> Names:
        """Return the names of all groups, sorted."""
        return in_order(group.role.name for group in self)

    def direct_groups_of(self, person: Person) -> list[Group]:
        """Return the groups that have the user as a direct member.

        Raises:
            CacheMiss: a group's members are uncertain, or only similar to the user's DN.
        """
        if self.uncertain:
            raise CacheMiss
        # If a value is only similar to the DN, the server must decide whether they are equal.
        dn = self._people.dn(person)
        if self._is_similar_to_a_member(dn):
            raise CacheMiss
        return [group for group in self if person in group.people]

    def ancestors_of(self, groups: Sequence[Group]) -> list[Group]:
        """Return the groups that contain one of the groups, at any depth."""
        level, known = list(groups), list(groups)
        while level:
            level = [each for each in self._groups_containing(level) if each not in known]
            known += level
        return known[len(groups) :]

    def with_nested(self, group: Group) -> list[Group]:
        """Return the group and its nested groups, at any depth.

        Raises:
            CacheMiss: the members of one of them are uncertain.
        """
        found, level = [group], [group]
        while level:
            level = [each for each in self._nested_in(level) if each not in found]
            found += level
        if not self.uncertain.isdisjoint(found):
            raise CacheMiss
        return found

    def all_people_in(self, group: Group) -> set[Person]:
        """Return all users in the group, those of nested groups included."""
        everybody = [each.people for each in self.with_nested(group)]
        return everybody[0] if len(everybody) == 1 else set().union(*everybody)

    def admin_role(self, group: Group) -> AdminRole:
        """Return the group as the admin role."""
        found = self.with_nested(group)
        nested = [self._members(each) for each in found[1:]]
        through_others = frozenset[str]().union(*nested)
        return AdminRole(
            role=group.role,
            holders=self._members(group) | through_others,
            nested=frozenset(self._layout.id_of(each.entry) for each in found[1:]),
            nested_holders=through_others,
            first_admin_id=entry_id(group.entry.first(self._layout.first_admin)),
        )

    def _members(self, group: Group) -> frozenset[str]:
        return frozenset(map(self._people.dn, group.people)) | group.other_members

    def _groups_containing(self, groups: Iterable[Group]) -> list[Group]:
        found: dict[Group, None] = {}
        for group in groups:
            dn = group.entry.dn
            for text, container in self._similar_members(dn):
                if text == dn:
                    found[container] = None
                elif _is_similar(text, dn):
                    raise CacheMiss
        return list(found)

    def _nested_in(self, groups: Iterable[Group]) -> list[Group]:
        texts = {text for group in groups for text in group.other_members}
        if any(self._people.is_similar_to_a_user(text) for text in texts):
            raise CacheMiss
        if texts and self._is_similar_to_a_group(texts - self._by_dn.keys()):
            raise CacheMiss
        return [self._by_dn[text] for text in texts if text in self._by_dn]

    def _is_similar_to_a_group(self, texts: set[str]) -> bool:
        """Whether one of the texts may equal a group's DN by the server's matching rules."""
        parsed = {names.parsed_dn(text) for text in texts}
        return bool(parsed) and any(names.parsed_dn(dn) in parsed for dn in self._by_dn)

    def _is_similar_to_a_member(self, dn: str) -> bool:
        """Whether a member value may equal the DN by the server's matching rules."""
        return any(_is_similar(text, dn) for text, _ in self._similar_members(dn))

    # By name and by DN

    def _reindex(self, group: Group, entry: Entry) -> None:
        group.entry, group.role = entry, self._layout.role_from(entry)
        group.reported_stamp = self.stamp_of(entry)
        self._by_dn[entry.dn] = group
        for each in self._name_keys(group):
            self._by_name_key.setdefault(each, []).append(group)
        self._note_certainty(group)

    def _unindex(self, group: Group) -> None:
        if self._by_dn.get(group.entry.dn) is group:
            del self._by_dn[group.entry.dn]
        for each in self._name_keys(group):
            self._by_name_key[each].remove(group)

    def _name_keys(self, group: Group) -> set[str]:
        return {name_key(each) for each in all_names(group.entry, self._layout.role_name)}

    # Member values that are no user's DN

    def _set_other_members(self, group: Group, members: set[str]) -> None:
        if members != group.other_members:
            group.other_members, self._by_member = members, None

    def _similar_members(self, dn: str) -> list[tuple[str, Group]]:
        """Return the values that may equal the DN by the server's matching rules, with groups."""
        if self._by_member is None:
            self._by_member = {}
            for group in self:
                for text in group.other_members:
                    for each in name_keys_of_dn(text):
                        self._by_member.setdefault(each, []).append((text, group))
        return [pair for each in name_keys_of_dn(dn) for pair in self._by_member.get(each, ())]


def _is_similar(one: str, other: str) -> bool:
    """Whether the DNs may be equal by the server's matching rules."""
    return names.parsed_dn(one) == names.parsed_dn(other)


def role_attributes(layout: DirectoryLayout) -> list[str]:
    """Return the attributes of groups that are synchronized, without the members."""
    # A poll of a changed group would carry all its members, so these are read by searches.
    return [*layout.role_attributes, layout.first_admin, _LABELED_URI]
