"""`Synchronizer`: polls for changes of users, groups and their parents (RFC 4533)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.replica.containers import HAS_CHILDREN, Containers
from mi_ldap.directory.replica.entry_types import EntryType
from mi_ldap.directory.replica.reasons import ReplicationUnavailable, ResyncRequired
from mi_ldap.directory.replica.sync_checks import ensure_complete, ensure_not_ahead
from mi_ldap.ldap import names, requests
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.content_sync import Poller, SyncSearch
from mi_ldap.ldap.messages import Entry

MAX_CHANGES: Final = 2000
"""More changes than this are not applied one by one; memory is filled again."""

MAX_POLL_S: Final = 0.25
"""A poll that takes longer, in seconds, scans all entries, even on a distant or busy server."""


class Synchronizer:
    """Keeps the contents of memory up to date.

    Args:
        layout: the configured bases, filters and attributes.
        users, roles: the entries that are kept up to date.
        is_one_database: whether one database is behind all bases.
    """

    def __init__(
        self, layout: DirectoryLayout, users: EntryType, roles: EntryType, *, is_one_database: bool
    ) -> None:
        self._containers = containers = Containers()
        parents = EntryType(HAS_CHILDREN, ["1.1"], containers.changed, containers.gone, containers)
        around = _outermost(layout.user_bases + layout.role_bases)
        self._subscriptions = [
            *(_Subscription(users, base) for base in _outermost(layout.user_bases)),
            *(_Subscription(roles, base) for base in _outermost(layout.role_bases)),
            *(_Subscription(parents, base) for base in around),
        ]
        self._searches = [subscription.search() for subscription in self._subscriptions]
        # slapd 2.5.13 reports a change only when all older changes have ended, although its client
        # has the response: with two clients that write all the time, 1 change in 100 is reported
        # late. An ordinary search in each poll finds entries that are newer than the last report.
        for search in self._searches[: -len(around)]:
            search.verify_by_search = True
        self._poller = Poller(self._searches, is_one_database=is_one_database)

    def fill(self, connection: LdapConnection, limit: int) -> None:
        """Read all entries into memory.

        Raises:
            ReplicationUnavailable: there are more than `limit` users, groups and containers in all;
                or the account cannot read a container of some; or the server does not report some.
            ResyncRequired: an entry with children was moved meanwhile.
        """
        ensure_complete(connection, self._searches)
        if not self._poller.poll(connection, lambda: self._count() <= limit):
            raise ReplicationUnavailable(
                f"there are more than {limit} users and groups: see user_store.index_limit"
            )
        for subscription in self._subscriptions:
            subscription.is_filled = True
        self._containers.is_complete = True
        if any(
            connection.read(dn, HAS_CHILDREN, ["1.1"]) is None for dn in self._unknown_parents()
        ):
            raise ReplicationUnavailable("the parent of an entry is not visible to this account")
        self._ensure_containers_known()

    @property
    def lags_behind(self) -> bool:
        """Whether the server has changes that it does not report yet."""
        return self._poller.lags_behind

    def check_poll_latency(self, connection: LdapConnection) -> None:
        """Measure a poll that reports no change.

        Raises:
            ReplicationUnavailable: the poll takes longer than `MAX_POLL_S`: the server scans all
                entries.
        """
        took_s = []
        for _ in range(3):
            began_s = time.monotonic()
            self.refresh(connection)
            took_s.append(time.monotonic() - began_s)
        if min(took_s) > MAX_POLL_S:
            raise ReplicationUnavailable(
                "the server is slow to report changes: index entryCSN and entryUUID there "
                "(OpenLDAP: olcDbIndex: entryCSN,entryUUID eq)"
            )

    def refresh(self, connection: LdapConnection, *, expects_change: bool = False) -> None:
        """Apply the changes since the last poll; `expects_change` as in `Poller.poll`.

        Raises:
            ResyncRequired: there are too many changes, or the server cannot report them; the
                connection must not be used again.
        """
        for subscription in self._subscriptions:
            subscription.begin()
        if not self._poller.poll(
            connection, lambda: self._count() < MAX_CHANGES, expects_change=expects_change
        ):
            raise ResyncRequired("too many changes at once")
        # Deletions are applied last: an entry that moves to another base is reported as deleted by
        # one search and as added by another, in any order.
        for subscription, search in zip(self._subscriptions, self._searches, strict=True):
            # RFC 4533 §3.3: after a present phase, entries that were not named are deleted.
            if search.lists_all:
                subscription.gone(list(subscription.unnamed()))
            subscription.remove(subscription.deleted)
        ensure_not_ahead(self._searches)
        self._ensure_containers_known()

    def _ensure_containers_known(self) -> None:
        # OpenLDAP 2.5.13 does not report an entry that gets its first child as a new container.
        if self._unknown_parents():
            raise ResyncRequired("an entry has children for the first time")

    def _unknown_parents(self) -> set[str]:
        parents = {dn for subscription in self._subscriptions for dn in subscription.parents}
        bases = [subscription.base_dn for subscription in self._subscriptions]
        return self._containers.unknown(parents, bases) if parents else parents

    def _count(self) -> int:
        return sum(subscription.count for subscription in self._subscriptions)


@dataclass(slots=True)
class _Subscription:
    """Receiver of one search's changes.

    Attributes:
        named: the ids that the present poll has reported as changed or unchanged.
        deleted: the ids that the present poll has reported as deleted.
        parents: the parent DNs of the reported entries.
        count: the number of reported changes.
    """

    entry_type: EntryType
    base_dn: str
    is_filled: bool = False
    named: set[bytes] = field(default_factory=set)
    deleted: set[bytes] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)
    count: int = 0

    def search(self) -> SyncSearch:
        """Return the search whose changes are reported to this listener."""
        condition = requests.condition(self.entry_type.ldap_filter)
        return SyncSearch(self.base_dn, condition, self.entry_type.attributes, self)

    def begin(self) -> None:
        self.named, self.deleted, self.parents, self.count = set(), set(), set(), 0

    def changed(self, uuid: bytes, entry: Entry) -> None:
        if self.is_filled:
            self.named.add(uuid)
            self.deleted.discard(uuid)
        self.count += 1
        self.parents.add(names.rdn_and_parent(entry.dn)[1])
        self.entry_type.changed(uuid, entry)

    def unchanged(self, uuids: Sequence[bytes]) -> None:
        self.named.update(uuids)

    def gone(self, uuids: Sequence[bytes]) -> None:
        for uuid in uuids:
            if self.entry_type.entries.dn_of(uuid) is not None:
                self.count += 1
                self.deleted.add(uuid)

    def remove(self, uuids: Iterable[bytes]) -> None:
        """Remove the entries, except those that another search has reported elsewhere."""
        for uuid in uuids:
            if self.contains(uuid):
                self.entry_type.gone(uuid)

    def unnamed(self) -> Iterator[bytes]:
        """Yield the ids in memory below the base that the poll has not named."""
        for uuid in self.entry_type.entries.uuids():
            if uuid not in self.named and self.contains(uuid):
                yield uuid

    def contains(self, uuid: bytes) -> bool:
        """Whether the entry is in memory, and below the base."""
        dn = self.entry_type.entries.dn_of(uuid)
        return dn is not None and names.is_under(dn, self.base_dn)


def _outermost(bases: Sequence[str]) -> list[str]:
    """Return the bases that are not below another base, each once."""
    kept: list[str] = []
    for base in sorted(bases, key=lambda each: len(names.parsed_dn(each))):
        if not any(names.is_under(base, other) for other in kept):
            kept.append(base)
    return kept
