"""What the workers of one machine share: a SQLite file in the state folder.

Revoked tokens, failed logins and a few facts (that bootstrap is over). Each thread has a connection
of its own; writers wait for each other at most `BUSY_S`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import structlog

from mi_ldap.errors import ConfigurationError, StateUnavailable

log = structlog.get_logger()

BUSY_S = 2.0

_MIGRATIONS = (
    """
    CREATE TABLE revoked (jti TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX revoked_by_expiry ON revoked (expires_at);
    CREATE TABLE failures (key TEXT PRIMARY KEY, count INTEGER NOT NULL, expires_at REAL NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
)


class Facts(Protocol):
    """Small things that are kept once and for all."""

    def fact(self, key: str) -> str | None:
        """What was noted under `key`."""

    def note_fact(self, key: str, value: str) -> str:
        """Keep the first value noted under `key`, and return it."""


class StateDatabase:
    """The file, brought to the present schema.

    Args:
        path: made with mode 0600 when it is missing.

    Raises:
        ConfigurationError: a newer version of the service made it, or it is no database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        path.touch(mode=0o600)
        try:
            self._migrate()
        except StateUnavailable as error:
            raise ConfigurationError(
                f"The state file {path} cannot be used ({error.__cause__}): move it away."
            ) from error

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection.

        Raises:
            StateUnavailable: the disk is full, the file locked for too long, or damaged.
        """
        try:
            yield getattr(self._local, "connection", None) or self._connect()
        except sqlite3.Error as error:
            self.close()
            log.error("state_not_usable", file=str(self._path), error=str(error))
            raise StateUnavailable from error

    def close(self) -> None:
        """Close this thread's connection; none may be open when the process forks."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def fact(self, key: str) -> str | None:
        with self.connection() as connection:
            row = connection.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def note_fact(self, key: str, value: str) -> str:
        """Keep the first value that anyone noted under `key`, and return it."""
        with self.connection() as connection:
            connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (key, value))
        return self.fact(key) or value

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        self._local.connection = connection
        return connection

    def _migrate(self) -> None:
        with self.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(_MIGRATIONS):
                connection.execute("ROLLBACK")
                raise ConfigurationError(
                    f"The state file {self._path} was made by a newer version of mi_ldap."
                )
            for script in _MIGRATIONS[version:]:
                for statement in filter(str.strip, script.split(";")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
            connection.execute("COMMIT")
        self.close()
