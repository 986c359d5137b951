"""The types of entries that are synchronized: users, groups, and containers.

A container is an entry that has children. OpenLDAP 2.5.13 reports the move of a container, but not
that the entries below it have new DNs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.replica.contents import ReplicaContents, role_attributes
from mi_ldap.ldap.connection import Entry, ReadStopped

HAS_CHILDREN: Final = "(hasSubordinates=TRUE)"


class ResyncRequired(ReadStopped):
    """The changes can't be applied one by one; memory must be filled again."""


class EntryType(Protocol):
    """A type of entries, which applies the changes of one search."""

    def search_terms(self, layout: DirectoryLayout) -> tuple[str, Sequence[str]]:
        """Return the filter and the attributes of the search for entries of this type."""

    def changed(self, uuid: bytes, entry: Entry) -> None: ...

    def gone(self, uuid: bytes) -> None: ...

    def dn_of(self, uuid: bytes) -> str | None: ...

    def uuids(self) -> Iterable[bytes]: ...


@dataclass(frozen=True, slots=True)
class Users:
    contents: ReplicaContents

    def search_terms(self, layout: DirectoryLayout) -> tuple[str, Sequence[str]]:
        return layout.user_list_filter, layout.user_attributes

    def changed(self, uuid: bytes, entry: Entry) -> None:
        if self.contents.is_unfinished(entry):
            self.contents.user_gone(uuid)
        else:
            self.contents.user_changed(uuid, entry)

    def gone(self, uuid: bytes) -> None:
        self.contents.user_gone(uuid)

    def dn_of(self, uuid: bytes) -> str | None:
        person = self.contents.people.get(uuid)
        return self.contents.people.dn(person) if person else None

    def uuids(self) -> Iterable[bytes]:
        return (person.uuid for person in self.contents.people)


@dataclass(frozen=True, slots=True)
class Roles:
    contents: ReplicaContents

    def search_terms(self, layout: DirectoryLayout) -> tuple[str, Sequence[str]]:
        return layout.role_list_filter, role_attributes(layout)

    def changed(self, uuid: bytes, entry: Entry) -> None:
        self.contents.role_changed(uuid, entry)

    def gone(self, uuid: bytes) -> None:
        self.contents.role_gone(uuid)

    def dn_of(self, uuid: bytes) -> str | None:
        group = self.contents.groups.get(uuid)
        return group.entry.dn if group else None

    def uuids(self) -> Iterable[bytes]:
        return (group.uuid for group in self.contents.groups)


@dataclass(slots=True)
class Containers:
    """DNs of entries that have children; `is_complete` after the first poll."""

    dns: dict[bytes, str] = field(default_factory=dict)
    is_complete: bool = False

    def search_terms(self, layout: DirectoryLayout) -> tuple[str, Sequence[str]]:
        return HAS_CHILDREN, ["1.1"]

    def changed(self, uuid: bytes, entry: Entry) -> None:
        """Add a container.

        Raises:
            ResyncRequired: it was moved, or is new: it may have had another DN before it had
                children.
        """
        if self.is_complete and self.dns.get(uuid) != entry.dn:
            raise ResyncRequired("an entry with children was moved or is new")
        self.dns[uuid] = entry.dn

    def gone(self, uuid: bytes) -> None:
        """Refuse: the container may have been moved, with all entries below it.

        Raises:
            ResyncRequired: always.
        """
        raise ResyncRequired("an entry with children was moved or deleted")

    def dn_of(self, uuid: bytes) -> str | None:
        return self.dns.get(uuid)

    def uuids(self) -> Iterable[bytes]:
        return tuple(self.dns)
