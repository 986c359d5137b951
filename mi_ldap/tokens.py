"""What a token claims, and what revokes it. No Flask: the web encodes."""

from __future__ import annotations

import sqlite3
import time
from typing import Final, Protocol

from mi_ldap.state import StateDatabase

SCOPE_ADMIN: Final = "admin"
SCOPE_DEFAULT: Final = "default"
SCOPE_CHANGE_PASSWORD: Final = "change-password"  # noqa: S105 - a scope, not a password

_PRUNE_EVERY = 64


class Revocations(Protocol):
    """The tokens that died before their time."""

    def revoke(self, jti: str, expires_at: float) -> None:
        """Raises `StateUnavailable` unless the revocation is kept."""

    def is_revoked(self, jti: str) -> bool:
        """Raises `StateUnavailable` where it can't be told."""


class SqliteRevocations:
    """For all workers of one machine; rows whose tokens have expired anyway are pruned."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state
        self._since_pruned = 0

    def revoke(self, jti: str, expires_at: float) -> None:
        with self._state.connection() as connection:
            connection.execute("INSERT OR IGNORE INTO revoked VALUES (?, ?)", (jti, expires_at))
            self._prune(connection)

    def is_revoked(self, jti: str) -> bool:
        with self._state.connection() as connection:
            found = connection.execute("SELECT 1 FROM revoked WHERE jti = ?", (jti,)).fetchone()
        return found is not None

    def _prune(self, connection: sqlite3.Connection) -> None:
        self._since_pruned += 1
        if self._since_pruned >= _PRUNE_EVERY:
            self._since_pruned = 0
            connection.execute("DELETE FROM revoked WHERE expires_at < ?", (time.time(),))
