"""Limits on failed logins: by name and address together, and by address alone.

There is no limit by name alone, or anyone could lock an admin out. All workers of a machine count
together, in the state database; a worker that cannot write it counts for itself, in memory.

A failure is counted before the password is verified and taken back when the login succeeds. So no
more guesses than the limit are verified, even if many are sent at the same time.

Windows are measured by the machine's monotonic clock, which all processes share and which cannot be
set. It stops while the machine is suspended, so a window also ends by the wall clock.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import structlog

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import LoginRefused, StateUnavailable, TooManyFailures
from mi_ldap.state.database import COUNTERS, StateDatabase, run_script, transaction

log = structlog.get_logger()

WINDOW_S = 60.0
WAIT_S = 2.0
"""Longest wait of a login, in seconds, while the logins in progress could use up the limit."""
RETRY_STATE_S = 10.0
"""How long a worker counts in memory before it retries the database, in seconds."""

_POLL_S = 0.01
_LONGEST_FOLDED = 512  # characters; NFKD takes quadratic time (combining marks)
_MAX_MEMORY_PAGES = 16_384  # of 4 kB

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Attempt:
    """The name and address of a login attempt.

    Attributes:
        who: the name's fingerprint, whether the user exists or not.
        client: the address, `"192.0.2.7"`.
    """

    who: str
    client: str


@dataclass(slots=True)
class LoginAttempts:
    """The result of an attempt, set by the caller while it is in progress.

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
        who: the fingerprint of the name of the first refused attempt.
        name: the stored name of that user; `""` if unknown.
        client: the counted network, `"192.0.2.7"` or `"2001:db8::/64"`.
        count: the number of refusals.
    """

    who: str
    name: str
    client: str
    count: int


@dataclass(frozen=True, slots=True)
class _Limit:
    """A counter of failures: of a name from an address, or of an address."""

    key: str
    client: str
    most: int


class Fingerprints:
    """Computes keyed fingerprints of typed names.

    People type passwords in place of names, so names are not stored.

    Args:
        key: a secret; without it short texts could be found by brute force.
    """

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(b"fingerprint:" + key.encode(errors="replace")).digest()

    def of(self, name: str) -> str:
        """Return 32 hexadecimal digits, the same for all spellings that a directory may fold."""
        letters = _letters_of(name) if len(name) <= _LONGEST_FOLDED else name
        digest = hmac.digest(self._key, letters.encode(errors="replace"), "sha256")
        return digest.hex()[:32]


@dataclass(frozen=True, slots=True)
class _Window:
    """The counts of one key since its first attempt; `ends_at` is by the throttle's clock."""

    key: str
    failed: int
    pending: int
    ends_at: float


