"""The types of entries that are synchronized: users, groups, and places.

A place is an entry that has others below it. When it is moved, all entries below it move too, and
OpenLDAP 2.5.13 reports none of these moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.replica.contents import ReplicaContents, role_attributes
from mi_ldap.ldap.connection import Entry, ReadStopped

IS_PLACE: Final = "(hasSubordinates=TRUE)"


class ResyncRequired(ReadStopped):
    """The changes can't be applied one by one; memory must be filled again."""


class Kind(Protocol):
    """A type of entries, which applies the changes of one search."""

    def asked(self, tree: DirectoryLayout) -> tuple[str, Sequence[str]]:
        """Return the filter and the attributes of the search."""

    def changed(self, uuid: bytes, entry: Entry) -> None: ...

    def gone(self, uuid: bytes) -> None: ...

    def dn_of(self, uuid: bytes) -> str | None: ...

    def uuids(self) -> Iterable[bytes]: ...


@dataclass(frozen=True, slots=True)
class Users:
    held: ReplicaContents

    def asked(self, tree: DirectoryLayout) -> tuple[str, Sequence[str]]:
        return tree.user_list_filter, tree.user_attributes

    def changed(self, uuid: bytes, entry: Entry) -> None:
        if self.held.is_unfinished(entry):
            self.held.user_gone(uuid)
        else:
            self.held.user_changed(uuid, entry)

    def gone(self, uuid: bytes) -> None:
        self.held.user_gone(uuid)

    def dn_of(self, uuid: bytes) -> str | None:
        person = self.held.people.get(uuid)
        return self.held.people.dn(person) if person else None

    def uuids(self) -> Iterable[bytes]:
        return (person.uuid for person in self.held.people)


@dataclass(frozen=True, slots=True)
class Roles:
    held: ReplicaContents

    def asked(self, tree: DirectoryLayout) -> tuple[str, Sequence[str]]:
        return tree.role_list_filter, role_attributes(tree)

    def changed(self, uuid: bytes, entry: Entry) -> None:
        self.held.role_changed(uuid, entry)

    def gone(self, uuid: bytes) -> None:
        self.held.role_gone(uuid)

    def dn_of(self, uuid: bytes) -> str | None:
        group = self.held.groups.get(uuid)
        return group.entry.dn if group else None

    def uuids(self) -> Iterable[bytes]:
        return (group.uuid for group in self.held.groups)


@dataclass(slots=True)
class Places:
    """DNs of entries that have others below them; `is_told` after the first poll."""

    dns: dict[bytes, str] = field(default_factory=dict)
    is_told: bool = False

    def asked(self, tree: DirectoryLayout) -> tuple[str, Sequence[str]]:
        return IS_PLACE, ["1.1"]

    def changed(self, uuid: bytes, entry: Entry) -> None:
        """Add or move a place; a new one may have had another DN before it had children."""
        if self.is_told and self.dns.get(uuid) != entry.dn:
            raise ResyncRequired("an entry with others below it was moved or is new")
        self.dns[uuid] = entry.dn

    def gone(self, uuid: bytes) -> None:
        """Remove a place; it may have been moved elsewhere with all entries below it."""
        raise ResyncRequired("an entry that had others below it is gone")

    def dn_of(self, uuid: bytes) -> str | None:
        return self.dns.get(uuid)

    def uuids(self) -> Iterable[bytes]:
        return tuple(self.dns)
