"""The groups in memory, and who is in them.

A member is a text that the group holds. One that is exactly somebody's DN is kept as that person;
what is exactly a group's DN nests that group; all others are kept as they are, and may be somebody
later. Where a text is merely like a DN, the server decides whether it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mi_ldap.directory import names
from mi_ldap.directory.index.people import People, Person
from mi_ldap.directory.index.words import AskTheDirectory, word, words_of_dn
from mi_ldap.directory.session import Entry
from mi_ldap.directory.tree import Tree, all_names
from mi_ldap.model import AdminRole, Names, Role, entry_id, in_order


@dataclass(eq=False, slots=True)
class Group:
    """A group as it was read.

    Attributes:
        entry: without its members.
        role: as the rules know it.
        told: the stamp of that entry.
        stamp: that of the entry whose members are held; `""` while none are.
        people: the members who are users.
        others: the members who are not, or not yet.
        doubts: members that the server may yet take out or replace without a new stamp, as
            OpenLDAP's refint does some time after an entry went; each with the time since when,
            of `time.monotonic()`.
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
        """Whether its members are surely those that are held."""
        return bool(self.stamp) and not self.doubts and self.stamp == self.told


class Groups:
    """All groups, by name and by DN, and what their members are.

    Args:
        tree: how an entry becomes a role.
        people: who may be a member.

    Attributes:
        uncertain: the groups whose members must be read.
    """

    def __init__(self, tree: Tree, people: People) -> None:
        self._tree, self._people = tree, people
        self._by_uuid: dict[bytes, Group] = {}
        self._by_dn: dict[str, Group] = {}
        self._by_word: dict[str, list[Group]] = {}
        self.uncertain: set[Group] = set()
        self._naming: dict[str, dict[str, set[Group]]] = {}  # by word, by text: who holds it

    def __len__(self) -> int:
        return len(self._by_uuid)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._by_uuid.values())

    def get(self, uuid: bytes) -> Group | None:
        return self._by_uuid.get(uuid)

    def entry_of(self, uuid: bytes) -> Entry | None:
        """The group's entry without its members; None where there is none."""
        group = self.get(uuid)
        return group.entry if group else None

    def uuids(self) -> Iterator[bytes]:
        return iter([*self._by_uuid])

    def put(self, uuid: bytes, entry: Entry) -> Group:
        """Hold the entry as it is now; its members are another matter."""
        held = self._by_uuid.get(uuid)
        if held is None:
            held = self._by_uuid[uuid] = Group(uuid, entry, self._tree.role_from(entry), "")
        else:
            self._unlist(held)
        self._list(held, entry)
        return held

    def pop(self, uuid: bytes) -> Group | None:
        """Hold the group no more."""
        held = self._by_uuid.pop(uuid, None)
        if held:
            self._unlist(held)
            self.uncertain.discard(held)
            for other in held.others:
                self._unfile(held, other)
        return held

    def set_members(self, group: Group, entry: Entry) -> None:
        """Hold the members that the entry names."""
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
        """Leave of the people those who are members, and of the members those who are not held.

        Mostly that is everybody but one: to look up each of a large group takes ten times as long.
        """
        for person in [*people]:
            dn = self._people.dn(person)
            if dn in members:
                members.discard(dn)
            else:
                people.discard(person)

    def note_certainty(self, group: Group) -> None:
        """Note whether the group is certain."""
        if group.is_certain:
            self.uncertain.discard(group)
        else:
            self.uncertain.add(group)

    def _doubt_again(self, group: Group, doubted: set[str], fresh: set[str]) -> None:
        """What is still there may yet go, and what is new be on its way from one DN to another."""
        since = max(group.doubts.values())
        kept = {text: group.doubts[text] for text in doubted}
        group.doubts = {**dict.fromkeys(fresh, since), **kept}

    def stamp_of(self, entry: Entry) -> str:
        return entry.first(self._tree.profile.stamp) or ""

    # What people do to groups

    def came(self, person: Person, dn: str, at_s: float) -> None:
        """A user is now at that DN; whoever still names it has it for a member."""
        for each in words_of_dn(dn) if self._naming else ():
            for group in tuple(self._naming.get(each, {}).get(dn, ())):
                self._drop_other(group, dn)
                group.people.add(person)
                self._doubt(group, [dn], at_s)

    def doubt_strangers(self, at_s: float) -> None:
        """Something came from where nothing is told of; groups may have named it there."""
        for group in self:
            strangers = group.others - self._by_dn.keys() if group.others else ()
            self._doubt(group, strangers, at_s)

    def went(self, person: Person, dn: str, at_s: float) -> None:
        """No user is at that DN any more; the server may do something about its groups."""
        for group in self:
            if person in group.people:
                group.people.discard(person)
                self._add_other(group, dn)
                self._doubt(group, [dn], at_s)

    def lost(self, dn: str, at_s: float) -> None:
        """No group is at that DN any more; the server may do something about those it was in."""
        for each in words_of_dn(dn):
            for group in self._naming.get(each, {}).get(dn, ()):
                self._doubt(group, [dn], at_s)

    # Questions

    def named(self, name: str) -> Group | None:
        """The one that the server finds under `name`.

        Raises:
            AskTheDirectory: that depends on how it compares.
        """
        alike = self._by_word.get(word(name))
        if not alike:
            return None
        if len(alike) == 1 and name in all_names(alike[0].entry, self._tree.role_name):
            return alike[0]
        raise AskTheDirectory

    def at(self, dn: str) -> Group | None:
        """The one whose DN is exactly this text."""
        return self._by_dn.get(dn)

    def names(self) -> Names:
        """The names of all, sorted."""
        return in_order(group.role.name for group in self)

    def held_by(self, person: Person) -> list[Group]:
        """The groups that have the user for a member.

        Raises:
            AskTheDirectory: some group's members are not certain, or merely like the user's DN.
        """
        if self.uncertain:
            raise AskTheDirectory
        dn = self._people.dn(person)
        if self._is_like_a_member(dn):
            raise AskTheDirectory
        return [group for group in self if person in group.people]

    def above(self, groups: Sequence[Group]) -> list[Group]:
        """The groups that have one of the groups for a member, at any depth."""
        level, known = list(groups), list(groups)
        while level:
            level = [each for each in self._naming_any(level) if each not in known]
            known += level
        return known[len(groups) :]

    def below(self, group: Group) -> list[Group]:
        """The group, and the groups in it.

        Raises:
            AskTheDirectory: one of them is not certain.
        """
        found, level = [group], [group]
        while level:
            level = [each for each in self._nested_in(level) if each not in found]
            found += level
        if not self.uncertain.isdisjoint(found):
            raise AskTheDirectory
        return found

    def people_below(self, group: Group) -> set[Person]:
        """Everybody in the group, directly and through others."""
        everybody = [each.people for each in self.below(group)]
        return everybody[0] if len(everybody) == 1 else set().union(*everybody)

    def admin_role(self, group: Group) -> AdminRole:
        """The group as the admin role."""
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
                        raise AskTheDirectory
        return list(found)

    def _nested_in(self, groups: Iterable[Group]) -> list[Group]:
        texts = {text for group in groups for text in group.others}
        if any(self._people.is_any_like(text) for text in texts):
            raise AskTheDirectory
        if texts and self._is_any_like(texts - self._by_dn.keys()):
            raise AskTheDirectory
        return [self._by_dn[text] for text in texts if text in self._by_dn]

    def _is_any_like(self, texts: set[str]) -> bool:
        """Whether the server may take one of the texts for a group's DN."""
        parsed = {names.parsed_dn(text) for text in texts}
        return bool(parsed) and any(names.parsed_dn(dn) in parsed for dn in self._by_dn)

    def _is_like_a_member(self, dn: str) -> bool:
        """Whether some group holds a text that the server may take for that DN."""
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

    # Texts that are nobody's

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
