"""The groups in memory, and their members.

A member value that is exactly a user's DN is stored as that user, and one that is exactly a group's
DN as a nested group. All other values are stored as text; an entry may get that DN later. Where a
value is only similar to a DN, the server must decide whether they are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mi_ldap.directory.layout.directory_layout import DirectoryLayout, all_names
from mi_ldap.directory.replica.name_keys import CacheMiss, word, words_of_dn
from mi_ldap.directory.replica.people import People, Person
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import Entry
from mi_ldap.model import AdminRole, Names, Role, entry_id, in_order


@dataclass(eq=False, slots=True)
class Group:
    """A group and the members that were read.

    Attributes:
        entry: without its members.
        role: the group as `model.Role`.
        told: the stamp of `entry`, the latest that was reported.
        stamp: the stamp of the entry whose members were read; `""` before the first reading.
        people: the members that are users.
        others: the member values that are no DN of a user.
        doubts: members that the server may still remove or replace without a new stamp, as
            OpenLDAP's refint does some time after an entry was deleted; each with the time of the
            deletion, by `time.monotonic()`.
    """

    uuid: bytes
    entry: Entry
    role: Role
    told: str
    stamp: str = ""
    people: set[Person] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    doubts: dict[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.people) + len(self.others)

    @property
    def is_certain(self) -> bool:
        """Whether the members in memory are surely those of the directory."""
        return bool(self.stamp) and not self.doubts and self.stamp == self.told


class Groups:
    """All groups, by name and by DN, with their members.

    Args:
        tree: converts an entry into a role.
        people: the users, which may be members.

    Attributes:
        uncertain: the groups whose members must be read.
    """

    def __init__(self, tree: DirectoryLayout, people: People) -> None:
        self._tree, self._people = tree, people
        self._by_uuid: dict[bytes, Group] = {}
        self._by_dn: dict[str, Group] = {}
        self._by_word: dict[str, list[Group]] = {}
        self.uncertain: set[Group] = set()
        self._naming: dict[str, dict[str, set[Group]]] = {}  # by word, by member value

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
        held = self._by_uuid.get(uuid)
        if held is None:
            held = self._by_uuid[uuid] = Group(uuid, entry, self._tree.role_from(entry), "")
        else:
            self._unlist(held)
        self._list(held, entry)
        return held

    def pop(self, uuid: bytes) -> Group | None:
        """Remove and return the group."""
        held = self._by_uuid.pop(uuid, None)
        if held:
            self._unlist(held)
            self.uncertain.discard(held)
            for other in held.others:
                self._unfile(held, other)
        return held

    def set_members(self, group: Group, entry: Entry) -> None:
        """Replace the group's members by those of the entry."""
        before, members = group.others, set(self._tree.members(entry))
        doubted = group.doubts.keys() & members
        for other in before:
            self._unfile(group, other)
        group.others = set()
        self._let_stay(group.people, members)
        for member in members:
            person = self._people.at(member)
            if person:
                group.people.add(person)
            else:
                self._add_other(group, member)
        self._unlist(group)
        self._list(group, Entry(entry.dn, {**entry.attributes, self._tree.member.lower(): []}))
        group.stamp = group.told
        if group.doubts:
            self._doubt_again(group, doubted, group.others - before)
        self.note_certainty(group)

    def _let_stay(self, people: set[Person], members: set[str]) -> None:
        """Remove from `people` those that are no members, and from `members` those in `people`.

        Usually all but one are in both: looking up each member of a large group takes ten times
        as long.
        """
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

    def _doubt_again(self, group: Group, doubted: set[str], fresh: set[str]) -> None:
        """Keep doubts about members that are still there, and doubt new ones (refint renames)."""
        since = max(group.doubts.values())
        kept = {text: group.doubts[text] for text in doubted}
        group.doubts = {**dict.fromkeys(fresh, since), **kept}

    def stamp_of(self, entry: Entry) -> str:
        return entry.first(self._tree.profile.stamp) or ""

    # Effects of changed users and groups on groups

    def user_added(self, person: Person, dn: str, at_s: float) -> None:
        """Store the user as a member of the groups that name its DN."""
        for each in words_of_dn(dn) if self._naming else ():
            for group in tuple(self._naming.get(each, {}).get(dn, ())):
                self._drop_other(group, dn)
                group.people.add(person)
                self._doubt(group, [dn], at_s)

    def doubt_strangers(self, at_s: float) -> None:
        """Doubt member values of other DNs: an entry moved here from outside the bases."""
        for group in self:
            strangers = group.others - self._by_dn.keys() if group.others else ()
            self._doubt(group, strangers, at_s)

    def user_removed(self, person: Person, dn: str, at_s: float) -> None:
        """Doubt the memberships of a DN that no user has any more: the server may change them."""
        for group in self:
            if person in group.people:
                group.people.discard(person)
                self._add_other(group, dn)
                self._doubt(group, [dn], at_s)

    def group_removed(self, dn: str, at_s: float) -> None:
        """Doubt the memberships of a DN that no group has any more: the server may change them."""
        for each in words_of_dn(dn):
            for group in self._naming.get(each, {}).get(dn, ()):
                self._doubt(group, [dn], at_s)

    # Queries

    def named(self, name: str) -> Group | None:
        """Return the group that the server finds under `name`.

        Raises:
            CacheMiss: that depends on the server's matching rules.
        """
        alike = self._by_word.get(word(name))
        if not alike:
            return None
        if len(alike) == 1 and name in all_names(alike[0].entry, self._tree.role_name):
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
            level = [each for each in self._naming_any(level) if each not in known]
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
            nested=frozenset(self._tree.id_of(each.entry) for each in found[1:]),
            nested_holders=through_others,
            first_admin_id=entry_id(group.entry.first(self._tree.first_admin)),
        )

    def _members(self, group: Group) -> frozenset[str]:
        return frozenset(map(self._people.dn, group.people)) | group.others

    def _naming_any(self, groups: Iterable[Group]) -> list[Group]:
        found = {}
        for group in groups:
            dn = group.entry.dn
            for each in words_of_dn(dn):
                for text, naming in self._naming.get(each, {}).items():
                    if text == dn:
                        found.update(dict.fromkeys(naming))
                    elif names.parsed_dn(text) == names.parsed_dn(dn):
                        raise CacheMiss
        return list(found)

    def _nested_in(self, groups: Iterable[Group]) -> list[Group]:
        texts = {text for group in groups for text in group.others}
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
        alike = (text for each in words_of_dn(dn) for text in self._naming.get(each, ()))
        return any(names.parsed_dn(text) == names.parsed_dn(dn) for text in alike)

    # By name and by DN

    def _list(self, group: Group, entry: Entry) -> None:
        group.entry, group.role = entry, self._tree.role_from(entry)
        group.told = self.stamp_of(entry)
        self._by_dn[entry.dn] = group
        for each in self._words(group):
            self._by_word.setdefault(each, []).append(group)
        self.note_certainty(group)

    def _unlist(self, group: Group) -> None:
        if self._by_dn.get(group.entry.dn) is group:
            del self._by_dn[group.entry.dn]
        for each in self._words(group):
            self._by_word[each].remove(group)

    def _words(self, group: Group) -> set[str]:
        return {word(each) for each in all_names(group.entry, self._tree.role_name)}

    # Member values that are no user's DN

    def _doubt(self, group: Group, texts: Iterable[str], at_s: float) -> None:
        group.doubts.update(dict.fromkeys(texts, at_s))
        self.note_certainty(group)

    def _add_other(self, group: Group, text: str) -> None:
        group.others.add(text)
        for each in words_of_dn(text):
            self._naming.setdefault(each, {}).setdefault(text, set()).add(group)

    def _drop_other(self, group: Group, text: str) -> None:
        group.others.discard(text)
        self._unfile(group, text)

    def _unfile(self, group: Group, text: str) -> None:
        for each in words_of_dn(text):
            texts = self._naming.get(each, {})
            naming = texts.get(text, set())
            naming.discard(group)
            if not naming:
                texts.pop(text, None)
            if not texts:
                self._naming.pop(each, None)
