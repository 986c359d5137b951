"""`Snapshot`: the contents of memory, with the polls that update them; and their verification."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.reads.searches import Searches
from mi_ldap.directory.replica import coverage
from mi_ldap.directory.replica.comparison import Comparison, Difference
from mi_ldap.directory.replica.contents import ReplicaContents
from mi_ldap.directory.replica.reasons import ReplicationUnavailable, ResyncRequired
from mi_ldap.directory.replica.synchronizer import Synchronizer
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.connection_pool import Connector

FIRST_ENTRY_TIMEOUT_S: Final = 60.0
"""Longest wait for the first entry of the initial synchronization, in seconds."""

VERIFY_PAUSE_S: Final = 45.0
_VERIFY_PAUSE_FACTOR: Final = 50
"""Minimum pause between verifications in seconds, and as a multiple of their duration."""

UNREPORTED: Final = "a search finds other entries than the server reports"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The contents of memory, the synchronizer and its connection. They are replaced together.

    Attributes:
        contents: the users and groups.
        synchronizer: polls for changes.
        connection: bound as the service's account, used for polls only.
        comparison: compares the contents with searches.
        is_proved: whether the server's list of databases proves that it reports every change.
            Otherwise memory is compared with searches periodically.
    """

    contents: ReplicaContents
    synchronizer: Synchronizer
    connection: LdapConnection
    comparison: Comparison
    is_proved: bool

    @classmethod
    def from_directory(
        cls, connector: Connector, searches: Searches, limit: int, *, is_embedded: bool
    ) -> Self:
        """Fill memory with all users and groups of the directory.

        Args:
            connector: opens the connection.
            searches: read the members of groups.
            limit: the maximum number of users and groups.
            is_embedded: whether the service runs the directory itself, with a known configuration.

        Raises:
            ReplicationUnavailable: memory can't be kept up to date.
            ResyncRequired: memory can't be kept up to date at this moment.
            LdapError: the server rejected a request.
            DirectoryUnavailable: the connection failed.
        """
        connection = connector.bound()
        # The first entry of a large synchronization takes longer than other responses.
        usual_s, connection.response_timeout_s = (
            connection.response_timeout_s,
            FIRST_ENTRY_TIMEOUT_S,
        )
        layout = searches.layout
        bases = (*layout.user_bases, *layout.role_bases)
        try:
            is_proved = is_embedded or coverage.proves_coverage(connection, bases)
            contents = ReplicaContents(searches, is_proved=is_proved)
            is_one = coverage.share_database(connection, bases)
            synchronizer = Synchronizer(layout, *contents.entry_types(), is_one_database=is_one)
            synchronizer.fill(connection, limit)
            comparison = Comparison(layout, contents.people, contents.groups)
            snapshot = cls(contents, synchronizer, connection, comparison, is_proved)
            if not is_embedded:
                coverage.ensure_one_database(connection, bases, contents.parents())
            synchronizer.check_poll_latency(connection)
            contents.finish_poll()
            read_at_s = time.monotonic()
            contents.apply_members(contents.read_members([*contents.groups]), read_at_s)
            if not is_proved:
                snapshot._ensure_all_reported()
        except BaseException:
            connection.close()
            raise
        connection.response_timeout_s = usual_s
        return snapshot

    def refresh(self, *, expects_change: bool = False) -> None:
        """Poll, and apply the changes since the last poll; see `Synchronizer.refresh`."""
        self.synchronizer.refresh(self.connection, expects_change=expects_change)
        self.contents.finish_poll()

    def _ensure_all_reported(self) -> None:
        """Check that plain searches find exactly the entries in memory.

        Raises:
            ReplicationUnavailable: some entries differ.
        """
        if self.comparison.is_different(self.connection, self._confirmed):
            raise ReplicationUnavailable(UNREPORTED)

    def _confirmed(self, suspects: set[Difference]) -> set[Difference]:
        self.refresh()
        return self.comparison.confirmed(self.connection, suspects)


class Verification:
    """Verifies memory on a connection of its own, in the background thread of the replica.

    Args:
        connector: opens the connection.
        layout: the configured bases, filters and attributes.
    """

    def __init__(self, connector: Connector, layout: DirectoryLayout) -> None:
        self._connector, self._layout = connector, layout
        self._due_at = 0.0

    @property
    def is_due(self) -> bool:
        return time.monotonic() > self._due_at

    def schedule_next(self, took_s: float) -> None:
        """Begin the pause after a verification, or after filling memory, which verifies it too."""
        self._due_at = time.monotonic() + max(VERIFY_PAUSE_S, _VERIFY_PAUSE_FACTOR * took_s)

    def verify(
        self, snapshot: Snapshot, confirm: Callable[[set[Difference]], set[Difference]]
    ) -> None:
        """Check that the list of databases still proves coverage; without it, compare entries.

        Args:
            snapshot: the memory to verify.
            confirm: polls, and returns the differences that still exist.

        Raises:
            ResyncRequired: the list proves coverage and did not before, or the reverse.
            ReplicationUnavailable: the server does not report all changes.
        """
        began, layout = time.monotonic(), self._layout
        connection = self._connector.bound()
        try:
            is_proved = coverage.proves_coverage(
                connection, (*layout.user_bases, *layout.role_bases)
            )
            # An administrator may add a database or an overlay while slapd runs (cn=config).
            if is_proved is not snapshot.is_proved:
                raise ResyncRequired("the server's list of databases has changed")
            if not is_proved and snapshot.comparison.is_different(connection, confirm):
                raise ReplicationUnavailable(UNREPORTED)
        finally:
            connection.close()
        self.schedule_next(time.monotonic() - began)
