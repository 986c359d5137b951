"""The users in memory: some four hundred bytes each, whatever the directory holds of them."""

from __future__ import annotations

import marshal
import uuid
from collections.abc import Iterator
from itertools import compress
from sys import intern

from mi_ldap.directory import names
from mi_ldap.directory.index.sorted_names import SortedNames
from mi_ldap.directory.index.words import AskTheDirectory, word, words_of_dn
from mi_ldap.directory.session import Entry
from mi_ldap.directory.tree import Tree, shown_name
from mi_ldap.model import Names, User, in_order


class Person:
    """A user's entry, packed.

    Attributes:
        uuid: the 16 bytes by which the server speaks of the entry.
        name: as it is shown.
        own: the entry's own name, `"uid=alice"`; None where it is the usual one.
        parent: the rest of the DN, one text for all who share it.
        classes: its classes, one tuple for all who share it.
        more: all its other attributes, as `marshal` packs them.
    """

    __slots__ = ("classes", "more", "name", "own", "parent", "uuid")

    def __init__(
        self, uuid: bytes, name: str, own: str | None, parent: str, classes: tuple[bytes, ...]
    ) -> None:
        self.uuid, self.name, self.own, self.parent, self.classes = uuid, name, own, parent, classes
        self.more = b""


class People:
    """Everybody, by id, by name and by DN.

    Args:
        tree: how an entry becomes a user.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._name_key, self._id_key = tree.user_name.lower(), tree.user_id.lower()
        self._prefix = f"{tree.naming}="
        self._by_uuid: dict[bytes, Person] = {}
        self._by_word: dict[str, Person | list[Person]] = {}
        self._classes: dict[tuple[bytes, ...], tuple[bytes, ...]] = {}
        self._names: SortedNames | None = None

    def __len__(self) -> int:
        return len(self._by_uuid)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_uuid.values())

    def get(self, uuid: bytes) -> Person | None:
        """The one whom the server means by those 16 bytes."""
        return self._by_uuid.get(uuid)

    def put(self, uuid: bytes, entry: Entry) -> Person:
        """Hold the entry as it is now; the same object as before stands for it."""
        fresh = self._packed(uuid, entry)
        held = self._by_uuid.get(uuid)
        if held is None:
            held = self._by_uuid[uuid] = fresh
            self._file(held)
            return held
        if (held.name, self.dn(held), held.more) != (fresh.name, entry.dn, fresh.more):
            self._unfile(held)
            for slot in Person.__slots__:
                setattr(held, slot, getattr(fresh, slot))
            self._file(held)
        held.classes = fresh.classes
        return held

    def pop(self, uuid: bytes) -> Person | None:
        """Hold the entry no more."""
        held = self._by_uuid.pop(uuid, None)
        if held:
            self._unfile(held)
        return held

    def dn(self, person: Person) -> str:
        return f"{person.own or self._prefix + person.name},{person.parent}"

    def user(self, person: Person) -> User:
        """The user as the rules know it."""
        return self._tree.user_from(self._entry(person))

    def by_id(self, user_id: str) -> Person | None:
        """The one with the immutable id.

        Raises:
            AskTheDirectory: the text is no id as this server writes them.
        """
        if self._id_key != "entryuuid":
            raise AskTheDirectory
        try:
            wanted = uuid.UUID(user_id)
        except ValueError:
            raise AskTheDirectory from None
        if str(wanted) != user_id:
            raise AskTheDirectory
        return self._by_uuid.get(wanted.bytes)

    def named(self, name: str) -> Person | None:
        """The one whom the server finds under `name`.

        Raises:
            AskTheDirectory: that depends on how it compares.
        """
        found = self._under(word(name))
        if not found:
            return None
        if len(found) == 1 and name in self._all_names(found[0]):
            return found[0]
        raise AskTheDirectory

    def at(self, dn: str) -> Person | None:
        """The one whose DN is exactly this text."""
        own, parent = names.own_and_parent(dn)
        for person in self._under(word(names.first_value(own)[1])):
            if person.parent == parent and self.dn(person) == dn:
                return person
        return None

    def is_any_like(self, dn: str) -> bool:
        """Whether the server may take the DN for that of somebody."""
        parsed = names.parsed_dn(dn)
        return any(
            names.parsed_dn(self.dn(person)) == parsed
            for each in words_of_dn(dn)
            for person in self._under(each)
        )

    def names(self) -> Names:
        """The names of all, sorted."""
        if self._names is None:
            self._names = SortedNames()
            self._names.fill(person.name for person in self if person.name)
        return self._names.shown()

    def names_of(self, people: set[Person]) -> Names:
        """The names of those, sorted."""
        everybody = self.names()
        wanted = {person.name for person in people}
        if len(people) == len(self):
            return everybody
        if len(wanted) * 16 < len(everybody.names):
            return in_order(wanted)
        kept = [name in wanted for name in everybody.names]
        return Names(
            tuple(compress(everybody.names, kept)),
            folded=tuple(compress(everybody.folded or (), kept)),
        )

    def _under(self, filed: str) -> list[Person]:
        found = self._by_word.get(filed)
        return found if isinstance(found, list) else [found] if found else []

    def _words(self, person: Person) -> set[str]:
        words = {word(name) for name in self._all_names(person)}
        return words | words_of_dn(person.own) if person.own else words

    def _file(self, person: Person) -> None:
        for each in self._words(person):
            others = self._by_word.get(each)
            if others is None:
                self._by_word[each] = person
            elif isinstance(others, list):
                others.append(person)
            else:
                self._by_word[each] = [others, person]
        if self._names and person.name:
            self._names.add(person.name)

    def _unfile(self, person: Person) -> None:
        namesakes = False
        for each in self._words(person):
            rest = [other for other in self._under(each) if other is not person]
            namesakes = namesakes or any(other.name == person.name for other in rest)
            if rest:
                self._by_word[each] = rest
            else:
                del self._by_word[each]
        if self._names and not namesakes:
            self._names.discard(person.name)

    def _all_names(self, person: Person) -> list[str]:
        values = self._entry(person).all(self._name_key) if person.more else []
        return values or [person.name]

    # Packing

    def _packed(self, uuid: bytes, entry: Entry) -> Person:
        shown = shown_name(entry, self._name_key)
        own, parent = names.own_and_parent(entry.dn)
        usual = own == self._prefix + shown
        classes = tuple(entry.attributes.get("objectclass", ()))
        person = Person(
            uuid,
            shown,
            None if usual else own,
            intern(parent),
            self._classes.setdefault(classes, classes),
        )
        more = dict(entry.attributes)
        more.pop("objectclass", None)
        if more.get(self._name_key) == [shown.encode()]:
            del more[self._name_key]
        if more.get(self._id_key) == [_id_of(uuid)]:
            del more[self._id_key]
        held = {key: values for key, values in more.items() if values}
        person.more = marshal.dumps(held) if held else b""
        return person

    def _entry(self, person: Person) -> Entry:
        attributes = {
            self._name_key: [person.name.encode()],
            self._id_key: [_id_of(person.uuid)],
            "objectclass": list(person.classes),
        }
        if person.more:
            attributes.update(marshal.loads(person.more))  # noqa: S302 - our own, never a file's
        return Entry(self.dn(person), attributes)


def _id_of(entry_uuid: bytes) -> bytes:
    """As the server writes it (RFC 4530 §2.1)."""
    return str(uuid.UUID(bytes=entry_uuid)).encode()
