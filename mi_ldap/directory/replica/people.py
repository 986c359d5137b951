"""The users in memory, in a compact form."""

from __future__ import annotations

import marshal
import uuid
from collections.abc import Iterator
from itertools import chain, compress
from typing import NamedTuple

from mi_ldap.directory.layout.directory_layout import DirectoryLayout, all_names, shown_name
from mi_ldap.directory.replica.name_keys import CacheMiss, word, words_of_dn
from mi_ldap.directory.replica.sorted_names import SortedNames
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import Entry
from mi_ldap.model import Names, User, in_order, shared


class Kind(NamedTuple):
    """Properties that many users share, in one object for all of them.

    Attributes:
        own: the entry's RDN, `"uid=alice"`; None for the usual one.
        parent: the rest of the DN.
        classes: the object classes.
        keys: the attribute of each value in `Person.packed`.
    """

    own: str | None
    parent: str
    classes: tuple[bytes, ...]
    keys: tuple[str, ...]


class Person:
    """A user's entry, packed.

    Attributes:
        number: the 16 bytes of the entryUUID as an integer, which takes less memory.
        name: the name that is shown.
        packed: the values of all other attributes, packed by `marshal`; `b""` for none.
    """

    __slots__ = ("kind", "name", "number", "packed")

    def __init__(self, number: int, name: str, kind: Kind, packed: bytes) -> None:
        self.number, self.name, self.kind, self.packed = number, name, kind, packed

    @property
    def uuid(self) -> bytes:
        return self.number.to_bytes(16)


