"""Comparison of the entries in memory with the results of plain searches."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.entry_names import changes_silently
from mi_ldap.directory.reads.searches import batches
from mi_ldap.directory.replica.groups import role_attributes
from mi_ldap.directory.replica.reasons import ReplicationUnavailable
from mi_ldap.ldap import requests
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.search import SearchRequest
from mi_ldap.ldap.search_stream import stream_search

UUID_ATTRIBUTE: Final = "entryUUID"

MAX_SUSPECTS: Final = 1000
"""Number of differences that are checked again; the others are assumed to have the same cause."""

BURST, YIELD_S = 500, 0.002
"""Number of entries after which the thread pauses, and the pause in seconds."""

ATTEMPTS, PAUSE_S = 5, 0.05
"""How many times differences are checked again, and the pause before each check, in seconds."""


class Difference(NamedTuple):
    """An entry that differs between memory and a plain search."""

    entry_type: _EntryType
    uuid: bytes


class _Entries(Protocol):
    """The entries in memory, by entryUUID."""

    def uuids(self) -> Iterator[bytes]: ...

    def entry_of(self, uuid: bytes) -> Entry | None: ...


class _EntryType(NamedTuple):
    """Users or groups: their entries in memory, and the search that finds them."""

    entries: _Entries
    bases: tuple[str, ...]
    condition: bytes
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Finds entries that are on the server but not in memory, and the reverse.

    Attributes:
        layout: the configured bases, filters and attributes.
        users, roles: the entries in memory.
    """

    layout: DirectoryLayout
    users: _Entries
    roles: _Entries

    def is_different(
        self, connection: LdapConnection, confirm: Callable[[set[Difference]], set[Difference]]
    ) -> bool:
        """Whether differences remain after several polls, so that they are not recent changes.

        Args:
            connection: of the account that reads the entries.
            confirm: polls, and returns the differences that still exist.
        """
        # An entry that changes during the search differs too: a poll tells the two apart.
        suspects = self.differences(connection)
        for _ in range(ATTEMPTS):
            if not suspects:
                break
            time.sleep(PAUSE_S)
            suspects = confirm(suspects)
        return bool(suspects)

    def differences(self, connection: LdapConnection) -> set[Difference]:
        """Return the entries that differ, including those that change during the search."""
        differing = set()
        for entry_type in self._entry_types():
            missing = {*entry_type.entries.uuids()}
            for number, (each, entry) in enumerate(
                _read(connection, entry_type, entry_type.condition)
            ):
                missing.discard(each)
                if self.layout.is_unfinished(entry):
                    continue
                if not _is_same(entry_type.entries.entry_of(each), entry):
                    differing.add(Difference(entry_type, each))
                # Decoding holds the GIL: without pauses, requests would wait for the comparison.
                if number % BURST == 0:
                    time.sleep(YIELD_S)
            differing.update(Difference(entry_type, each) for each in missing)
        return differing

    def confirmed(
        self, connection: LdapConnection, suspects: Iterable[Difference]
    ) -> set[Difference]:
        """Return the differences that still exist; call right after a poll."""
        remaining: set[Difference] = set()
        for part in batches([*suspects][:MAX_SUSPECTS]):
            for entry_type in self._entry_types():
                mine = [each for each in part if each.entry_type == entry_type]
                found = _read_by_uuid(connection, entry_type, [each.uuid for each in mine])
                present = {each: e for each, e in found.items() if not self.layout.is_unfinished(e)}
                remaining.update(
                    each
                    for each in mine
                    if not _is_same(entry_type.entries.entry_of(each.uuid), present.get(each.uuid))
                )
        return remaining

    def _entry_types(self) -> Iterator[_EntryType]:
        layout = self.layout
        users, roles = requests.condition(layout.user_list_filter), layout.role_list_filter
        yield _EntryType(self.users, layout.user_bases, users, tuple(layout.user_attributes))
        of_roles = tuple(role_attributes(layout))
        yield _EntryType(self.roles, layout.role_bases, requests.condition(roles), of_roles)


def _read_by_uuid(
    connection: LdapConnection, entry_type: _EntryType, uuids: Sequence[bytes]
) -> dict[bytes, Entry]:
    if not uuids:
        return {}
    one_of_them = requests.any_of(
        requests.equals(UUID_ATTRIBUTE, str(uuid.UUID(bytes=each))) for each in uuids
    )
    return dict(_read(connection, entry_type, requests.all_of(entry_type.condition, one_of_them)))


def _read(
    connection: LdapConnection, entry_type: _EntryType, condition: bytes
) -> Iterator[tuple[bytes, Entry]]:
    """Yield the entries by entryUUID, with the attributes that are synchronized."""
    key = UUID_ATTRIBUTE.lower()
    is_synchronized = key in (name.lower() for name in entry_type.attributes)
    for base in entry_type.bases:
        search = SearchRequest(base, condition, [*entry_type.attributes, UUID_ATTRIBUTE])
        for entry in stream_search(connection, search):
            kept = dict(entry.attributes)
            if not is_synchronized:
                kept.pop(key, None)
            yield _uuid_of(entry), Entry(entry.dn, kept)


def _uuid_of(entry: Entry) -> bytes:
    try:
        return uuid.UUID(entry.first(UUID_ATTRIBUTE) or "").bytes
    except ValueError:
        raise ReplicationUnavailable("a search finds entries without an entryUUID") from None


def _is_same(replicated: Entry | None, entry: Entry | None) -> bool:
    if replicated is None or entry is None:
        return replicated is entry
    return replicated.dn == entry.dn and _sorted(replicated) == _sorted(entry)


def _sorted(entry: Entry) -> dict[str, list[bytes]]:
    """Return the sorted values of the attributes whose changes synchronization reports."""
    return {
        name: sorted(values)
        for name, values in entry.attributes.items()
        if values and not changes_silently(name)
    }
