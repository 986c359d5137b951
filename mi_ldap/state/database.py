"""The state that the workers of one machine share: a SQLite file in the state folder.

It holds revoked tokens, failed logins and metadata, such as that bootstrap is over. Each thread has
its own connections.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol

import structlog

from mi_ldap.errors import ConfigurationError, StateUnavailable
from mi_ldap.sqlite_journal import POLL_S, is_busy, use_write_ahead_log

log = structlog.get_logger()

BUSY_S = 2.0
"""Longest wait for other writers, in seconds."""
COUNTERS_BUSY_S = 2.0

# 64 MB in pages of 4 kB: failed logins from many addresses must not fill the memory of a worker.
_MAX_MEMORY_PAGES = 16_384
_REPLACED = "tokens that were logged out are valid again until they expire; restart the service"

COUNTERS = """
    CREATE TABLE login_attempts (key TEXT PRIMARY KEY, failed INTEGER NOT NULL,
        pending INTEGER NOT NULL, ends_at REAL NOT NULL, wall_ends_at REAL NOT NULL,
        name TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
    CREATE INDEX login_attempts_by_end ON login_attempts (ends_at);
    CREATE INDEX login_attempts_by_wall_end ON login_attempts (wall_ends_at);
    CREATE TABLE throttled_logins (key TEXT NOT NULL, ends_at REAL NOT NULL, who TEXT NOT NULL,
        name TEXT NOT NULL, client TEXT NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (key, ends_at)) WITHOUT ROWID;
    """
"""Tables of failed logins, in the file and, while it cannot be written, in `MemoryCounters`."""

_MIGRATIONS = (
    """
    CREATE TABLE revoked (jti TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX revoked_by_expiry ON revoked (expires_at);
    CREATE TABLE failures (key TEXT PRIMARY KEY, count INTEGER NOT NULL, expires_at REAL NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    f"""
    DROP TABLE failures;
    {COUNTERS}
    ALTER TABLE revoked ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE revoked ADD COLUMN uptime_s REAL NOT NULL DEFAULT 0;
    """,
)


class Metadata(Protocol):
    """Texts by key, of which the first value is kept."""

    def get(self, key: str) -> str | None:
        """Return the value of the key; None if there is none."""

    def set_default(self, key: str, value: str) -> str:
        """Store the value if the key has none; return the stored value."""


class StateDatabase:
    """The database, upgraded to the current schema.

    Args:
        path: the file; created with mode 0600 if missing.

    Raises:
        ConfigurationError: a newer version of the service wrote it, or it is not a database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._counters_lock = threading.Lock()
        try:
            path.touch(mode=0o600)
            if not path.is_file():  # SQLite would block on a FIFO
                raise ConfigurationError(f"The state file {path} is not a file: move it away.")
            self._check_version()
        except OSError as error:
            raise ConfigurationError(
                f"The state file {path} cannot be used: {error.strerror}."
            ) from None
        except StateUnavailable as error:
            raise ConfigurationError(
                f"The state file {path} cannot be used ({error.__cause__}): move it away."
            ) from error

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection, whose commits survive a power failure.

        Raises:
            StateUnavailable: the disk is full, the file locked for too long, or damaged.
        """
        with self._usable_connection("durable", BUSY_S, "FULL") as connection:
            yield connection

    @contextmanager
    def counters(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction on the counters, which a power failure may lose.

        Raises:
            StateUnavailable: as `connection`.
        """
        with (
            self._counters_lock,  # else the threads of one process starve the other processes
            # Every login writes here, and fsync takes milliseconds: only checkpoints sync.
            self._usable_connection("counters", POLL_S, "NORMAL") as connection,
            transaction(connection, COUNTERS_BUSY_S),
        ):
            yield connection

    @contextmanager
    def _usable_connection(
        self, kind: str, busy_s: float, synchronous: str
    ) -> Iterator[sqlite3.Connection]:
        try:
            self._leave_replaced_file()
            yield self._connections.get(kind) or self._connect(kind, busy_s, synchronous)
        except sqlite3.Error as error:
            self.close()  # a damaged or replaced file needs new connections
            log.error("state_not_usable", file=str(self._path), error=str(error))
            raise StateUnavailable from error

    @property
    def _connections(self) -> dict[str, sqlite3.Connection]:
        """This thread's connections: `"durable"` and `"counters"`."""
        found: dict[str, sqlite3.Connection] = self._local.__dict__.setdefault("connections", {})
        return found

    def close(self) -> None:
        """Close this thread's connections; none may be open when the process forks."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _leave_replaced_file(self) -> None:
        """Close connections to a file that was deleted or replaced while the service runs."""
        # What is written to the old file would be lost at the next start, and other threads and
        # processes, which open the new one, would not see it.
        if self._connections and self._identity() != self._local.identity:
            log.error("state_file_replaced", file=str(self._path), hint=_REPLACED)
            self.close()

    def _identity(self) -> tuple[int, int] | None:
        """Device and inode of the file; None where it is missing."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def get(self, key: str) -> str | None:
        with self.connection() as connection:
            row = connection.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def keys_with_prefix(self, prefix: str) -> list[str]:
        """Return all keys of metadata that begin with the prefix."""
        with self.connection() as connection:
            rows = connection.execute(
                # Not LIKE: a DN in the key may contain its wildcards `%` and `_`.
                "SELECT key FROM facts WHERE substr(key, 1, ?) = ?",
                (len(prefix), prefix),
            ).fetchall()
        return [row[0] for row in rows]

    def set_default(self, key: str, value: str) -> str:
        """Store the value if the key has none; return the stored value."""
        with self.connection() as connection:
            # Another worker may have stored one just now: the first value stays.
            connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (key, value))
        return self.get(key) or value

    def note(self, key: str, *, survives_power_failure: bool) -> None:
        """Store the key without a value; an fsync at each call costs milliseconds."""
        with self.connection() if survives_power_failure else self.counters() as connection:
            connection.execute("INSERT OR IGNORE INTO facts VALUES (?, '')", (key,))

    def delete(self, keys: list[str]) -> None:
        """Delete the metadata with these keys."""
        with self.connection() as connection:
            connection.executemany("DELETE FROM facts WHERE key = ?", [(key,) for key in keys])

    def _connect(self, kind: str, busy_s: float, synchronous: str) -> sqlite3.Connection:
        """Open the file; where it is missing, it is created with the present schema."""
        if not self._path.is_file():
            self._create()
        identity = self._identity()  # before: if it is replaced now, the next use notices
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        self._connections[kind], self._local.identity = connection, identity
        use_write_ahead_log(connection, BUSY_S)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        if _version_of(connection) < len(_MIGRATIONS):
            with transaction(connection, BUSY_S):
                self._apply_migrations(connection)
        connection.execute(f"PRAGMA busy_timeout = {round(busy_s * 1000)}")
        return connection

    def _create(self) -> None:
        """Create the file with mode 0600."""
        # SQLite would create it by the umask, for others to read, and block on a FIFO.
        try:
            self._path.touch(mode=0o600)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
        if not self._path.is_file():
            raise sqlite3.OperationalError("it is not a file")

    def _check_version(self) -> None:
        """Open the file, which brings it to the present schema, and close it again."""
        with self.connection() as connection:
            version = _version_of(connection)
        self.close()
        if version > len(_MIGRATIONS):
            raise ConfigurationError(
                f"The state file {self._path} was written by a newer version of mi_ldap."
            )

    def _apply_migrations(self, connection: sqlite3.Connection) -> None:
        for script in _MIGRATIONS[_version_of(connection) :]:
            run_script(connection, script)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


class MemoryCounters:
    """The counters of one worker, used while the state database cannot be written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def counters(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction.

        Raises:
            StateUnavailable: the memory limit of the counters is reached.
        """
        with self._lock:
            try:
                with transaction(self._connection):
                    yield self._connection
            except sqlite3.Error as error:
                raise StateUnavailable from error

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        # Opened at the first use: the workers are forked after the services were created.
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA max_page_count = {_MAX_MEMORY_PAGES}")
        run_script(connection, COUNTERS)
        return connection


@contextmanager
def transaction(connection: sqlite3.Connection, busy_s: float = 0.0) -> Iterator[None]:
    """Run the block in a transaction; roll back if it raises.

    Args:
        connection: one without an open transaction.
        busy_s: seconds to wait for other writers, besides the connection's own timeout.
    """
    give_up_at = time.monotonic() + busy_s
    while not _begin(connection, must=time.monotonic() >= give_up_at):
        # SQLite's own pauses grow to 100 ms, and a writer starves while others write all the time.
        time.sleep(random.uniform(0, POLL_S))  # noqa: S311 - nothing is secret
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors, such as a full disk, have ended it already
            connection.execute("ROLLBACK")
        raise


def _begin(connection: sqlite3.Connection, *, must: bool) -> bool:
    """Begin a transaction; return False if others write, or raise if it `must` begin now."""
    try:
        # A deferred transaction that reads first fails at once (SQLITE_BUSY) when it then writes.
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if must or not is_busy(error):
            raise
        return False
    return True


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run each statement of the script within the open transaction."""
    for statement in filter(str.strip, script.split(";")):
        connection.execute(statement)


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
