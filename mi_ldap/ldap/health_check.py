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
"""A timeout is at least so many times the duration of the last connection to the server."""


@dataclass(frozen=True, slots=True)
class FailoverTimings:
    """Timeouts and pauses of health checks, in seconds.

    With several servers these are minimums: each server gets at least `DISTANCE_FACTOR` times the
    duration of its last connection.

    Attributes:
        attempt_s: timeout of a connection or check while there are other servers.
        probe_s: timeout for the last of several servers, and for the first check while all have
            failed; it doubles with each check up to `only_s`.
        only_s: timeout for a check of the only server, as the configured timeouts allow.
        soonest_s: pause between the first two checks while all have failed; it doubles each time.
        latest_s: the longest such pause.
        return_s: pause between checks for a preferred server; randomized between half and all.
        resolve_s: pause between look-ups of the addresses while a server is available.
        unused_s: time without a request after which the checks end.
    """

    attempt_s: float = 0.6
    probe_s: float = 2.0
    only_s: float = 5.0
    soonest_s: float = 0.25
    latest_s: float = 2.0
    return_s: float = 10.0
    resolve_s: float = 60.0
    unused_s: float = 120.0


class HealthCheckThread:
    """Calls `check` repeatedly, with pauses, until `is_done`.

    The thread is started only when it is needed, because a thread does not survive a fork.

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
        self._condition, self._check, self._pause_s, self._is_done = (
            condition,
            check,
            pause_s,
            is_done,
        )
        self._thread: threading.Thread | None = None
        self._is_due = False
        self._closed_in: int | None = None

    @property
    def _closed(self) -> bool:
        """Whether it was closed in this process; a child may use what its parent closed."""
        return self._closed_in == os.getpid()

    def start(self) -> None:
        """Start the thread if it does not run; called with the lock."""
        is_running = self._thread is not None and self._thread.is_alive()  # False after a fork
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
