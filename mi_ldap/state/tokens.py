"""What a token claims, and what revokes it. No Flask: the web encodes."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from mi_ldap.state.database import StateDatabase

SCOPE_ADMIN: Final = "admin"
SCOPE_DEFAULT: Final = "default"
SCOPE_CHANGE_PASSWORD: Final = "change-password"  # noqa: S105 - a scope, not a password

SLACK_S = 86_400.0

_PRUNE_EVERY = 64


class Revocations(Protocol):
    """The tokens that died before their time."""

    def revoke(self, jti: str, expires_at: float) -> None:
        """Raises `StateUnavailable` unless the revocation is kept."""

    def is_revoked(self, jti: str) -> bool:
        """Raises `StateUnavailable` where it can't be told."""


class SqliteRevocations:
    """Revocations shared by all workers of one machine; rows of expired tokens are pruned.

    A token expires by the wall clock, which may jump ahead and back again. So a row is deleted only
    when the wall clock is a day past the token's expiry and, by the monotonic clock, the configured
    lifetime of tokens and a day have passed since the revocation.

    Args:
        state: the database.
        longest_life_s: the configured lifetime of a token, in seconds.
        uptime: returns the seconds since the boot; monotonic, and the same in all processes.
    """

    def __init__(
        self,
        state: StateDatabase,
        longest_life_s: float = 0.0,
        uptime: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._longest_life_s = longest_life_s
        self._uptime = uptime
        self._boot_id = _boot_id()
        self._since_pruned = 0

    def revoke(self, jti: str, expires_at: float) -> None:
        row = (jti, expires_at, self._boot_id, self._uptime())
        with self._state.connection() as connection:
            connection.execute("INSERT OR IGNORE INTO revoked VALUES (?, ?, ?, ?)", row)
            self._prune(connection)

    def is_revoked(self, jti: str) -> bool:
        with self._state.connection() as connection:
            found = connection.execute("SELECT 1 FROM revoked WHERE jti = ?", (jti,)).fetchone()
        return found is not None

    def _prune(self, connection: sqlite3.Connection) -> None:
        self._since_pruned += 1
        if self._since_pruned >= _PRUNE_EVERY:
            self._since_pruned = 0
            uptime_s = self._uptime()
            # A token revoked before the last boot was revoked at least the whole uptime ago.
            connection.execute(
                "DELETE FROM revoked WHERE expires_at < ? "
                "AND ? - CASE boot_id WHEN ? THEN uptime_s ELSE 0 END > ?",
                (time.time() - SLACK_S, uptime_s, self._boot_id, self._longest_life_s + SLACK_S),
            )


def _boot_id() -> str:
    """Return the id of the machine's present boot; a random one where it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return uuid.uuid4().hex
