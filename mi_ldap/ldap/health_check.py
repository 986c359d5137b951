"""A background thread for health checks, which runs only while it is needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

log = structlog.get_logger()

DISTANCE_FACTOR: Final = 3.0
"""Minimum timeout, as a multiple of the duration of the last connection to the server."""


@dataclass(frozen=True, slots=True)
class FailoverTimings:
    """Timeouts and pauses of health checks, in seconds.

    With several servers these are minimums: each server gets at least `DISTANCE_FACTOR` times the
    duration of its last connection.

    Attributes:
        attempt_s: timeout of a connection or check while there are other servers.
        probe_s: timeout for the last of several servers, and for the first check while all have
            failed; it doubles with each check up to `single_server_s`.
        single_server_s: timeout for a check of the only server, which has no alternative.
        first_pause_s: first pause between checks while all have failed; each one is twice as long.
        max_pause_s: the longest such pause.
        preferred_pause_s: pause between checks for a preferred server; at random from half to all.
        resolve_s: pause between look-ups of the addresses while a server is available.
        idle_s: time without a request after which the checks end.
    """

    attempt_s: float = 0.6
    probe_s: float = 2.0
    single_server_s: float = 5.0
    first_pause_s: float = 0.25
    max_pause_s: float = 2.0
    preferred_pause_s: float = 10.0
    resolve_s: float = 60.0
    idle_s: float = 120.0


class HealthCheckThread:
    """Calls `check` repeatedly, with pauses, until `is_done`.

    Args:
        condition: the lock of the checked state; notified whenever the state changes.
        check: runs one check; called without the lock.
        pause_s: returns the pause before the next check, in seconds; called with the lock.
        is_done: whether no more checks are needed; called with the lock.
    """

    def __init__(
        self,
        condition: threading.Condition,
        check: Callable[[], None],
        pause_s: Callable[[], float],
        is_done: Callable[[], bool],
    ) -> None:
        self._condition, self._check = condition, check
        self._pause_s, self._is_done = pause_s, is_done
        self._thread: threading.Thread | None = None
        self._is_due = False
        self._closed_in: int | None = None

    @property
    def _closed(self) -> bool:
        """Whether it was closed in this process; a child may use what its parent closed."""
        return self._closed_in == os.getpid()

    def start(self) -> None:
        """Start the thread if it does not run; called with the lock."""
        # Not in the constructor: a thread does not survive a fork, and workers are forked later. In
        # the child, is_alive() is False.
        is_running = self._thread is not None and self._thread.is_alive()
        if not (is_running or self._closed):
            self._thread = threading.Thread(
                target=self._run, name="directory-health-check", daemon=True
            )
            self._thread.start()

    def check_now(self) -> bool:
        """Check at once, unless closed; called with the lock."""
        self._is_due = True
        self.start()
        self._condition.notify_all()
        return not self._closed

    def close(self, within_s: float) -> None:
        """End the thread in this process, and wait up to `within_s` for a running check."""
        with self._condition:
            self._closed_in = os.getpid()
            thread = self._thread
            self._condition.notify_all()
        if thread:
            thread.join(within_s)

    def _run(self) -> None:
        while self._wait():
            try:
                self._check()
            except Exception:
                # If this thread ended, a server that is available again would stay failed.
                log.exception("directory_health_check_failed")

    def _wait(self) -> bool:
        """Wait until the next check is due; return False if no more checks are needed."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._is_due or self._closed or self._is_done(), self._pause_s()
            )
            self._is_due = False
            if self._closed or self._is_done():
                self._thread = None
                return False
            return True