class People:
    """All users, by id, by name and by DN.

    Args:
        tree: converts an entry into a user.
    """

    def __init__(self, tree: DirectoryLayout) -> None:
        self._tree = tree
        self._name_key, self._id_key = tree.user_name.lower(), tree.user_id.lower()
        self._prefix = f"{tree.naming}="
        self._by_number: dict[int, Person] = {}
        self._by_word: dict[str, Person | list[Person]] = {}
        self._kinds: dict[Kind, Kind] = {}
        self._names: SortedNames | None = None

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_number.values())

    def get(self, uuid: bytes) -> Person | None:
        """Return the user with the entryUUID of 16 bytes."""
        return self._by_number.get(int.from_bytes(uuid))

    def put(self, uuid: bytes, entry: Entry) -> Person:
        """Add or replace the entry; a known user stays the same object."""
        fresh = self._packed(uuid, entry)
        held = self._by_number.setdefault(fresh.number, fresh)
        if held is fresh:
            self._file(held)
        elif (held.name, self._words(held)) == (fresh.name, self._words(fresh)):
            _become(held, fresh)
        else:
            self._unfile(held)
            _become(held, fresh)
            self._file(held)
        return held

    def pop(self, uuid: bytes) -> Person | None:
        """Remove and return the user."""
        held = self._by_number.pop(int.from_bytes(uuid), None)
        if held:
            self._unfile(held)
        return held

    def dn(self, person: Person) -> str:
        own, parent, *_ = person.kind
        return f"{own or self._prefix + person.name},{parent}"

    def user(self, person: Person) -> User:
        """Return the user as `model.User`."""
        return self._tree.user_from(self.entry(person))

    def by_id(self, user_id: str) -> Person | None:
        """Return the user with the immutable id.

        Raises:
            CacheMiss: the text is not an id in this server's notation.
        """
        if self._id_key != "entryuuid":
            raise CacheMiss
        try:
            wanted = uuid.UUID(user_id)
        except ValueError:
            raise CacheMiss from None
        if str(wanted) != user_id:
            raise CacheMiss
        return self._by_number.get(wanted.int)

    def named(self, name: str) -> Person | None:
        """Return the user that the server finds under `name`.

        Raises:
            CacheMiss: that depends on the server's matching rules.
        """
        found = self._under(word(name))
        if not found:
            return None
        if len(found) == 1 and name in self._all_names(found[0]):
            return found[0]
        raise CacheMiss

    def at(self, dn: str) -> Person | None:
        """Return the user whose DN is exactly this text."""
        own, parent = names.own_and_parent(dn)
        for person in self._under(word(names.first_value(own)[1])):
            if person.kind.parent == parent and self.dn(person) == dn:
                return person
        return None

    def is_any_like(self, dn: str) -> bool:
        """Whether the DN may equal a user's DN by the server's matching rules."""
        parsed = names.parsed_dn(dn)
        return any(
            names.parsed_dn(self.dn(person)) == parsed
            for each in words_of_dn(dn)
            for person in self._under(each)
        )

    def names(self) -> Names:
        """Return the names of all users, sorted."""
        if self._names is None:
            self._names = SortedNames()
            self._names.fill(person.name for person in self if person.name)
        return self._names.shown()

    def names_of(self, people: set[Person]) -> Names:
        """Return the names of the given users, sorted."""
        everybody = self.names()
        if len(people) == len(self):
            return everybody
        if len(people) * 16 < len(self):
            return in_order(person.name for person in people)
        wanted = {person.name for person in people}
        kept = [name in wanted for name in everybody.names]
        listed = tuple(compress(everybody.names, kept))
        return Names(listed, folded=shared(tuple(compress(everybody.folded or (), kept)), listed))

    def _under(self, filed: str) -> list[Person]:
        found = self._by_word.get(filed)
        return found if isinstance(found, list) else [found] if found else []

    def _words(self, person: Person) -> set[str]:
        words, own = {word(name) for name in self._all_names(person)}, person.kind.own
        return words | words_of_dn(own) if own else words

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
        has_others = any(key.partition(";")[0] == self._name_key for key in person.kind.keys)
        return all_names(self.entry(person), self._name_key) if has_others else [person.name]

    # Packing

    def _packed(self, uuid: bytes, entry: Entry) -> Person:
        name, number = shown_name(entry, self._name_key), int.from_bytes(uuid)
        own, parent = names.own_and_parent(entry.dn)
        usual = own == self._prefix + name
        more = {**entry.attributes, "objectclass": []}
        for key, value in ((self._name_key, name.encode()), (self._id_key, _id_of(number))):
            if more.get(key) == [value]:
                del more[key]
        keys = tuple(key for key, values in more.items() for _ in values)
        classes = tuple(entry.attributes.get("objectclass", ()))
        kind = Kind(None if usual else own, parent, classes, keys)
        if usual:
            kind = self._kinds.setdefault(kind, kind)
        values = tuple(chain.from_iterable(more.values()))
        return Person(number, name, kind, marshal.dumps(values) if values else b"")

    def entry_of(self, uuid: bytes) -> Entry | None:
        """Return the user's entry as it was synchronized; None if it is not in memory."""
        person = self.get(uuid)
        return self.entry(person) if person else None

    def uuids(self) -> Iterator[bytes]:
        return (person.uuid for person in [*self])

    def entry(self, person: Person) -> Entry:
        """Return the entry as it was synchronized."""
        more: dict[str, list[bytes]] = {}
        values = marshal.loads(person.packed) if person.packed else ()  # noqa: S302 - our data
        for key, value in zip(person.kind.keys, values, strict=True):
            more.setdefault(key, []).append(value)
        attributes = {
            self._name_key: [person.name.encode()],
            self._id_key: [_id_of(person.number)],
            "objectclass": list(person.kind.classes),
            **more,
        }
        return Entry(self.dn(person), attributes)


def _become(held: Person, fresh: Person) -> None:
    held.name, held.kind, held.packed = fresh.name, fresh.kind, fresh.packed


def _id_of(number: int) -> bytes:
    """Return the entryUUID in the server's notation (RFC 4530 §2.1)."""
    return str(uuid.UUID(int=number)).encode()
