"""The groups in memory, and their members.

A member value that is exactly a user's DN is stored as that user. All other values are stored as
text: DNs of nested groups, and DNs without an entry, which an entry may get later. If a value is
only similar to the DN of an entry, the server must decide whether they are equal (`CacheMiss`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.entry_names import all_names
from mi_ldap.directory.replica.name_keys import CacheMiss, name_key, name_keys_of_dn
from mi_ldap.directory.replica.people import People, Person
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import Entry
from mi_ldap.model import AdminRole, Names, Role, entry_id, in_order


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
        pending_changes: member values that the server may still remove or replace without a new
            stamp, with the time since when, by `time.monotonic()`.
    """

    # OpenLDAP 2.5.13: the overlay refint removes or renames a member some time after the member's
    # entry was deleted or moved, and leaves the group's entryCSN as it is: no poll reports it.
    # Hence `pending_changes`: these groups are read again for `contents.REFINT_S` seconds.

    uuid: bytes
    entry: Entry
    role: Role
    reported_stamp: str
    stamp: str = ""
    people: set[Person] = field(default_factory=set)
    other_members: set[str] = field(default_factory=set)
    pending_changes: dict[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.people) + len(self.other_members)

    @property
    def is_certain(self) -> bool:
        """Whether the members in memory are those in the directory; else read them again."""
        return bool(self.stamp) and not self.pending_changes and self.stamp == self.reported_stamp


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
        self._groups_by_member: dict[
            str, dict[str, set[Group]]
        ] = {}  # by name key of the RDN, then by member value

    def __len__(self) -> int:
        return len(self._by_uuid)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._by_uuid.values())

    def get(self, uuid: bytes) -> Group | None:
        return self._by_uuid.get(uuid)

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
            for member in existing.other_members:
                self._remove_member_key(existing, member)
        return existing

    def set_members(self, group: Group, entry: Entry) -> None:
        """Replace the group's members by those of the entry."""
        before, members = group.other_members, set(self._layout.members(entry))
        pending = group.pending_changes.keys() & members
        for member in before:
            self._remove_member_key(group, member)
        group.other_members = set()
        self._keep_members(group.people, members)
        for member in members:
            person = self._people.at(member)
            if person:
                group.people.add(person)
            else:
                self._add_other_member(group, member)
        self._unindex(group)
        self._reindex(group, Entry(entry.dn, {**entry.attributes, self._layout.member.lower(): []}))
        group.stamp = group.reported_stamp
        if group.pending_changes:
            self._keep_pending(group, pending, group.other_members - before)
        self.note_certainty(group)

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

    def note_certainty(self, group: Group) -> None:
        """Add the group to `uncertain`, or remove it, as `is_certain` says."""
        if group.is_certain:
            self.uncertain.discard(group)
        else:
            self.uncertain.add(group)

    def _keep_pending(self, group: Group, pending: set[str], added: set[str]) -> None:
        """Keep pending changes of members that still exist; add new members (refint renames)."""
        since = max(group.pending_changes.values())
        kept = {text: group.pending_changes[text] for text in pending}
        group.pending_changes = {**dict.fromkeys(added, since), **kept}

    def stamp_of(self, entry: Entry) -> str:
        return entry.first(self._layout.profile.stamp) or ""

    # Effects of changed users and groups on groups

    def user_added(self, person: Person, dn: str, at_s: float) -> None:
        """Store the user as a member of the groups that name its DN."""
        for each in name_keys_of_dn(dn) if self._groups_by_member else ():
            for group in tuple(self._groups_by_member.get(each, {}).get(dn, ())):
                self._drop_other_member(group, dn)
                group.people.add(person)
                self._mark_pending(group, [dn], at_s)

    def mark_unresolved_pending(self, at_s: float) -> None:
        """Mark the values that are no entry's DN: an entry may have moved here from outside."""
        for group in self:
            unresolved_members = (
                group.other_members - self._by_dn.keys() if group.other_members else ()
            )
            self._mark_pending(group, unresolved_members, at_s)

    def user_removed(self, person: Person, dn: str, at_s: float) -> None:
        """Replace the user by its former DN in all groups, which the server may still change."""
        for group in self:
            if person in group.people:
                group.people.discard(person)
                self._add_other_member(group, dn)
                self._mark_pending(group, [dn], at_s)

    def group_removed(self, dn: str, at_s: float) -> None:
        """Mark the memberships of a group's former DN, which the server may still change."""
        for each in name_keys_of_dn(dn):
            for group in self._groups_by_member.get(each, {}).get(dn, ()):
                self._mark_pending(group, [dn], at_s)

    # Queries

    def named(self, name: str) -> Group | None:
        """Return the group that the server finds under `name`.

        Raises:
            CacheMiss: that depends on the server's matching rules.
        """
        alike = self._by_name_key.get(name_key(name))
        if not alike:
            return None
        if len(alike) == 1 and name in all_names(alike[0].entry, self._layout.role_name):
            return alike[0]
        raise CacheMiss

    def at(self, dn: str) -> Group | None:
        """Return the group whose DN is exactly this text."""
        return self._by_dn.get(dn)

    def names(self) -> Names:
        """Return the names of all groups, sorted."""
        return in_order(group.role.name for group in self)

    def held_by(self, person: Person) -> list[Group]:
        """Return the groups that have the user as a direct member.

        Raises:
            CacheMiss: a group's members are uncertain, or only similar to the user's DN.
        """
        if self.uncertain:
            raise CacheMiss
        dn = self._people.dn(person)
        if self._is_like_a_member(dn):
            raise CacheMiss
        return [group for group in self if person in group.people]

    def above(self, groups: Sequence[Group]) -> list[Group]:
        """Return the groups that contain one of the groups, at any depth."""
        level, known = list(groups), list(groups)
        while level:
            level = [each for each in self._groups_naming(level) if each not in known]
            known += level
        return known[len(groups) :]

    def below(self, group: Group) -> list[Group]:
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

    def people_below(self, group: Group) -> set[Person]:
        """Return all users in the group, those of nested groups included."""
        everybody = [each.people for each in self.below(group)]
        return everybody[0] if len(everybody) == 1 else set().union(*everybody)

    def admin_role(self, group: Group) -> AdminRole:
        """Return the group as the admin role."""
        found = self.below(group)
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

    def _groups_naming(self, groups: Iterable[Group]) -> list[Group]:
        found = {}
        for group in groups:
            dn = group.entry.dn
            for each in name_keys_of_dn(dn):
                for text, naming in self._groups_by_member.get(each, {}).items():
                    if text == dn:
                        found.update(dict.fromkeys(naming))
                    elif names.parsed_dn(text) == names.parsed_dn(dn):
                        raise CacheMiss
        return list(found)

    def _nested_in(self, groups: Iterable[Group]) -> list[Group]:
        texts = {text for group in groups for text in group.other_members}
        if any(self._people.is_any_like(text) for text in texts):
            raise CacheMiss
        if texts and self._is_any_like(texts - self._by_dn.keys()):
            raise CacheMiss
        return [self._by_dn[text] for text in texts if text in self._by_dn]

    def _is_any_like(self, texts: set[str]) -> bool:
        """Whether one of the texts may equal a group's DN by the server's matching rules."""
        parsed = {names.parsed_dn(text) for text in texts}
        return bool(parsed) and any(names.parsed_dn(dn) in parsed for dn in self._by_dn)

    def _is_like_a_member(self, dn: str) -> bool:
        """Whether a member value may equal the DN by the server's matching rules."""
        alike = (
            text for each in name_keys_of_dn(dn) for text in self._groups_by_member.get(each, ())
        )
        return any(names.parsed_dn(text) == names.parsed_dn(dn) for text in alike)

    # By name and by DN

    def _reindex(self, group: Group, entry: Entry) -> None:
        group.entry, group.role = entry, self._layout.role_from(entry)
        group.reported_stamp = self.stamp_of(entry)
        self._by_dn[entry.dn] = group
        for each in self._name_keys(group):
            self._by_name_key.setdefault(each, []).append(group)
        self.note_certainty(group)

    def _unindex(self, group: Group) -> None:
        if self._by_dn.get(group.entry.dn) is group:
            del self._by_dn[group.entry.dn]
        for each in self._name_keys(group):
            self._by_name_key[each].remove(group)

    def _name_keys(self, group: Group) -> set[str]:
        return {name_key(each) for each in all_names(group.entry, self._layout.role_name)}

    # Member values that are no user's DN

    def _mark_pending(self, group: Group, texts: Iterable[str], at_s: float) -> None:
        group.pending_changes.update(dict.fromkeys(texts, at_s))
        self.note_certainty(group)

    def _add_other_member(self, group: Group, text: str) -> None:
        group.other_members.add(text)
        for each in name_keys_of_dn(text):
            self._groups_by_member.setdefault(each, {}).setdefault(text, set()).add(group)

    def _drop_other_member(self, group: Group, text: str) -> None:
        group.other_members.discard(text)
        self._remove_member_key(group, text)

    def _remove_member_key(self, group: Group, text: str) -> None:
        for each in name_keys_of_dn(text):
            texts = self._groups_by_member.get(each, {})
            naming = texts.get(text, set())
            naming.discard(group)
            if not naming:
                texts.pop(text, None)
            if not texts:
                self._groups_by_member.pop(each, None)
