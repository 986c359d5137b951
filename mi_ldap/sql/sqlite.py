"""Connections to SQLite, for the file of hybrid roles, trials and tests."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from mi_ldap.deadline import remaining_s
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.names import lowered
from mi_ldap.sqlite_journal import use_write_ahead_log

ERRORS = (sqlite3.Error, OSError)

_STEPS = 20_000  # instructions of SQLite between two checks of the deadline, about 1 ms


def connect(config: DatabaseConfig, *, creates: bool = False) -> sqlite3.Connection:
    """Open the file; autocommit is on, transactions are begun by statements.

    Args:
        config: `database` is the path of the file.
        creates: whether to create the file if it is missing.
    """
    mode = "rwc" if creates else ("rw" if config.writable else "ro")
    if creates:
        # It contains digests of passwords. SQLite creates its other files with the same mode.
        Path(config.database).touch(mode=0o600)
    connection = sqlite3.connect(
        f"{Path(config.database).absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,  # the pool passes a connection to one thread at a time
        timeout=config.response_timeout_s,
    )
    # SQLite's own lower() knows ASCII only.
    connection.create_function("lower", 1, _lowered, deterministic=True)
    connection.execute("PRAGMA foreign_keys = ON")
    if mode != "ro":
        # Reads do not wait for changes, nor changes for reads.
        use_write_ahead_log(connection, min(config.response_timeout_s, remaining_s()))
        connection.execute("PRAGMA synchronous = FULL")
    connection.set_progress_handler(lambda: remaining_s() <= 0, _STEPS)
    return connection


def _lowered(value: Any) -> Any:
    return lowered(value) if isinstance(value, str) else value
