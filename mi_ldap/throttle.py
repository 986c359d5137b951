"""How often logins may fail: by name and address together, and by address alone.

Never by name alone, or a stranger could lock an admin out. Counted with the `limits` library, in
the state file, so that all workers of a machine count together.
"""

from __future__ import annotations

import hashlib
import math
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from mi_ldap.errors import StateUnavailable, TooManyFailures
from mi_ldap.state import StateDatabase


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who is tried, from where.

    Attributes:
        who: the name's fingerprint, the same whether anybody bears it or not.
        client: the address, `"192.0.2.7"`.
    """

    who: str
    client: str

    @classmethod
    def on(cls, name: str, client: str) -> Attempt:
        """An attempt on a name as typed; spellings that a directory might fold are one name.

        Only a fingerprint is kept: people type passwords where names belong.
        """
        decomposed = unicodedata.normalize("NFKD", name.casefold()).casefold()
        letters = "".join(c for c in decomposed if unicodedata.category(c)[0] not in "MCZ")
        return cls(hashlib.sha256(letters.encode(errors="replace")).hexdigest()[:32], client)


class Throttle:
    """Counts failures for a minute from the first one on.

    Args:
        state: where the counts are kept.
        per_name: failures of one name from one address in a minute.
        per_address: failures from one address in a minute.
    """

    def __init__(self, state: StateDatabase, per_name: int, per_address: int) -> None:
        self._storage = _SqliteStorage(state)
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._per_name = RateLimitItemPerMinute(per_name, namespace="name")
        self._per_address = RateLimitItemPerMinute(per_address, namespace="address")

    def check(self, attempt: Attempt) -> None:
        """Raises `TooManyFailures` where the address, or the name from it, has none left."""
        limits = {limit.key_for(*by): limit.amount for limit, by in self._limits(attempt)}
        counted = self._storage.counted(*limits)
        ends_at = [ends for key, count, ends in counted if count >= limits[key]]
        if ends_at:
            raise TooManyFailures(max(1, math.ceil(max(ends_at) - time.time())))

    def failed(self, attempt: Attempt) -> None:
        """Count one failure."""
        for limit, by in self._limits(attempt):
            self._limiter.hit(limit, *by)

    def _limits(self, attempt: Attempt) -> Iterator[tuple[RateLimitItemPerMinute, Sequence[str]]]:
        yield self._per_address, (attempt.client,)
        yield self._per_name, (attempt.who, attempt.client)


class _SqliteStorage(Storage):
    """`limits`' counters in the table `failures`; a row is worth nothing once it has expired."""

    STORAGE_SCHEME = None

    def __init__(self, state: StateDatabase) -> None:
        super().__init__()
        self._state = state

    @property
    def base_exceptions(self) -> type[Exception]:
        return StateUnavailable

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = time.time()
        with self._state.connection() as connection:
            connection.execute("DELETE FROM failures WHERE expires_at < ?", (now,))
            row = connection.execute(
                "INSERT INTO failures VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET count = count + excluded.count RETURNING count",
                (key, amount, now + expiry),
            ).fetchone()
        return int(row[0])

    def get(self, key: str) -> int:
        return next((count for _, count, _ in self.counted(key)), 0)

    def get_expiry(self, key: str) -> float:
        return next((ends_at for _, _, ends_at in self.counted(key)), time.time())

    def check(self) -> bool:
        return not self.counted("")

    def reset(self) -> int | None:
        with self._state.connection() as connection:
            return connection.execute("DELETE FROM failures").rowcount

    def clear(self, key: str) -> None:
        with self._state.connection() as connection:
            connection.execute("DELETE FROM failures WHERE key = ?", (key,))

    def counted(self, key: str, other: str = "") -> list[tuple[str, int, float]]:
        """Key, count and end of each of the keys that has not expired."""
        with self._state.connection() as connection:
            return connection.execute(
                "SELECT key, count, expires_at FROM failures "
                "WHERE key IN (?, ?) AND expires_at >= ?",
                (key, other, time.time()),
            ).fetchall()
