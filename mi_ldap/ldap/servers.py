"""Choice of the directory server: one for the whole process, used until it fails.

Replicas lag behind each other, so reading from one server what was just written to another often
returns old data. Therefore every session of the process uses the *current* server.

* A server that cannot be reached is *lost*: the next one in order becomes the current one.
* A server that leaves an operation unanswered is *in doubt*: a thread checks it at once. If there
  are other servers, requests wait for the result of the check, so a single slow search does not
  cause a failover. A server without alternatives stays in use. It is lost only when it answers no
  request within the configured timeouts, because a slow server is not down.
* When all servers are lost, requests fail at once, and the thread goes on checking.
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
from mi_ldap.ldap.health_check import FAR, FailoverTimings, HealthCheckThread

log = structlog.get_logger()
T = TypeVar("T")

_CHANCE = random.SystemRandom()


class AccountRefused(DirectoryUnavailable):
    """The server is available, but does not accept the service account."""


class ServerBusy(DirectoryUnavailable):
    """The server is busy or unavailable (LDAP 51, 52); another server may be used."""


QUICK_S = 0.2
"""If checking all servers failed within so many seconds, a request may wait for another check."""

CALM_S = 0.5
"""How long a server that passed a check is not checked again, in seconds."""

GRACE_S = 0.2
"""How much longer a request waits than the check may take, in seconds."""

LONGEST_CLOSE_S = 5.0
"""Longest wait for a running health check when closing, in seconds."""

AGAIN_S = 0.05
"""Shortest time after a check before a request starts another one, in seconds."""


class Servers:
    """The servers of one directory, one of which is current.

    Args:
        addresses: returns the addresses, the most preferred first; called again when all fail.
        probe: checks whether a server is usable; raises `DirectoryUnavailable` if not.
        pace: timeouts and pauses.
    """

    def __init__(
        self,
        addresses: Callable[[], tuple[str, ...]],
        probe: Callable[[str], None],
        pace: FailoverTimings | None = None,
    ) -> None:
        self._addresses, self._probe, self._pace = addresses, probe, pace or FailoverTimings()
        self._changed = threading.Condition()
        self._urls: tuple[str, ...] = ()
        self._current: str | None = None
        self._lost: dict[str, DirectoryUnavailable] = {}
        self._reason: DirectoryUnavailable | None = None  # why there is no current one
        self._in_doubt = False
        self._rounds = 0  # failed checks of all servers
        self._quick = True  # whether the last of them took less than `QUICK_S`
        self._connect_s: dict[str, float] = {}  # duration of the last connection or check
        self._looked_at = self._resolved_at = self._cleared_at = self._used_at = -math.inf
        self._answered_at = -math.inf
        self._lookout = HealthCheckThread(
            self._changed, self._look, self._pause_s, self._is_settled
        )

    @property
    def current(self) -> str | None:
        """Return the address in use; None when all servers are lost, or none was needed yet."""
        return self._current

    def connected(self, connect: Callable[[str], T], *, patient: bool = False) -> T:
        """Return the result of `connect` for the current address, or for the next if that fails.

        Args:
            connect: called with the address; may take up to `remaining_s()`.
            patient: whether to wait for a server while all are lost, until the deadline.

        Raises:
            DirectoryUnavailable: no server can be reached; with the message of the last error.
        """
        while True:
            url = self._chosen(patient)
            began_at = time.monotonic()
            try:
                with deadline(self._time_for(url)):
                    connected = connect(url)
            except AccountRefused:
                raise
            except DirectoryUnavailable as error:
                if isinstance(error, ServerBusy) and not self._others_than(url):
                    raise
                if remaining_s() <= 0:  # the server may have had too little time
                    self.suspect(url)
                    raise
                self._mark_failed(url, error, time.monotonic() - began_at)
            else:
                self._connect_s[url] = time.monotonic() - began_at
                return connected

    def is_current(self, url: str) -> bool:
        """Whether connections to the server may be used; waits for the check of one in doubt."""
        with self._changed:
            self._used_at = time.monotonic()
            self._await_verdict()
            return url == self._current

    def suspect(self, url: str) -> None:
        """Have a server checked that left an operation unanswered."""
        with self._changed:
            calm = time.monotonic() - self._cleared_at < CALM_S
            if url != self._current or self._in_doubt or calm:
                return
            self._in_doubt = self._lookout.call()

    def is_failed(self, url: str, silent_s: float = math.inf) -> bool:
        """Whether a silent server is lost; if there are others, it is checked early."""
        if silent_s > self._connect_s.get(url, 0.0) and self._others_than(url):
            self.suspect(url)
        return url in self._lost

    def note_answer(self, url: str) -> None:
        """Note that the server answered an operation."""
        if url == self._current:
            self._answered_at = time.monotonic()

    def close(self) -> None:
        """Stop the thread, and wait for its end."""
        self._lookout.close(min(self._pace.only_s, LONGEST_CLOSE_S) + 1)

    # Called by requests

    def _chosen(self, patient: bool) -> str:
        if self._resolved_at < 0:
            self._resolve()
        with self._changed:
            self._used_at = time.monotonic()
            self._await_verdict()
            if self._current is None:
                self._await_look(patient)
            if self._current is None:
                raise DirectoryUnavailable(str(self._reason or DirectoryUnavailable()))
            if self._current != self._urls[0]:
                self._lookout.start()
            return self._current

    def _await_verdict(self) -> None:
        url = self._current
        if self._in_doubt and url and self._others_than(url):
            within_s = min(remaining_s(), self._attempt_s(url) + GRACE_S)
            self._changed.wait_for(lambda: not self._in_doubt, within_s)

    def _await_look(self, patient: bool) -> None:
        """Wait for a server to be found, for at most the time of a connection unless patient."""
        self._lookout.start()
        due = time.monotonic() - self._looked_at > AGAIN_S
        if not patient and not (self._quick and due):
            return
        self._lookout.call()
        rounds = self._rounds
        self._changed.wait_for(
            lambda: self._current is not None or (self._rounds != rounds and not patient),
            remaining_s() if patient else min(self._pace.attempt_s, remaining_s()),
        )

    def _others_than(self, url: str) -> bool:
        """Whether another server is not lost."""
        return any(other != url and other not in self._lost for other in self._urls)

    def _time_for(self, url: str) -> float:
        if self._others_than(url):
            return min(remaining_s(), self._attempt_s(url))
        if len(self._urls) == 1:
            return remaining_s()
        return min(remaining_s(), max(self._pace.probe_s, self._expected_s(url)))

    def _attempt_s(self, url: str) -> float:
        """Return the timeout for one of several servers; it is longer for a distant one."""
        return max(self._pace.attempt_s, min(self._expected_s(url), self._pace.only_s))

    def _expected_s(self, url: str) -> float:
        return FAR * self._connect_s.get(url, 0.0)

    # Changes of state

    def _mark_failed(self, url: str, error: DirectoryUnavailable, took_s: float) -> None:
        with self._changed:
            if url != self._current:
                return None
            self._lost[url] = error
            cause = repr(error.__cause__ or error)
            log.warning("directory_server_lost", server=url, error=str(error), cause=cause)
            left = next((other for other in self._urls if other not in self._lost), None)
            if left:
                return self._choose(left)
            self._mark_all_down(self._telling(error), took_s)
            self._lookout.call()
            return None

    def _choose(self, url: str) -> None:
        if self._current is None and self._reason:
            log.warning("directory_back", server=url)
        else:
            log.info("directory_server_chosen", server=url)
        self._current, self._reason, self._in_doubt, self._rounds = url, None, False, 0
        self._lost.pop(url, None)
        self._changed.notify_all()

    def _mark_all_down(self, error: DirectoryUnavailable, took_s: float) -> None:
        if self._reason is None:
            log.error("directory_down", servers=list(self._urls), error=str(error))
        self._current, self._reason, self._in_doubt = None, error, False
        self._quick, self._looked_at = took_s < QUICK_S, time.monotonic()
        self._rounds += 1
        self._changed.notify_all()

    def _resolve(self) -> None:
        """Look up the addresses; keep the known ones if that fails."""
        began_at = time.monotonic()
        try:
            urls = self._addresses()
        except DirectoryUnavailable as error:
            with self._changed:
                self._resolved_at = time.monotonic()
                if not self._urls:
                    self._mark_all_down(error, self._resolved_at - began_at)
            return
        with self._changed:
            first, self._resolved_at = self._resolved_at < 0, time.monotonic()
            self._urls = urls
            if first:
                self._choose(urls[0])

    # Called by the thread

    def _is_settled(self) -> bool:
        on_the_first = bool(self._urls) and self._current == self._urls[0]
        unused = time.monotonic() - self._used_at > self._pace.unused_s
        return (on_the_first and not self._in_doubt) or unused

    def _pause_s(self) -> float:
        longest_s = self._pace.return_s
        if self._current is None:
            longest_s = min(self._pace.soonest_s * 2 ** min(self._rounds, 20), self._pace.latest_s)
        return longest_s * _CHANCE.uniform(0.5, 1)

    def _look(self) -> None:
        url = self._current
        if url is None:
            self._look_for_any()
        elif self._in_doubt:
            self._verify(url)
        else:
            self._look_for_a_better_one(url)

    def _verify(self, url: str) -> None:
        began_at = time.monotonic()
        has_others = self._others_than(url)
        fault = self._fault_of(url, self._attempt_s(url) if has_others else self._pace.only_s)
        with self._changed:
            answers = isinstance(fault, AccountRefused) or (
                not has_others and (isinstance(fault, ServerBusy) or self._answered_at > began_at)
            )
            if fault and not answers:
                self._mark_failed(url, fault, time.monotonic() - began_at)
            else:
                self._cleared_at = time.monotonic()
            self._in_doubt = False
            self._changed.notify_all()

    def _look_for_a_better_one(self, current: str) -> None:
        if time.monotonic() - self._resolved_at > self._pace.resolve_s:
            self._resolve()
        urls = self._urls
        better = urls[: urls.index(current)] if current in urls else urls
        found = next((u for u in better if not self._fault_of(u, self._attempt_s(u))), None)
        with self._changed:
            if found and self._current == current:
                self._choose(found)

    def _look_for_any(self) -> None:
        began_at = time.monotonic()
        faults: dict[str, DirectoryUnavailable] = {}
        for url in self._urls:
            fault = self._fault_of(url, self._probe_s)
            # A server that refuses the account is chosen, so that requests report this error.
            if fault is None or isinstance(fault, AccountRefused | ServerBusy):
                with self._changed:
                    return self._choose(url)
            faults[url] = fault
        self._resolve()
        with self._changed:
            self._lost = faults
            error = self._telling(self._reason or DirectoryUnavailable())
            self._mark_all_down(error, time.monotonic() - began_at)
        return None

    def _telling(self, otherwise: DirectoryUnavailable) -> DirectoryUnavailable:
        """Return the first error with a more specific message than "unavailable"."""
        faults = [self._lost[url] for url in self._urls if url in self._lost]
        plain = str(DirectoryUnavailable())
        return next((fault for fault in faults if str(fault) != plain), otherwise)

    @property
    def _probe_s(self) -> float:
        if len(self._urls) == 1:
            return self._pace.only_s
        return min(self._pace.probe_s * 2.0 ** min(self._rounds, 20), self._pace.only_s)

    def _fault_of(self, url: str, within_s: float) -> DirectoryUnavailable | None:
        began_at = time.monotonic()
        try:
            with deadline(within_s):
                self._probe(url)
        except DirectoryUnavailable as fault:
            return fault
        except Exception:
            log.exception("directory_health_check_failed", server=url)
            return DirectoryUnavailable()
        self._connect_s[url] = time.monotonic() - began_at
        return None
