"""The users in memory, in a compact form."""

from __future__ import annotations

import marshal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, compress
from typing import NamedTuple

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.entry_names import all_names, shown_name
from mi_ldap.directory.replica.name_keys import CacheMiss, name_key, name_keys_of_dn
from mi_ldap.directory.replica.sorted_names import SortedNames
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry
from mi_ldap.model import Names, User, in_order, shared


class SharedFields(NamedTuple):
    """Properties that many users share, in one object for all of them.

    Attributes:
        rdn: the entry's RDN, `"uid=alice"`; None if it consists of the naming attribute and the
            name that is shown.
        parent: the rest of the DN.
        classes: the object classes.
        keys: the attribute of each value in `Person.packed`.
    """

    rdn: str | None
    parent: str
    classes: tuple[bytes, ...]
    keys: tuple[str, ...]


@dataclass(eq=False, slots=True)
class Person:
    """A user's entry, packed.

    Attributes:
        number: the 16 bytes of the entryUUID as an integer, which takes less memory.
        name: the name that is shown.
        fields: the properties that it shares with other users.
        packed: the values of all other attributes, packed by `marshal`; `b""` for none.
    """

    number: int
    name: str
    fields: SharedFields
    packed: bytes

    @property
    def uuid(self) -> bytes:
        return self.number.to_bytes(16)