Counters = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Opens a transaction on the tables of `mi_ldap.state.database.COUNTERS`."""


class Throttle:
    """Counts failures in windows of a minute, which begin with the first attempt.

    Args:
        state: the state database with the counts.
        per_name: the most failures of one name from one address in a minute.
        per_address: the most failures from one address in a minute.
        clock: seconds that never go back, the same for all processes of the machine.
    """

    def __init__(
        self, state: StateDatabase, per_name: int, per_address: int, clock: Clock = time.monotonic
    ) -> None:
        self._database: Counters = state.counters
        self._memory: Counters = _MemoryCounters().counters
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
        limits = self._limits(attempt)
        counters, windows = self._wait_for_windows(limits, attempt.who)
        tried = LoginAttempts()
        has_failed = False
        try:
            yield tried
        except LoginRefused:
            has_failed = True
            raise
        finally:
            self._settle(counters, windows, tried, has_failed)

    def close_windows(
        self, tell: Callable[[ThrottledLogins], None], *, all_of_them: bool = False
    ) -> float | None:
        """Report the refusals of every window that has ended, once for all workers.

        Args:
            tell: called for each window; if it raises, the windows are kept for the next time.
            all_of_them: whether to include windows that have not ended.

        Returns:
            The seconds until the next window ends; None if there is none.

        Raises:
            StateUnavailable: the database cannot be written; refusals in memory were reported.
        """
        now = self._clock()
        next_end = _close_windows(self._memory, tell, now, all_of_them)
        other_end = _close_windows(self._database, tell, now, all_of_them)
        return min((each for each in (next_end, other_end) if each is not None), default=None)

    def _limits(self, attempt: Attempt) -> tuple[_Limit, _Limit]:
        network, site = _address_prefix(attempt.client, 64), _address_prefix(attempt.client, 48)
        return (
            _Limit(f"address {site}", site, self._per_address),
            _Limit(f"name {attempt.who} {network}", network, self._per_name),
        )

    def _wait_for_windows(
        self, limits: Sequence[_Limit], who: str
    ) -> tuple[Counters, list[_Window]]:
        """Wait until the logins in progress cannot exceed the limit, then count a failure."""
        give_up_at = time.monotonic() + min(WAIT_S, remaining_s() / 2)
        while True:
            is_last_try = time.monotonic() >= give_up_at
            counters = self._counters()
            try:
                windows = self._reserve(counters, limits, who, is_last_try)
            except StateUnavailable:
                if counters is self._memory:
                    raise
                self._memory_until = self._clock() + RETRY_STATE_S
                log.error("login_failures_counted_in_memory", for_s=RETRY_STATE_S)
                continue
            if windows is not None:
                return counters, windows
            time.sleep(_POLL_S)

    def _counters(self) -> Counters:
        return self._memory if self._clock() < self._memory_until else self._database

    def _reserve(
        self, counters: Counters, limits: Sequence[_Limit], who: str, is_last_try: bool
    ) -> list[_Window] | None:
        """Count a failure and return its windows; None while logins in progress may still succeed.

        Raises:
            Throttled: the limit is reached; only the refusal was counted.
        """
        now = self._clock()
        with counters() as connection:
            _forget_old_windows(connection, now)
            full = _find_full_window(connection, limits)
            if full is None:
                return [_open_window(connection, limit.key, now) for limit in limits]
            limit, window = full
            if window.failed < limit.most and not is_last_try:
                return None  # some attempts in progress may still succeed
            name = _known_name(connection, limits)
            is_first = _count_refusal(connection, limit, window, who, name)
        retry_after_s = max(1, math.ceil(window.ends_at - now))
        raise Throttled(retry_after_s, is_first=is_first, name=name)

    def _settle(
        self, counters: Counters, windows: list[_Window], tried: LoginAttempts, has_failed: bool
    ) -> None:
        now = self._clock()
        try:
            with counters() as connection:
                for window in windows:
                    _settle_window(connection, window, now, tried.name, has_failed)
        except StateUnavailable:  # counts as a failure until its window ends
            log.error("login_attempt_not_settled", has_failed=has_failed)


class _MemoryCounters:
    """The counters of one worker, used while the state database cannot be written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def counters(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction.

        Raises:
            StateUnavailable: the memory limit of the counters is reached.
        """
        with self._lock:
            if self._connection is None:
                self._connection = self._open()
            try:
                with transaction(self._connection):
                    yield self._connection
            except sqlite3.Error as error:
                raise StateUnavailable from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA max_page_count = {_MAX_MEMORY_PAGES}")
        run_script(connection, COUNTERS)
        return connection


def _letters_of(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.casefold()).casefold()
    return "".join(c for c in decomposed if unicodedata.category(c)[0] not in "MCZ")


def _forget_old_windows(connection: sqlite3.Connection, now: float) -> None:
    """Delete windows that have ended, or would end later than a window that begins now.

    The latter were written before the last boot.
    """
    connection.execute(
        "DELETE FROM login_attempts WHERE ends_at <= ? OR ends_at > ? OR wall_ends_at <= ?",
        (now, now + WINDOW_S + 1, time.time()),
    )


def _find_full_window(
    connection: sqlite3.Connection, limits: Sequence[_Limit]
) -> tuple[_Limit, _Window] | None:
    for limit in limits:
        row = connection.execute(
            "SELECT key, failed, pending, ends_at FROM login_attempts WHERE key = ?", (limit.key,)
        ).fetchone()
        window = _Window(*row) if row else None
        if window and window.failed + window.pending >= limit.most:
            return limit, window
    return None


def _open_window(connection: sqlite3.Connection, key: str, now: float) -> _Window:
    """Count one more attempt in progress."""
    row = connection.execute(
        "INSERT INTO login_attempts (key, failed, pending, ends_at, wall_ends_at) "
        "VALUES (?, 0, 1, ?, ?) ON CONFLICT (key) "
        "DO UPDATE SET pending = pending + 1 RETURNING key, failed, pending, ends_at",
        (key, now + WINDOW_S, time.time() + WINDOW_S),
    ).fetchone()
    return _Window(*row)


def _settle_window(
    connection: sqlite3.Connection, window: _Window, now: float, name: str, has_failed: bool
) -> None:
    """Count the end of an attempt; a failure whose window has ended begins a new window."""
    this = (window.key, window.ends_at)
    found = connection.execute(
        "UPDATE login_attempts SET pending = max(0, pending - 1), failed = failed + ?, "
        "name = ? WHERE key = ? AND ends_at = ?",
        (has_failed, name, *this),
    ).rowcount
    if has_failed and not found:
        connection.execute(
            "INSERT INTO login_attempts VALUES (?, 1, 0, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET failed = failed + 1",
            (window.key, now + WINDOW_S, time.time() + WINDOW_S, name),
        )
    connection.execute(
        "DELETE FROM login_attempts WHERE key = ? AND ends_at = ? AND failed + pending = 0", this
    )


def _known_name(connection: sqlite3.Connection, limits: Sequence[_Limit]) -> str:
    """Return the stored name of the user that earlier attempts with this name have found."""
    key = limits[-1].key
    row = connection.execute("SELECT name FROM login_attempts WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def _count_refusal(
    connection: sqlite3.Connection, limit: _Limit, window: _Window, who: str, name: str
) -> bool:
    """Count a refusal; return whether it is the first one of its window."""
    (count,) = connection.execute(
        "INSERT INTO throttled_logins VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (key, ends_at) "
        "DO UPDATE SET count = count + 1 RETURNING count",
        (limit.key, window.ends_at, who, name, limit.client),
    ).fetchone()
    return bool(count == 1)


def _close_windows(
    counters: Counters, tell: Callable[[ThrottledLogins], None], now: float, all_of_them: bool
) -> float | None:
    with counters() as connection:
        ended = connection.execute(
            "DELETE FROM throttled_logins WHERE ? OR ends_at <= ? OR ends_at > ? "
            "RETURNING who, name, client, count",
            (all_of_them, now, now + WINDOW_S + 1),
        ).fetchall()
        for row in ended:
            tell(ThrottledLogins(*row))
        (next_end,) = connection.execute("SELECT min(ends_at) FROM throttled_logins").fetchone()
    return None if next_end is None else max(0.0, float(next_end) - now)


def _address_prefix(client: str, ipv6_prefix: int) -> str:
    """Return the network of an IPv6 address; other texts are returned unchanged.

    An IPv6 host has a whole /64, and a customer up to a /48 (RFC 6177).
    """
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), ipv6_prefix), strict=False))
