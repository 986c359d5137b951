"""Checks whether anything has changed in PostgreSQL, shared by the requests of a process.

PostgreSQL's snapshot is `xmin:xmax:ids`: all transactions before `xmin` have ended, none from
`xmax` on has, and the `ids` between them are under way. What a statement sees depends only on the
snapshot. When a transaction that has written ends, in any database of the server, the snapshot
changes, and an earlier one never comes back: `xmax` only grows, and an id that has left the list
does not return. So a value that was read between two equal snapshots is what every statement with
that snapshot reads.

There are no such checks for MariaDB and MySQL, which do not report changes to an account without
the right `PROCESS`: `UPDATE_TIME` has whole seconds only, and the counters of written rows and the
position of the binary log change before a commit is visible.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from mi_ldap.deadline import began_at, remaining_s
from mi_ldap.sql.database_errors import DatabaseUnavailable
from mi_ldap.sql.tables import define_tables

_SNAPSHOT: Final = "SELECT txid_current_snapshot()::text, pg_postmaster_start_time()::text"

# What a view, a foreign table, a partition or a table with a row security policy returns may change
# although no transaction of this server has ended.
_UNUSUAL: Final = (
    "SELECT count(*) FROM pg_class WHERE oid IN ({}) "
    "AND (relkind <> 'r' OR relrowsecurity OR relhassubclass)"
)

_MAX_CHANGES: Final = 8
_PAUSE_S: Final = 1.0
"""Seconds without checks after `_MAX_CHANGES` in a row have each found a change."""

ServerState = tuple[object, ...]
_Reader = Callable[[Callable[[Connection], ServerState | None]], ServerState | None]


@dataclass(frozen=True, slots=True)
class Check:
    """The state of the server at one time.

    Attributes:
        asked_at: a time before the statement was sent, by `time.monotonic()`.
        state: equal in two checks if nothing has changed between them; None if it is unknown.
    """

    asked_at: float
    state: ServerState | None


class ChangeChecks:
    """The checks of one PostgreSQL server.

    Args:
        read: runs a function with a connection for reads, and returns its result.
        has_failed: returns whether the server has failed and was not reached since.
    """

    def __init__(self, read: _Reader, has_failed: Callable[[], bool]) -> None:
        self._read = read
        self._has_failed = has_failed
        self._lock = threading.Lock()
        self._noting = threading.Lock()
        self._latest: Check | None = None
        self._changed_at = 0.0
        self._connections = 0
        self._changes = 0
        self._pauses_until = 0.0
        self._has_usual_tables: bool | None = None

    def current(self) -> Check | None:
        """Return a check that is not older than the request; None if the state is unknown.

        The check is not older than the last change by this process, either. So a value that was
        valid at the check is what the request could have read from the database since it began.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        if self._has_usual_tables is False or time.monotonic() < self._pauses_until:
            return None
        needed_since = max(began_at(), self._changed_at)
        latest = self._latest
        if latest is None or latest.asked_at < needed_since:
            latest = self._shared_check(needed_since)
        return latest if latest.state is not None else None

    def note_change(self) -> None:
        """Make all reads that begin from now on wait for a new check."""
        with self._noting:
            self._changed_at = max(self._changed_at, time.monotonic())

    def note_connection(self) -> int:
        """Return a number for a connection that is being opened, as a part of the state.

        After a crash, a restarted server may use the ids of lost transactions again. All
        connections were lost in the crash, so a state after it has a larger number, and differs.
        """
        with self._noting:
            self._connections += 1
            return self._connections

    def _shared_check(self, needed_since: float) -> Check:
        # A request that waits here uses the check of another request, if that check began after it.
        # While one request tries a server that has failed, the others do not wait for the result.
        has_failed = self._has_failed()
        if not self._lock.acquire(timeout=0 if has_failed else remaining_s()):
            if has_failed:
                raise DatabaseUnavailable
            raise DatabaseUnavailable("The database is busy. Try again later.")
        try:
            latest = self._latest
            if latest is None or latest.asked_at < needed_since:
                latest = Check(time.monotonic(), self._read(self._state))
                self._note_state(latest)
            return latest
        finally:
            self._lock.release()

    def _note_state(self, check: Check) -> None:
        is_same = self._latest is not None and self._latest.state == check.state
        self._changes = 0 if is_same and check.state else self._changes + 1
        if self._changes >= _MAX_CHANGES:
            # While others write all the time, checks cost more than they save.
            self._changes = _MAX_CHANGES // 2
            self._pauses_until = time.monotonic() + _PAUSE_S
        self._latest = check

    def _state(self, connection: Connection) -> ServerState | None:
        opened = self._connections
        if self._has_usual_tables is None:
            self._has_usual_tables = _has_usual_tables(connection)
        if not self._has_usual_tables:
            return None
        snapshot, started_at = connection.exec_driver_sql(_SNAPSHOT).one()
        xmin, xmax, under_way = snapshot.split(":")
        # If `xmin` is under way, a primary lists it. A standby lists no such transactions, so its
        # snapshot does not show their ends.
        if xmin != xmax and xmin not in under_way.split(","):
            return None
        number = max(opened, connection.info["number"])
        # After a failover the ids may be used again. But the other server was started at another
        # time, so the state differs.
        return connection.info["host"], number, started_at, snapshot


def _has_usual_tables(connection: Connection) -> bool:
    """Whether all of the store's tables are ordinary ones."""
    names = (f"to_regclass('{name}')" for name in define_tables("postgresql").metadata.tables)
    return not connection.exec_driver_sql(_UNUSUAL.format(", ".join(names))).scalar_one()
