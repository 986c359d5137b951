"""Comparison of synchronized entries with the results of plain searches."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from mi_ldap.directory.layout.directory_layout import DirectoryLayout, changes_silently
from mi_ldap.directory.reads.reader import in_parts
from mi_ldap.directory.replica.contents import (
    ReplicaContents,
    ReplicationUnavailable,
    role_attributes,
)
from mi_ldap.ldap import requests
from mi_ldap.ldap.connection import Entry, LdapConnection, SearchRequest
from mi_ldap.ldap.search_stream import stream_search

UUID_ATTRIBUTE: Final = "entryUUID"

MANY: Final = 1000
"""Most differences that are checked again; more are assumed to have the same cause."""

BURST, YIELD_S = 500, 0.002
"""After this number of entries the thread sleeps, in seconds, so that other threads can run."""

ATTEMPTS, PAUSE_S = 5, 0.05
"""How many times differences are checked again, and the pause before each check, in seconds."""


class Difference(NamedTuple):
    """An entry that differs between memory and a plain search."""

    kind: _Kind
    uuid: bytes


class _Entries(Protocol):
    """The entries in memory, by entryUUID."""

    def uuids(self) -> Iterator[bytes]: ...

    def entry_of(self, uuid: bytes) -> Entry | None: ...


class _Kind(NamedTuple):
    """Users or groups: the entries in memory, and the search that finds them."""

    held: _Entries
    bases: tuple[str, ...]
    condition: bytes
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Finds entries that are on the server but not in memory, and the reverse.

    Attributes:
        tree: the configured bases, filters and attributes.
        held: the contents of memory.
    """

    tree: DirectoryLayout
    held: ReplicaContents

    def is_different(
        self, session: LdapConnection, confirm: Callable[[set[Difference]], set[Difference]]
    ) -> bool:
        """Whether differences remain after several polls, so that they are not recent changes.

        Args:
            session: of the account that reads the entries.
            confirm: polls, and returns the differences that still exist.
        """
        suspects = self.differences(session)
        for _ in range(ATTEMPTS):
            if not suspects:
                break
            time.sleep(PAUSE_S)
            suspects = confirm(suspects)
        return bool(suspects)

    def differences(self, session: LdapConnection) -> set[Difference]:
        """Return the entries that differ, including those that change during the search."""
        differing = set()
        for kind in self._kinds():
            missing = {*kind.held.uuids()}
            for number, (each, entry) in enumerate(_read(session, kind, kind.condition)):
                missing.discard(each)
                if self.tree.is_unfinished(entry):
                    continue
                if not _is_same(kind.held.entry_of(each), entry):
                    differing.add(Difference(kind, each))
                if number % BURST == 0:
                    time.sleep(YIELD_S)
            differing.update(Difference(kind, each) for each in missing)
        return differing

    def confirmed(self, session: LdapConnection, suspects: Iterable[Difference]) -> set[Difference]:
        """Return the differences that still exist; call right after a poll."""
        remaining: set[Difference] = set()
        for part in in_parts([*suspects][:MANY]):
            for kind in self._kinds():
                mine = [each for each in part if each.kind == kind]
                found = _named(session, kind, [each.uuid for each in mine])
                there = {each: e for each, e in found.items() if not self.tree.is_unfinished(e)}
                remaining.update(
                    each
                    for each in mine
                    if not _is_same(kind.held.entry_of(each.uuid), there.get(each.uuid))
                )
        return remaining

    def _kinds(self) -> Iterator[_Kind]:
        tree, held = self.tree, self.held
        users, roles = requests.condition(tree.user_list_filter), tree.role_list_filter
        yield _Kind(held.people, tree.user_bases, users, tuple(tree.user_attributes))
        of_roles = tuple(role_attributes(tree))
        yield _Kind(held.groups, tree.role_bases, requests.condition(roles), of_roles)


def _named(session: LdapConnection, kind: _Kind, uuids: Sequence[bytes]) -> dict[bytes, Entry]:
    if not uuids:
        return {}
    one_of_them = requests.any_of(
        requests.equals(UUID_ATTRIBUTE, str(uuid.UUID(bytes=each))) for each in uuids
    )
    return dict(_read(session, kind, requests.all_of(kind.condition, one_of_them)))


def _read(session: LdapConnection, kind: _Kind, condition: bytes) -> Iterator[tuple[bytes, Entry]]:
    """Yield the entries by entryUUID, with the attributes that are synchronized."""
    key = UUID_ATTRIBUTE.lower()
    is_synchronized = key in (name.lower() for name in kind.attributes)
    for base in kind.bases:
        search = SearchRequest(base, condition, [*kind.attributes, UUID_ATTRIBUTE])
        for entry in stream_search(session, search):
            kept = dict(entry.attributes)
            if not is_synchronized:
                kept.pop(key, None)
            yield _uuid_of(entry), Entry(entry.dn, kept)


def _uuid_of(entry: Entry) -> bytes:
    try:
        return uuid.UUID(entry.first(UUID_ATTRIBUTE) or "").bytes
    except ValueError:
        raise ReplicationUnavailable("a search finds entries without an entryUUID") from None


def _is_same(held: Entry | None, entry: Entry | None) -> bool:
    if held is None or entry is None:
        return held is entry
    return held.dn == entry.dn and _sorted(held) == _sorted(entry)


def _sorted(entry: Entry) -> dict[str, list[bytes]]:
    """Return the sorted values of the attributes whose changes synchronization reports."""
    return {
        name: sorted(values)
        for name, values in entry.attributes.items()
        if values and not changes_silently(name)
    }
