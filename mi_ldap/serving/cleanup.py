"""Periodic removal of what crashes left in the directory, started by the supervisor.

A run is a process of its own, at the start and about every minute. Runs do not overlap, so at most
one is active per machine.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Final

import structlog

from mi_ldap.deadline import deadline
from mi_ldap.errors import MiLdapError
from mi_ldap.services.container import Services
from mi_ldap.serving.processes import Child

log = structlog.get_logger(__name__)

PAUSE_S: Final = 60.0
COST: Final = 0.01
"""Largest share of time that runs may use."""

LONGEST_S: Final = 120.0
"""Timeout of a run, in seconds."""


class Cleanup:
    """Starts the runs.

    Args:
        make_services: creates the services of a run; processes must not share connections.
    """

    def __init__(self, make_services: Callable[[], Services]) -> None:
        self._make_services = make_services
        self._child: Child | None = None
        self._started_at = self._next_start = 0.0

    def tick(self) -> None:
        """Start a run if it is due; called periodically after the service's first answer."""
        now = time.monotonic()
        if self._child:
            self._wait_for(self._child, now)
        elif now >= self._next_start:
            self._start(now)

    def stop(self) -> None:
        """Kill a running process, and start no further one."""
        if self._child:
            self._child.send(signal.SIGKILL)
        self._next_start = float("inf")

    def _start(self, now: float) -> None:
        self._started_at, self._next_start = now, now + PAUSE_S
        # A process, because the supervisor must not wait for the directory itself.
        try:
            self._child = Child(lambda: clean_up(self._make_services()))
        except OSError as error:  # out of memory, or too many processes
            log.error("cleanup_not_started", error=str(error))

    def _wait_for(self, child: Child, now: float) -> None:
        took_s = now - self._started_at
        status = child.exit_status()
        if status is None:
            if took_s > LONGEST_S + PAUSE_S:
                child.send(signal.SIGKILL)  # it has exceeded its own deadline, so it must hang
            return
        if status:
            log.error("cleanup_failed", status=status)
        self._child = None
        # In a large directory, where a run takes seconds, the next one is later.
        self._next_start = max(self._next_start, now + took_s / COST)


def clean_up(services: Services) -> None:
    """Remove once what crashes and replication left in the directory."""
    try:
        with deadline(LONGEST_S):
            services.store.clean_up()
    except MiLdapError as error:
        log.warning("cleanup_not_complete", reason=str(error))
    finally:
        services.close()
