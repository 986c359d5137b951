"""Limits on failed logins: by name and address together, and by address alone.

All workers of a machine count together, in the state database; a worker that cannot write it counts
for itself, in memory.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import structlog

from mi_ldap.addresses import client_network
from mi_ldap.deadline import remaining_s
from mi_ldap.errors import LoginRefused, StateUnavailable, TooManyFailures
from mi_ldap.state.database import MemoryCounters, StateDatabase

log = structlog.get_logger()

WINDOW_S = 60.0
WAIT_S = 2.0
"""Longest wait of a login, in seconds, while the logins in progress could use up the limit."""
RETRY_STATE_S = 10.0
"""How long a worker counts in memory before it retries the database, in seconds."""

_POLL_S = 0.01

Counters = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Opens a transaction on the tables of `mi_ldap.state.database.COUNTERS`."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login attempt: the name's fingerprint, and the client's address, `"192.0.2.7"`."""

    username_hash: str
    client: str


@dataclass(slots=True)
class LoginAttempts:
    """What the caller finds out during the attempt.

    Attributes:
        name: the stored name of the user; `""` if no user has the typed name.
    """

    name: str = ""


class Throttled(TooManyFailures):
    """A refused attempt.

    Args:
        retry_after_s: seconds until the next attempt is allowed.
        is_first: whether it is the first refusal in its window.
        name: the stored name of the user if earlier attempts found it, else `""`.
    """

    def __init__(self, retry_after_s: int, *, is_first: bool, name: str) -> None:
        super().__init__(retry_after_s)
        self.is_first = is_first
        self.name = name


@dataclass(frozen=True, slots=True)
class ThrottledLogins:
    """The refusals of one name and address, or of one address, in one window.

    Attributes:
        username_hash: the fingerprint of the name of the first refused attempt.
        name: the stored name of that user; `""` if unknown.
        client: the counted network, `"192.0.2.7"` or `"2001:db8::/64"`.
        count: the number of refusals.
    """

    username_hash: str
    name: str
    client: str
    count: int


@dataclass(frozen=True, slots=True)
class _Window:
    """A counter of failures since the first attempt; `ends_at` is by the throttle's clock."""

    key: str
    network: str
    limit: int
    failed: int
    pending: int
    ends_at: float
    name: str