class People:
    """All users, by id, by name and by DN.

    Args:
        layout: converts an entry into a user.
    """

    def __init__(self, layout: DirectoryLayout) -> None:
        self._layout = layout
        self._name_key, self._id_key = layout.user_name.lower(), layout.user_id.lower()
        self._prefix = f"{layout.rdn_attribute}="
        self._by_number: dict[int, Person] = {}
        self._by_name_key: dict[str, Person | list[Person]] = {}
        self._fields: dict[SharedFields, SharedFields] = {}
        self._names: SortedNames | None = None

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_number.values())

    def get(self, uuid: bytes) -> Person | None:
        """Return the user with the entryUUID of 16 bytes."""
        return self._by_number.get(int.from_bytes(uuid))

    def dn_of(self, uuid: bytes) -> str | None:
        """Return the DN of the user with the entryUUID of 16 bytes."""
        person = self.get(uuid)
        return self.dn(person) if person else None

    def entry_of(self, uuid: bytes) -> Entry | None:
        """Return the user's entry as it was synchronized; None if it is not in memory."""
        person = self.get(uuid)
        return self.entry(person) if person else None

    def uuids(self) -> Iterator[bytes]:
        return (person.uuid for person in [*self])

    def put(self, uuid: bytes, entry: Entry) -> Person:
        """Add or replace the entry; a known user stays the same object."""
        fresh = self._packed(uuid, entry)
        existing = self._by_number.setdefault(fresh.number, fresh)
        if existing is fresh:
            self._add_keys(existing)
        elif (existing.name, self._name_keys(existing)) == (fresh.name, self._name_keys(fresh)):
            _overwrite(existing, fresh)
        else:
            self._remove_keys(existing)
            _overwrite(existing, fresh)
            self._add_keys(existing)
        return existing

    def pop(self, uuid: bytes) -> Person | None:
        """Remove and return the user."""
        existing = self._by_number.pop(int.from_bytes(uuid), None)
        if existing:
            self._remove_keys(existing)
        return existing

    def dn(self, person: Person) -> str:
        rdn, parent, *_ = person.fields
        return f"{rdn or self._prefix + person.name},{parent}"

    def user(self, person: Person) -> User:
        """Return the user as `model.User`."""
        return self._layout.user_from(self.entry(person))

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
        found = self._with_key(name_key(name))
        if not found:
            return None
        if len(found) == 1 and name in self._all_names(found[0]):
            return found[0]
        raise CacheMiss

    def at(self, dn: str) -> Person | None:
        """Return the user whose DN is exactly this text."""
        rdn, parent = names.rdn_and_parent(dn)
        for person in self._with_key(name_key(names.first_rdn_pair(rdn)[1])):
            if person.fields.parent == parent and self.dn(person) == dn:
                return person
        return None

    def is_similar_to_a_user(self, dn: str) -> bool:
        """Whether the DN may equal a user's DN by the server's matching rules."""
        parsed = names.parsed_dn(dn)
        return any(
            names.parsed_dn(self.dn(person)) == parsed
            for each in name_keys_of_dn(dn)
            for person in self._with_key(each)
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
        # Sorting a few names is faster than going through the sorted list of all.
        if len(people) * 16 < len(self):
            return in_order(person.name for person in people)
        wanted = {person.name for person in people}
        kept = [name in wanted for name in everybody.names]
        listed = tuple(compress(everybody.names, kept))
        return Names(listed, folded=shared(tuple(compress(everybody.folded or (), kept)), listed))

    def _with_key(self, key: str) -> list[Person]:
        found = self._by_name_key.get(key)
        return found if isinstance(found, list) else [found] if found else []

    def _name_keys(self, person: Person) -> set[str]:
        keys, rdn = {name_key(name) for name in self._all_names(person)}, person.fields.rdn
        return keys | name_keys_of_dn(rdn) if rdn else keys

    def _add_keys(self, person: Person) -> None:
        for each in self._name_keys(person):
            others = self._by_name_key.get(each)
            if others is None:
                self._by_name_key[each] = person
            elif isinstance(others, list):
                others.append(person)
            else:
                self._by_name_key[each] = [others, person]
        if self._names and person.name:
            self._names.add(person.name)

    def _remove_keys(self, person: Person) -> None:
        has_namesake = False
        for each in self._name_keys(person):
            rest = [other for other in self._with_key(each) if other is not person]
            has_namesake = has_namesake or any(other.name == person.name for other in rest)
            if rest:
                self._by_name_key[each] = rest
            else:
                del self._by_name_key[each]
        if self._names and not has_namesake:
            self._names.discard(person.name)

    def _all_names(self, person: Person) -> list[str]:
        has_others = any(key.partition(";")[0] == self._name_key for key in person.fields.keys)
        return all_names(self.entry(person), self._name_key) if has_others else [person.name]

    # Packing

    def _packed(self, uuid: bytes, entry: Entry) -> Person:
        name, number = shown_name(entry, self._name_key), int.from_bytes(uuid)
        rdn, parent = names.rdn_and_parent(entry.dn)
        is_usual = rdn == self._prefix + name
        # About 450 bytes for each user: what many users share is one object, and the name and the
        # id are not stored twice.
        more = {**entry.attributes, "objectclass": []}
        for key, value in ((self._name_key, name.encode()), (self._id_key, _id_of(number))):
            if more.get(key) == [value]:
                del more[key]
        keys = tuple(key for key, values in more.items() for _ in values)
        classes = tuple(entry.attributes.get("objectclass", ()))
        fields = SharedFields(None if is_usual else rdn, parent, classes, keys)
        if is_usual:
            fields = self._fields.setdefault(fields, fields)
        values = tuple(chain.from_iterable(more.values()))
        return Person(number, name, fields, marshal.dumps(values) if values else b"")

    def entry(self, person: Person) -> Entry:
        """Return the entry as it was synchronized."""
        more: dict[str, list[bytes]] = {}
        values = marshal.loads(person.packed) if person.packed else ()  # noqa: S302 - our data
        for key, value in zip(person.fields.keys, values, strict=True):
            more.setdefault(key, []).append(value)
        attributes = {
            self._name_key: [person.name.encode()],
            self._id_key: [_id_of(person.number)],
            "objectclass": list(person.fields.classes),
            **more,
        }
        return Entry(self.dn(person), attributes)


def _overwrite(existing: Person, fresh: Person) -> None:
    existing.name, existing.fields, existing.packed = fresh.name, fresh.fields, fresh.packed


def _id_of(number: int) -> bytes:
    """Return the entryUUID in the server's notation (RFC 4530 §2.1)."""
    return str(uuid.UUID(int=number)).encode()
