"""Choice of the directory server: one for the whole process, used until it fails.

Every connection of the process uses the *current* server.

* A server that cannot be reached has *failed*: the next one in order becomes the current one.
* A server that leaves an operation unanswered is *suspect*: a thread checks it at once. If there
  are other servers, requests wait for the result of the check. A server without alternatives stays
  in use, and has failed only when it answers no request within the configured timeouts.
* When all servers have failed, requests fail at once, and the thread goes on checking.
* While the current server is not the first in order, the thread checks the preferred ones
  periodically.

There is at most one such thread. It is started when it is needed (never before a fork), and ends
when the first server is the current one or when there were no requests for a while.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.health_check import DISTANCE_FACTOR, FailoverTimings, HealthCheckThread

log = structlog.get_logger()
T = TypeVar("T")

_RANDOM = random.SystemRandom()


class AccountRefused(DirectoryUnavailable):
    """The server is available, but does not accept the service account."""


class ServerBusy(DirectoryUnavailable):
    """The server is busy or unavailable (LDAP 51, 52); another server may be used."""


QUICK_ROUND_S = 0.2
"""If checking all servers failed within so many seconds, a request may wait for another round."""

RECHECK_PAUSE_S = 0.5
"""How long a server that passed a check is not checked again, in seconds."""

CHECK_GRACE_S = 0.2
"""How much longer a request waits than the check may take, in seconds."""

MAX_CLOSE_S = 5.0
"""Longest wait for a running health check when closing, in seconds."""

ROUND_PAUSE_S = 0.05
"""Shortest time after a check before a request starts another one, in seconds."""


class Servers:
    """The servers of one directory, one of which is current.

    Args:
        addresses: returns the addresses, the most preferred first; called again when all fail.
        probe: checks whether a server is usable; raises `DirectoryUnavailable` if not.
        timings: timeouts and pauses.
    """

    def __init__(
        self,
        addresses: Callable[[], tuple[str, ...]],
        probe: Callable[[str], None],
        timings: FailoverTimings | None = None,
    ) -> None:
        self._addresses, self._probe, self._timings = addresses, probe, timings or FailoverTimings()
        self._condition = threading.Condition()
        self._urls: tuple[str, ...] = ()
        # One server for all requests: replicas lag behind each other, so a read from one server of
        # what was just written to another often returns old data.
        self._current: str | None = None
        self._failures: dict[str, DirectoryUnavailable] = {}
        self._down_reason: DirectoryUnavailable | None = None  # why there is no current one
        self._is_suspect = False
        self._failed_rounds = 0  # rounds of checks in which all servers failed
        self._last_round_was_quick = True  # less than `QUICK_ROUND_S`
        self._connect_s: dict[str, float] = {}  # duration of the last connection or check
        self._all_checked_at = self._resolved_at = self._passed_at = self._used_at = -math.inf
        self._answered_at = -math.inf
        self._health_checks = HealthCheckThread(
            self._condition, self._check, self._pause_s, self._needs_no_checks
        )

    @property
    def current(self) -> str | None:
        """The address in use; None when all servers have failed, or none was needed yet."""
        return self._current

    def connected(self, connect: Callable[[str], T], *, wait_for_server: bool = False) -> T:
        """Return the result of `connect` for the current address, or for the next if that fails.

        Args:
            connect: called with the address; may take up to `remaining_s()`.
            wait_for_server: whether to wait until the deadline for a server while all have failed.

        Raises:
            DirectoryUnavailable: no server can be reached; with the message of the last error.
        """
        while True:
            url = self._choose(wait_for_server)
            started_at = time.monotonic()
            try:
                with deadline(self._connect_timeout_s(url)):
                    connected = connect(url)
            except AccountRefused:
                raise
            except DirectoryUnavailable as error:
                if isinstance(error, ServerBusy) and not self._has_alternative(url):
                    raise
                if remaining_s() <= 0:  # the server may have had too little time
                    self.suspect(url)
                    raise
                self._mark_failed(url, error, time.monotonic() - started_at)
            else:
                self._connect_s[url] = time.monotonic() - started_at
                return connected

    def is_current(self, url: str) -> bool:
        """Whether connections to the server may be used; waits for the check of a suspect one."""
        with self._condition:
            self._used_at = time.monotonic()
            self._await_check()
            return url == self._current

    def suspect(self, url: str) -> None:
        """Check a server that left an operation unanswered, in the background."""
        with self._condition:
            passed_lately = time.monotonic() - self._passed_at < RECHECK_PAUSE_S
            if url != self._current or self._is_suspect or passed_lately:
                return
            self._is_suspect = self._health_checks.check_now()

    def is_failed(self, url: str, silent_s: float = math.inf) -> bool:
        """Whether a silent server has failed; if there are others, it is checked early."""
        if silent_s > self._connect_s.get(url, 0.0) and self._has_alternative(url):
            self.suspect(url)
        return url in self._failures

    def note_answer(self, url: str) -> None:
        """Note that the server answered an operation."""
        if url == self._current:
            self._answered_at = time.monotonic()

    def close(self) -> None:
        """Stop the thread, and wait for its end."""
        self._health_checks.close(min(self._timings.single_server_s, MAX_CLOSE_S) + 1)

    # Called by requests

    def _choose(self, wait_for_server: bool) -> str:
        if self._resolved_at < 0:
            self._resolve()
        with self._condition:
            self._used_at = time.monotonic()
            self._await_check()
            if self._current is None:
                self._await_server(wait_for_server)
            if self._current is None:
                raise DirectoryUnavailable(str(self._down_reason or DirectoryUnavailable()))
            if self._current != self._urls[0]:
                self._health_checks.start()
            return self._current

    def _await_check(self) -> None:
        # A single slow search must not cause a failover, so requests wait for the check.
        url = self._current
        if self._is_suspect and url and self._has_alternative(url):
            within_s = min(remaining_s(), self._attempt_s(url) + CHECK_GRACE_S)
            self._condition.wait_for(lambda: not self._is_suspect, within_s)

    def _await_server(self, wait_for_server: bool) -> None:
        """Wait for an available server: for one round of checks, or until the deadline."""
        self._health_checks.start()
        due = time.monotonic() - self._all_checked_at > ROUND_PAUSE_S
        if not wait_for_server and not (self._last_round_was_quick and due):
            return
        self._health_checks.check_now()
        rounds = self._failed_rounds
        self._condition.wait_for(
            lambda: (
                self._current is not None or (self._failed_rounds != rounds and not wait_for_server)
            ),
            remaining_s() if wait_for_server else min(self._timings.attempt_s, remaining_s()),
        )

    def _has_alternative(self, url: str) -> bool:
        """Whether another server has not failed."""
        return any(other != url and other not in self._failures for other in self._urls)

    def _connect_timeout_s(self, url: str) -> float:
        if self._has_alternative(url):
            return min(remaining_s(), self._attempt_s(url))
        if len(self._urls) == 1:
            return remaining_s()
        return min(remaining_s(), max(self._timings.probe_s, self._distance_timeout_s(url)))

    def _attempt_s(self, url: str) -> float:
        """Return the timeout for one of several servers; it is longer for a distant one."""
        return max(
            self._timings.attempt_s,
            min(self._distance_timeout_s(url), self._timings.single_server_s),
        )

    def _distance_timeout_s(self, url: str) -> float:
        return DISTANCE_FACTOR * self._connect_s.get(url, 0.0)

    # Changes of state

    def _mark_failed(self, url: str, error: DirectoryUnavailable, took_s: float) -> None:
        with self._condition:
            if url != self._current:
                return None
            self._failures[url] = error
            cause = repr(error.__cause__ or error)
            log.warning("directory_server_lost", server=url, error=str(error), cause=cause)
            left = next((other for other in self._urls if other not in self._failures), None)
            if left:
                return self._use(left)
            self._mark_all_down(self._most_specific(error), took_s)
            self._health_checks.check_now()
            return None

    def _use(self, url: str) -> None:
        if self._current is None and self._down_reason:
            log.warning("directory_back", server=url)
        else:
            log.info("directory_server_chosen", server=url)
        self._current, self._down_reason = url, None
        self._is_suspect, self._failed_rounds = False, 0
        self._failures.pop(url, None)
        self._condition.notify_all()

    def _mark_all_down(self, error: DirectoryUnavailable, took_s: float) -> None:
        if self._down_reason is None:
            log.error("directory_down", servers=list(self._urls), error=str(error))
        self._current, self._down_reason, self._is_suspect = None, error, False
        self._last_round_was_quick, self._all_checked_at = took_s < QUICK_ROUND_S, time.monotonic()
        self._failed_rounds += 1
        self._condition.notify_all()

    def _resolve(self) -> None:
        """Look up the addresses; keep the known ones if that fails."""
        started_at = time.monotonic()
        try:
            urls = self._addresses()
        except DirectoryUnavailable as error:
            with self._condition:
                self._resolved_at = time.monotonic()
                if not self._urls:
                    self._mark_all_down(error, self._resolved_at - started_at)
            return
        with self._condition:
            first, self._resolved_at = self._resolved_at < 0, time.monotonic()
            self._urls = urls
            if first:
                self._use(urls[0])

    # Called by the health check thread

    def _needs_no_checks(self) -> bool:
        on_the_first = bool(self._urls) and self._current == self._urls[0]
        unused = time.monotonic() - self._used_at > self._timings.idle_s
        return (on_the_first and not self._is_suspect) or unused

    def _pause_s(self) -> float:
        longest_s = self._timings.preferred_pause_s
        if self._current is None:
            longest_s = min(
                self._timings.first_pause_s * 2 ** min(self._failed_rounds, 20),
                self._timings.max_pause_s,
            )
        # At random, so that the processes of a machine do not check a server at the same moment.
        return longest_s * _RANDOM.uniform(0.5, 1)

    def _check(self) -> None:
        url = self._current
        if url is None:
            self._check_all()
        elif self._is_suspect:
            self._verify(url)
        else:
            self._check_preferred(url)

    def _verify(self, url: str) -> None:
        started_at = time.monotonic()
        has_others = self._has_alternative(url)
        failure = self._probe_failure(
            url, self._attempt_s(url) if has_others else self._timings.single_server_s
        )
        with self._condition:
            # A server without alternatives that answers other requests is slow, and not down.
            answered = isinstance(failure, ServerBusy) or self._answered_at > started_at
            is_alive = isinstance(failure, AccountRefused) or (not has_others and answered)
            if failure and not is_alive:
                self._mark_failed(url, failure, time.monotonic() - started_at)
            else:
                self._passed_at = time.monotonic()
            self._is_suspect = False
            self._condition.notify_all()

    def _check_preferred(self, current: str) -> None:
        if time.monotonic() - self._resolved_at > self._timings.resolve_s:
            self._resolve()
        urls = self._urls
        better = urls[: urls.index(current)] if current in urls else urls
        found = next((u for u in better if not self._probe_failure(u, self._attempt_s(u))), None)
        with self._condition:
            if found and self._current == current:
                self._use(found)

    def _check_all(self) -> None:
        started_at = time.monotonic()
        failures: dict[str, DirectoryUnavailable] = {}
        for url in self._urls:
            failure = self._probe_failure(url, self._probe_s)
            # A server that refuses the account is chosen, so that requests report this error.
            if failure is None or isinstance(failure, AccountRefused | ServerBusy):
                with self._condition:
                    return self._use(url)
            failures[url] = failure
        self._resolve()
        with self._condition:
            self._failures = failures
            error = self._most_specific(self._down_reason or DirectoryUnavailable())
            self._mark_all_down(error, time.monotonic() - started_at)
        return None

    def _most_specific(self, otherwise: DirectoryUnavailable) -> DirectoryUnavailable:
        """Return the first error with a more specific message than "unavailable"."""
        failures = [self._failures[url] for url in self._urls if url in self._failures]
        plain = str(DirectoryUnavailable())
        return next((failure for failure in failures if str(failure) != plain), otherwise)

    @property
    def _probe_s(self) -> float:
        if len(self._urls) == 1:
            return self._timings.single_server_s
        return min(
            self._timings.probe_s * 2.0 ** min(self._failed_rounds, 20),
            self._timings.single_server_s,
        )

    def _probe_failure(self, url: str, within_s: float) -> DirectoryUnavailable | None:
        """Probe the server; return why it is not usable, None if it is."""
        started_at = time.monotonic()
        try:
            with deadline(within_s):
                self._probe(url)
        except DirectoryUnavailable as failure:
            return failure
        except Exception:
            log.exception("directory_health_check_failed", server=url)
            return DirectoryUnavailable()
        self._connect_s[url] = time.monotonic() - started_at
        return None