class Throttle:
    """Counts failures in windows of a minute, which begin with the first attempt.

    Args:
        state: the state database with the counts.
        per_name: the most failures of one name from one address in a minute.
        per_address: the most failures from one address in a minute.
        clock: seconds that never go back, the same for all processes of the machine.
    """

    def __init__(
        self,
        state: StateDatabase,
        per_name: int,
        per_address: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database: Counters = state.counters
        self._memory: Counters = MemoryCounters().counters
        self._per_name = per_name
        self._per_address = per_address
        self._clock = clock
        self._memory_until = -math.inf

    @contextmanager
    def attempt(self, attempt: Attempt) -> Iterator[LoginAttempts]:
        """Count a failure in advance; take it back unless the block raises `LoginRefused`.

        Raises:
            Throttled: the limit is reached; the block was not entered.
        """
        # Counted before the password is verified: otherwise more guesses than the limit could be
        # verified when they are sent at the same time.
        counters, windows = self._wait_for_windows(attempt)
        attempts = LoginAttempts()
        has_failed = False
        try:
            yield attempts
        except LoginRefused:
            has_failed = True
            raise
        finally:
            try:
                with counters() as connection:
                    for key, ends_at in windows:
                        self._settle(connection, key, ends_at, attempts.name, has_failed)
            except StateUnavailable:  # counts as a failure until its window ends
                log.error("login_attempt_not_settled", has_failed=has_failed)

    def close_windows(
        self, report: Callable[[ThrottledLogins], None], *, include_open: bool = False
    ) -> float | None:
        """Report the refusals of every window that has ended, once for all workers.

        Args:
            report: called for each window; if it raises, the windows are kept for the next time.
            include_open: whether to include windows that have not ended.

        Returns:
            The seconds until the next window ends; None if there is none.

        Raises:
            StateUnavailable: the database cannot be written; refusals in memory were reported.
        """
        now = self._clock()
        ends = []
        for counters in (self._memory, self._database):
            with counters() as connection:
                # Windows that end later than one that begins now are from before the last boot.
                ended = connection.execute(
                    "DELETE FROM throttled_logins WHERE ? OR ends_at <= ? OR ends_at > ? "
                    "RETURNING who, name, client, count",
                    (include_open, now, now + WINDOW_S + 1),
                ).fetchall()
                for row in ended:
                    report(ThrottledLogins(*row))
                ends += connection.execute("SELECT min(ends_at) FROM throttled_logins").fetchone()
        return min((max(0.0, end - now) for end in ends if end is not None), default=None)

    def _wait_for_windows(self, attempt: Attempt) -> tuple[Counters, list[tuple[str, float]]]:
        """Wait until the logins in progress cannot exceed the limit, then count a failure."""
        # At most half of the request's time: the login itself needs the rest.
        give_up_at = time.monotonic() + min(WAIT_S, remaining_s() / 2)
        while True:
            is_last_try = time.monotonic() >= give_up_at
            counters = self._memory if self._clock() < self._memory_until else self._database
            try:
                windows = self._reserve(counters, attempt, is_last_try)
            except StateUnavailable:
                if counters is self._memory:
                    raise
                self._memory_until = self._clock() + RETRY_STATE_S
                log.error("login_failures_counted_in_memory", for_s=RETRY_STATE_S)
                continue
            if windows is not None:
                return counters, windows
            time.sleep(_POLL_S)

    def _reserve(
        self, counters: Counters, attempt: Attempt, is_last_try: bool
    ) -> list[tuple[str, float]] | None:
        """Count an attempt in progress in both windows, and return their keys and ends.

        Returns:
            None while the limit is reached only if attempts in progress fail.

        Raises:
            Throttled: the limit is reached; only the refusal was counted.
        """
        now = self._clock()
        with counters() as connection:
            _forget_old_windows(connection, now)
            windows = self._windows_of(connection, attempt)
            full = next(
                (each for each in windows if each.failed + each.pending >= each.limit), None
            )
            if full is None:
                return [self._open(connection, each.key) for each in windows]
            # Right passwords that are sent at the same time must not be refused.
            if full.failed < full.limit and not is_last_try:
                return None
            name = windows[-1].name  # of the user that earlier attempts with this name have found
            row = (full.key, full.ends_at, attempt.username_hash, name, full.network)
            (count,) = connection.execute(
                "INSERT INTO throttled_logins VALUES (?, ?, ?, ?, ?, 1) "
                "ON CONFLICT (key, ends_at) DO UPDATE SET count = count + 1 RETURNING count",
                row,
            ).fetchone()
        retry_after_s = max(1, math.ceil(full.ends_at - now))
        raise Throttled(retry_after_s, is_first=count == 1, name=name)

    def _windows_of(self, connection: sqlite3.Connection, attempt: Attempt) -> list[_Window]:
        # An IPv6 host has a whole /64, and a customer up to a /48 (RFC 6177).
        host, site = client_network(attempt.client, 64), client_network(attempt.client, 48)
        # No window for the name alone: anyone could lock an admin out.
        return [
            _read(connection, f"address {site}", site, self._per_address),
            _read(connection, f"name {attempt.username_hash} {host}", host, self._per_name),
        ]

    def _open(self, connection: sqlite3.Connection, key: str) -> tuple[str, float]:
        """Count one more attempt in progress; begin a window if the key has none."""
        row: tuple[str, float] = connection.execute(
            "INSERT INTO login_attempts (key, failed, pending, ends_at, wall_ends_at) "
            "VALUES (?, 0, 1, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET pending = pending + 1 RETURNING key, ends_at",
            (key, self._clock() + WINDOW_S, time.time() + WINDOW_S),
        ).fetchone()
        return row

    def _settle(
        self, connection: sqlite3.Connection, key: str, ends_at: float, name: str, has_failed: bool
    ) -> None:
        """Count the end of an attempt; a failure whose window has ended begins a new window."""
        is_open = connection.execute(
            "UPDATE login_attempts SET pending = max(0, pending - 1), failed = failed + ?, "
            "name = ? WHERE key = ? AND ends_at = ?",
            (has_failed, name, key, ends_at),
        ).rowcount
        if has_failed and not is_open:
            connection.execute(
                "INSERT INTO login_attempts VALUES (?, 1, 0, ?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET failed = failed + 1",
                (key, self._clock() + WINDOW_S, time.time() + WINDOW_S, name),
            )
        connection.execute(
            "DELETE FROM login_attempts WHERE key = ? AND ends_at = ? AND failed + pending = 0",
            (key, ends_at),
        )


def _read(connection: sqlite3.Connection, key: str, network: str, limit: int) -> _Window:
    row = connection.execute(
        "SELECT failed, pending, ends_at, name FROM login_attempts WHERE key = ?", (key,)
    ).fetchone()
    return _Window(key, network, limit, *(row or (0, 0, 0.0, "")))


def _forget_old_windows(connection: sqlite3.Connection, now: float) -> None:
    # By the monotonic clock, which nobody can set. It begins anew with a boot: windows that end
    # later than one that begins now are from before. It stops while the machine is suspended, so
    # windows also end by the wall clock.
    connection.execute(
        "DELETE FROM login_attempts WHERE ends_at <= ? OR ends_at > ? OR wall_ends_at <= ?",
        (now, now + WINDOW_S + 1, time.time()),
    )
