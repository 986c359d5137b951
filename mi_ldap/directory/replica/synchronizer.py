"""Content synchronization of users, groups and entries with children (RFC 4533) into memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.replica.contents import ReplicaContents, ReplicationUnavailable
from mi_ldap.directory.replica.entry_locations import strange
from mi_ldap.directory.replica.entry_types import (
    IS_PLACE,
    Kind,
    Places,
    ResyncRequired,
    Roles,
    Users,
)
from mi_ldap.directory.replica.sync_checks import ensure_complete, ensure_not_ahead
from mi_ldap.ldap import names, requests
from mi_ldap.ldap.connection import Entry, LdapConnection
from mi_ldap.ldap.content_sync import Poller, SyncSearch

MANY: Final = 2000
"""More changes than this are not applied while a request waits."""

QUICK_S: Final = 0.25
"""A poll that takes longer, in seconds, scans all entries, even on a distant or busy server."""


class Synchronizer:
    """Keeps the contents of memory up to date.

    Args:
        tree: the configured bases, filters and attributes.
        held: the contents, which the changes are applied to.
        is_one_database: whether one database is behind all bases.
    """

    def __init__(
        self, tree: DirectoryLayout, held: ReplicaContents, *, is_one_database: bool = False
    ) -> None:
        self._held = held
        self._places = places = Places()
        around = [
            _Subscription(places, base) for base in _outermost(tree.user_bases + tree.role_bases)
        ]
        self._told = [
            *(_Subscription(Users(held), base) for base in _outermost(tree.user_bases)),
            *(_Subscription(Roles(held), base) for base in _outermost(tree.role_bases)),
            *around,
        ]
        self._searches = [_search_of(told, tree) for told in self._told]
        for search in self._searches[: -len(around)]:
            search.verify_by_search = True
        self._poller = Poller(self._searches, is_one_database=is_one_database)

    def fill(self, session: LdapConnection, limit: int) -> None:
        """Read all entries into memory.

        Raises:
            ReplicationUnavailable: there are more than `limit` users, groups and entries with
                children in all; or some lie below an entry that the account cannot read; or the
                server does not report some.
            ResyncRequired: an entry with children was moved meanwhile.
        """
        ensure_complete(session, self._searches)
        if not self._poller.poll(session, lambda: self._count() <= limit):
            raise ReplicationUnavailable(
                f"there are more than {limit} users and groups: see user_store.index_limit"
            )
        for told in self._told:
            told.is_filled = True
        self._places.is_told = True
        if any(session.read(dn, IS_PLACE, ["1.1"]) is None for dn in self._strange()):
            raise ReplicationUnavailable("entries lie below one that this account does not see")
        self._must_know_places()

    @property
    def lags_behind(self) -> bool:
        """Whether the server has changes that it does not report yet."""
        return self._poller.lags_behind

    def check_poll_latency(self, session: LdapConnection) -> None:
        """Measure a poll that reports no change.

        Raises:
            ReplicationUnavailable: the poll takes longer than `QUICK_S`; the server scans all
                entries.
        """
        took_s = []
        for _ in range(3):
            began_s = time.monotonic()
            self.refresh(session)
            took_s.append(time.monotonic() - began_s)
        if min(took_s) > QUICK_S:
            raise ReplicationUnavailable(
                "the server takes long to tell what is new: index entryCSN and entryUUID there "
                "(OpenLDAP: olcDbIndex: entryCSN,entryUUID eq)"
            )

    def refresh(self, session: LdapConnection) -> None:
        """Apply the changes since the last poll.

        Raises:
            ResyncRequired: there are too many changes, or the server cannot report them; the
                connection must not be used again.
        """
        for told in self._told:
            told.begin()
        if not self._poller.poll(session, lambda: self._count() < MANY):
            raise ResyncRequired("more has changed than can be taken in at once")
        for told, search in zip(self._told, self._searches, strict=True):
            if search.lists_all:
                told.gone(list(told.unnamed()))
            told.let_go(told.missing)
        ensure_not_ahead(self._searches)
        self._must_know_places()
        self._held.all_told()

    def _must_know_places(self) -> None:
        if self._strange():
            raise ResyncRequired("an entry has others below it for the first time")

    def _strange(self) -> set[str]:
        parents = {dn for told in self._told for dn in told.parents}
        bases = [told.base_dn for told in self._told]
        return strange(parents, bases, self._places.dns.values()) if parents else parents

    def _count(self) -> int:
        return sum(told.count for told in self._told)


@dataclass(slots=True)
class _Subscription:
    """Receiver of one search's changes.

    Attributes:
        named: the ids that the present poll has reported as changed or unchanged.
        missing: the ids that the present poll has reported as deleted.
        parents: the parent DNs of the reported entries.
        count: the number of reported changes.
    """

    kind: Kind
    base_dn: str
    is_filled: bool = False
    named: set[bytes] = field(default_factory=set)
    missing: set[bytes] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)
    count: int = 0

    def begin(self) -> None:
        self.named, self.missing, self.parents, self.count = set(), set(), set(), 0

    def changed(self, uuid: bytes, entry: Entry) -> None:
        if self.is_filled:
            self.named.add(uuid)
            self.missing.discard(uuid)
        self.count += 1
        self.parents.add(names.own_and_parent(entry.dn)[1])
        self.kind.changed(uuid, entry)

    def unchanged(self, uuids: Sequence[bytes]) -> None:
        self.named.update(uuids)

    def gone(self, uuids: Sequence[bytes]) -> None:
        for uuid in uuids:
            if self.kind.dn_of(uuid) is not None:
                self.count += 1
                self.missing.add(uuid)

    def let_go(self, uuids: Iterable[bytes]) -> None:
        """Remove the entries, except those that another search has reported elsewhere."""
        for uuid in uuids:
            if self.holds(uuid):
                self.kind.gone(uuid)

    def unnamed(self) -> Iterator[bytes]:
        """Yield the ids in memory below the base that the poll has not named."""
        for uuid in self.kind.uuids():
            if uuid not in self.named and self.holds(uuid):
                yield uuid

    def holds(self, uuid: bytes) -> bool:
        """Whether the entry is in memory, and below the base."""
        dn = self.kind.dn_of(uuid)
        return dn is not None and names.is_under(dn, self.base_dn)


def _search_of(told: _Subscription, tree: DirectoryLayout) -> SyncSearch:
    ldap_filter, attributes = told.kind.asked(tree)
    return SyncSearch(told.base_dn, requests.condition(ldap_filter), attributes, told)


def _outermost(bases: Sequence[str]) -> list[str]:
    """Return the bases that lie in no other base, each once."""
    kept: list[str] = []
    for base in sorted(bases, key=lambda each: len(names.parsed_dn(each))):
        if not any(names.is_under(base, other) for other in kept):
            kept.append(base)
    return kept
