"""The groups in memory, and who is in them.

A member is a text that the group holds. One that is exactly somebody's DN is kept as that person;
what is exactly a group's DN nests that group; all others are kept as they are, and may be somebody
later. Where a text is merely like a DN, the server decides whether it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mi_ldap.directory import names
from mi_ldap.directory.index.people import People, Person
from mi_ldap.directory.index.words import AskTheDirectory, word, words_of_dn
from mi_ldap.directory.nesting import DEPTH
from mi_ldap.directory.session import Entry
from mi_ldap.directory.tree import Tree, shown_name
from mi_ldap.model import AdminRole, Names, Role, in_order


@dataclass(eq=False, slots=True)
class Group:
    """A group as it was read.

    Attributes:
        entry: without its members.
        name: as it is shown.
        stamp: of the entry whose members are held; `""` while none are.
        people: the members who are users.
        others: the members who are not, or not yet.
        doubts: members that the server may yet take out or replace without a new stamp, as
            OpenLDAP's refint does some time after an entry went; each with the time since when,
            of `time.monotonic()`.
    """

    uuid: bytes
    entry: Entry
    name: str
    stamp: str = ""
    people: set[Person] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    doubts: dict[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.people) + len(self.others)


class Groups:
    """All groups, by name and by DN, and what their members are.

    Args:
        tree: how an entry becomes a role.
        people: who may be a member.
    """

    def __init__(self, tree: Tree, people: People) -> None:
        self._tree, self._people = tree, people
        self._by_uuid: dict[bytes, Group] = {}
        self._naming: dict[str, dict[str, set[Group]]] = {}  # by word, by text: who holds it

    def __len__(self) -> int:
        return len(self._by_uuid)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._by_uuid.values())

    def get(self, uuid: bytes) -> Group | None:
        return self._by_uuid.get(uuid)

    def put(self, uuid: bytes, entry: Entry) -> Group:
        """Hold the entry as it is now; its members are another matter."""
        named_by = shown_name(entry, self._tree.role_name)
        held = self._by_uuid.get(uuid)
        if held is None:
            held = self._by_uuid[uuid] = Group(uuid, entry, named_by)
        held.entry, held.name = entry, named_by
        return held

    def pop(self, uuid: bytes) -> Group | None:
        """Hold the group no more."""
        held = self._by_uuid.pop(uuid, None)
        if held:
            for other in held.others:
                self._unfile(held, other)
        return held

    def set_members(self, group: Group, entry: Entry) -> None:
        """Hold the members that the entry names."""
        before, members = group.others, self._tree.members(entry)
        for other in before:
            self._unfile(group, other)
        group.people, group.others = set(), set()
        for member in members:
            person = self._people.at(member)
            if person:
                group.people.add(person)
            else:
                self._add_other(group, member)
        group.entry = Entry(entry.dn, {**entry.attributes, self._tree.member.lower(): []})
        group.stamp = self.stamp_of(entry)
        if group.doubts:
            self._doubt_again(group, set(members), group.others - before)

    def _doubt_again(self, group: Group, members: set[str], fresh: set[str]) -> None:
        """What is still there may yet go, and what is new be on its way from one DN to another."""
        since = max(group.doubts.values())
        kept = {text: at for text, at in group.doubts.items() if text in members}
        group.doubts = {**dict.fromkeys(fresh, since), **kept}

    def stamp_of(self, entry: Entry) -> str:
        return entry.first(self._tree.profile.stamp) or ""

    def is_current(self, group: Group) -> bool:
        """Whether the members held are those of the entry held."""
        return bool(group.stamp) and group.stamp == self.stamp_of(group.entry)

    # What people do to groups

    def came(self, person: Person, dn: str, at_s: float) -> None:
        """A user is now at that DN; whoever still names it has it for a member."""
        for each in words_of_dn(dn) if self._naming else ():
            for group in tuple(self._naming.get(each, {}).get(dn, ())):
                self._drop_other(group, dn)
                group.people.add(person)
                group.doubts[dn] = at_s

    def doubt_strangers(self, at_s: float) -> list[Group]:
        """Something came from where nothing is told of; groups that may have named it there."""
        told = {group.entry.dn for group in self}
        having = [group for group in self if group.doubts or group.others - told]
        for group in having:
            group.doubts.update(dict.fromkeys(group.others - told, at_s))
        return having

    def went(self, person: Person, dn: str, at_s: float) -> list[Group]:
        """No user is at that DN any more; the groups about which the server may do something."""
        having = [group for group in self if person in group.people]
        for group in having:
            group.people.discard(person)
            self._add_other(group, dn)
            group.doubts[dn] = at_s
        return having

    def lost(self, dn: str, at_s: float) -> list[Group]:
        """No group is at that DN any more; the groups about which the server may do something."""
        having = {g for each in words_of_dn(dn) for g in self._naming.get(each, {}).get(dn, ())}
        for group in having:
            group.doubts[dn] = at_s
        return list(having)

    # Questions

    def role(self, group: Group) -> Role:
        return self._tree.role_from(group.entry)

    def named(self, name: str) -> Group | None:
        """The one that the server finds under `name`.

        Raises:
            AskTheDirectory: that depends on how it compares.
        """
        wanted = word(name)
        key = self._tree.role_name
        alike = [g for g in self if any(word(each) == wanted for each in g.entry.all(key))]
        if not alike:
            return None
        if len(alike) == 1 and name in alike[0].entry.all(key):
            return alike[0]
        raise AskTheDirectory

    def at(self, dn: str) -> Group | None:
        """The one whose DN is exactly this text."""
        return next((group for group in self if group.entry.dn == dn), None)

    def names(self) -> Names:
        """The names of all, sorted."""
        return in_order(group.name for group in self)

    def held_by(self, person: Person) -> list[Group]:
        """The groups that have the user for a member.

        Raises:
            AskTheDirectory: some group's members are not certain, or merely like the user's DN.
        """
        self._must_all_be_certain()
        dn = self._people.dn(person)
        if self._is_like_a_member(dn):
            raise AskTheDirectory
        return [group for group in self if person in group.people]

    def above(self, groups: Iterable[Group]) -> list[Group]:
        """The groups that have one of the groups for a member, at any depth up to `DEPTH`."""
        level, known = list(groups), list(groups)
        for _ in range(DEPTH):
            level = [each for each in self._naming_any(level) if each not in known]
            if not level:
                break
            known += level
        return known[len(list(groups)) :]

    def below(self, group: Group) -> list[Group]:
        """The group, and the groups in it.

        Raises:
            AskTheDirectory: one of them is not certain.
        """
        found, level = [group], [group]
        for _ in range(DEPTH):
            level = [each for each in self._nested_in(level) if each not in found]
            if not level:
                break
            found += level
        for each in found:
            self._must_be_certain(each)
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
            role=self.role(group),
            holders=self._members(group) | through_others,
            nested=frozenset(self._tree.id_of(each.entry) for each in found[1:]),
            nested_holders=through_others,
            first_admin_id=group.entry.first(self._tree.first_admin),
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
        if not texts:
            return []
        if any(self._people.is_any_like(text) for text in texts):
            raise AskTheDirectory
        parsed = {names.parsed_dn(text) for text in texts}
        found = [group for group in self if names.parsed_dn(group.entry.dn) in parsed]
        if any(group.entry.dn not in texts for group in found):
            raise AskTheDirectory
        return found

    def _is_like_a_member(self, dn: str) -> bool:
        """Whether some group holds a text that the server may take for that DN."""
        alike = (text for each in words_of_dn(dn) for text in self._naming.get(each, ()))
        return any(names.parsed_dn(text) == names.parsed_dn(dn) for text in alike)

    def _must_all_be_certain(self) -> None:
        for group in self:
            self._must_be_certain(group)

    def _must_be_certain(self, group: Group) -> None:
        if group.doubts or not self.is_current(group):
            raise AskTheDirectory

    # Texts that are nobody's

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
