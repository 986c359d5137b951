"""The journal mode of SQLite databases, in which readers do not wait for writers."""

from __future__ import annotations

import random
import sqlite3
import time

POLL_S = 0.002


def use_write_ahead_log(connection: sqlite3.Connection, within_s: float) -> None:
    """Set the journal mode WAL; wait so long for other connections.

    Raises:
        sqlite3.Error: the file is locked for longer, or cannot be used.
    """
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # SQLite fails at once, whatever the timeout, if two connections change the mode.
            if not is_busy(error) or time.monotonic() >= give_up_at:
                raise
        time.sleep(random.uniform(0, POLL_S))  # noqa: S311 - nothing is secret


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether another connection has locked the file."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
