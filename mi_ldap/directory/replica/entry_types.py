"""The types of entries that are synchronized."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mi_ldap.ldap.messages import Entry


class Entries(Protocol):
    """The entries of a type in memory, by entryUUID."""

    def dn_of(self, uuid: bytes) -> str | None: ...

    def uuids(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class EntryType:
    """A type of entries that is synchronized: the search for them, and where they are kept."""

    ldap_filter: str
    attributes: Sequence[str]
    changed: Callable[[bytes, Entry], None]
    gone: Callable[[bytes], None]
    entries: Entries
