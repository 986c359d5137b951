"""The scopes of tokens, and the tokens that were revoked; `mi_ldap.web.tokens` encodes them."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mi_ldap.state.database import StateDatabase

SCOPE_ADMIN: Final = "admin"
SCOPE_DEFAULT: Final = "default"
SCOPE_CHANGE_PASSWORD: Final = "change-password"  # noqa: S105 - a scope, not a password

SLACK_S = 86_400.0
"""How long the row of an expired token is kept, in seconds."""

_PRUNE_EVERY = 64


class Revocations:
    """The tokens that were revoked before they expired, shared by all workers of one machine.

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
        """Revoke a token by its id; raise `StateUnavailable` if that cannot be stored."""
        row = (jti, expires_at, self._boot_id, self._uptime())
        with self._state.connection() as connection:
            # OR IGNORE: a client may log out twice with one token.
            connection.execute("INSERT OR IGNORE INTO revoked VALUES (?, ?, ?, ?)", row)
            self._prune(connection)

    def is_revoked(self, jti: str) -> bool:
        """Whether the token was revoked; raise `StateUnavailable` if that cannot be read."""
        with self._state.connection() as connection:
            found = connection.execute("SELECT 1 FROM revoked WHERE jti = ?", (jti,)).fetchone()
        return found is not None

    def _prune(self, connection: sqlite3.Connection) -> None:
        # Rows cost little, so they need not be deleted at once.
        self._since_pruned += 1
        if self._since_pruned >= _PRUNE_EVERY:
            self._since_pruned = 0
            uptime_s = self._uptime()
            # A token expires by the wall clock, which may jump ahead and back again. So the
            # longest lifetime must also have passed by the monotonic clock. A token revoked before
            # the last boot was revoked at least the whole uptime ago.
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
