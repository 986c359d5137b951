"""The process and the loop of the heartbeats, for both generations of the control plane."""

from __future__ import annotations

import http.client
import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

import structlog

from mi_ldap.errors import MiLdapError
from mi_ldap.serving.heartbeat_request import reason_of
from mi_ldap.serving.processes import Child

log = structlog.get_logger(__name__)

LONGEST_PAUSE_S = 60.0
"""Longest pause between attempts, in seconds, while the control plane is down."""
# Random share that is taken off a pause, so that many services do not send at the same time.
JITTER = 0.1
RESTART_PAUSE_S = 5.0
"""Pause before the process is started again, in seconds."""


class HeartbeatProcess:
    """A process that sends heartbeats; restarted when it has ended.

    Args:
        run: sends heartbeats, in the new process; does not return.
    """

    def __init__(self, run: Callable[[], None]) -> None:
        self._run = run
        self._child: Child | None = None
        self._next_start = 0.0

    def tick(self) -> None:
        """Start the process if it is not running; the supervisor calls this periodically."""
        if self._child and self._child.exit_status() is None:
            return
        now = time.monotonic()
        if now < self._next_start:
            return
        if self._child:
            log.error("heartbeat_process_died", status=self._child.exit_status())
        self._next_start = now + RESTART_PAUSE_S
        self._child = Child(self._run)

    def stop(self) -> None:
        """Kill the process, and start no further one."""
        if self._child:
            self._child.send(signal.SIGKILL)
        self._next_start = float("inf")


class HeartbeatLoop(ABC):
    """Sends heartbeats to one address, less often while it is down; logs each change once.

    Args:
        name: the prefix of the names of log events, and the key of the address in them.
        url: the address, for the log.
        interval_s: seconds from one heartbeat to the next.
    """

    def __init__(self, name: str, url: str, interval_s: float) -> None:
        self._name = name
        self._url = url
        self.interval_s = interval_s
        self._pause_s = interval_s
        self._logged: tuple[str, str] | None = None

    @abstractmethod
    def send(self) -> bool:
        """Send a heartbeat if that is possible; return whether the next is due after an interval.

        Raises:
            MiLdapError: something of this service is not ready.
            OSError, HTTPException: there was no valid response within the timeout.
        """

    def run(self) -> None:
        """Send heartbeats until the process ends."""
        while True:
            start = time.monotonic()
            pause_s = self.run_once()
            # The control plane counts from one heartbeat to the next, however long its answer took.
            time.sleep(max(start + pause_s - time.monotonic(), 0))

    def run_once(self) -> float:
        """Send a heartbeat if that is possible; return the seconds from its start to the next."""
        is_due_soon = False
        try:
            is_due_soon = self.send()
        except MiLdapError as error:
            self.log_change("waiting", str(error))
            is_due_soon = True
        except (OSError, http.client.HTTPException) as error:
            self.log_change("unreachable", reason_of(error))
        except Exception as error:
            # A bug must not end the process: it would be restarted every few seconds.
            event = f"{self._name}_heartbeat_failed"
            log.exception(event)
            self.log_change("unreachable", type(error).__name__)
        longest_s = max(LONGEST_PAUSE_S, self.interval_s)
        self._pause_s = self.interval_s if is_due_soon else min(2 * self._pause_s, longest_s)
        return self._pause_s * random.uniform(1 - JITTER, 1)  # noqa: S311 - nothing is secret

    def log_change(self, state: str, reason: str) -> None:
        """Log the state if it differs from the previous one, or is a failure for another reason.

        Args:
            state: `waiting`, `registered`, `refused` or `unreachable`.
            reason: without control characters.
        """
        is_failure = state in ("unreachable", "refused")
        shown = (state, reason if is_failure else "")
        if shown == self._logged:
            return
        self._logged = shown
        write = log.warning if is_failure else log.info
        write(f"{self._name}_{state}", **{self._name: self._url}, reason=reason)
