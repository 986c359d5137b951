"""Periodic check that the server reports every entry that searches find."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.replica import coverage
from mi_ldap.directory.replica.comparison import Difference
from mi_ldap.directory.replica.containers import ResyncRequired
from mi_ldap.directory.replica.contents import ReplicationUnavailable
from mi_ldap.directory.replica.snapshot import UNREPORTED, Snapshot
from mi_ldap.ldap.connection_pool import Connector

PAUSE_S: Final = 45.0
_PAUSE_FACTOR: Final = 50
"""Minimum pause between verifications in seconds, and as a multiple of their duration."""


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
        self._due_at = time.monotonic() + max(PAUSE_S, _PAUSE_FACTOR * took_s)

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
            is_proved = coverage.is_proved(connection, (*layout.user_bases, *layout.role_bases))
            # An administrator may add a database or an overlay while slapd runs (cn=config).
            if is_proved is not snapshot.is_proved:
                raise ResyncRequired("the server's list of databases has changed")
            if not is_proved and snapshot.comparison.is_different(connection, confirm):
                raise ReplicationUnavailable(UNREPORTED)
        finally:
            connection.close()
        self.schedule_next(time.monotonic() - began)
