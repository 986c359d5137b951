"""Supervision of the service's child processes: gunicorn, the embedded directory, the heartbeats.

See `mi_ldap.serving.processes` for the tree.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from mi_ldap.errors import MiLdapError
from mi_ldap.serving.directory_probe import DirectoryProbe
from mi_ldap.serving.processes import Child, Signals

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""Longest pause between failed starts, in seconds."""

LONGEST_PAUSE_AFTER_ANSWER_S = 4.0
STEADY_S = 3.0
"""After a directory ran for so many seconds, the first pause before a restart applies again."""


class Directory(Protocol):
    """The embedded directory, as the supervisor uses it."""

    def start(self) -> None:
        """Start it; return when it answers."""

    def is_running(self) -> bool:
        """Whether its process is running."""

    def kill(self) -> None:
        """Kill its process."""

    @property
    def pid(self) -> int | None:
        """The id of its process while it runs."""

    @property
    def socket_file(self) -> Path:
        """The UNIX socket on which it listens."""


class ManagedProcess(Protocol):
    """A process or periodic task, from the service's first answer until its stop."""

    def tick(self) -> None:
        """Start it if it is due or has ended; called about four times a second."""

    def stop(self) -> None:
        """Stop it permanently."""


class PeriodicTask:
    """Runs a short function every `pause_s` seconds in the supervisor, the first time at once.

    Args:
        run: the function; if it returns True, it is not called again.
        pause_s: seconds from one call to the next.
    """

    def __init__(self, run: Callable[[], bool | None], pause_s: float) -> None:
        self._run = run
        self._pause_s = pause_s
        self._next_run = 0.0

    def tick(self) -> None:
        """Call the function if it is due."""
        now = time.monotonic()
        if now >= self._next_run:
            is_done = self._run()
            self._next_run = math.inf if is_done else now + self._pause_s

    def stop(self) -> None:
        """Do nothing: no process or thread is running."""


class Restarter:
    """Restarts the directory when its process has ended or hangs."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._pause_s = FIRST_PAUSE_S
        self._alive_since = time.monotonic()
        self._next_try: float | None = None
        self._probe = DirectoryProbe(directory.socket_file)

    def tick(self) -> None:
        """Restart the directory if necessary; called periodically."""
        pid = self._directory.pid
        if pid is not None and self._probe.hangs(pid):
            log.error("embedded_directory_hangs", pid=pid)
            self._directory.kill()
        if self._directory.is_running():
            return
        now = time.monotonic()
        if self._next_try is None:
            self._note_death(now)
        elif now >= self._next_try:
            self._try(now)

    def _note_death(self, now: float) -> None:
        if now - self._alive_since > STEADY_S:
            self._pause_s = FIRST_PAUSE_S
        log.error("embedded_directory_died", next_start_in_s=self._pause_s)
        self._next_try = now + self._pause_s
        # The pauses stay short: a directory that has answered was ended by something else, such as
        # an administrator or the kernel's OOM killer.
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_AFTER_ANSWER_S)

    def _try(self, now: float) -> None:
        try:
            self._directory.start()
        except (MiLdapError, OSError) as error:
            log.error("embedded_directory_not_started", reason=str(error))
            self._next_try = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            log.warning("embedded_directory_restarted")
            self._alive_since, self._next_try = time.monotonic(), None
            self._pause_s = min(self._pause_s, LONGEST_PAUSE_AFTER_ANSWER_S)
            self._probe.reset()


def supervise(
    server: Child,
    directory: Directory | None,
    signals: Signals,
    is_answering: Callable[[], bool],
    announce: Callable[[], None],
    managed: Sequence[ManagedProcess],
) -> int:
    """Supervise until gunicorn has ended; return the service's exit status.

    The first signal to stop lets gunicorn finish requests in progress, a further one ends it fast.

    Args:
        server: gunicorn's arbiter.
        directory: the running embedded directory, if there is one.
        signals: the signals to this process.
        is_answering: whether the service answers; may block for a short time.
        announce: called once, when the service first answers.
        managed: called periodically from then on; stopped before gunicorn.
    """
    restarter = Restarter(directory) if directory else None
    is_announced = is_stopping = False
    while (status := server.exit_status()) is None:
        # Often before the first answer, which a person at the terminal waits for.
        number = signals.next(timeout_s=0.25 if is_announced else 0.01)
        if number in Signals.STOP:
            for each in managed:
                each.stop()
            # gunicorn finishes requests on SIGTERM, and abandons them on SIGINT.
            server.send(signal.SIGINT if is_stopping else signal.SIGTERM)
            is_stopping = True
        if number == Signals.RELOAD:
            log.info("reload_requested")
            server.send(Signals.RELOAD)
        if restarter and not is_stopping:
            restarter.tick()
        if not (is_announced or is_stopping) and is_answering():
            announce()
            is_announced = True
        if is_announced and not is_stopping:
            for each in managed:
                each.tick()
    for each in managed:
        each.stop()
    if is_stopping:
        return 0
    log.critical("gunicorn_ended_unexpectedly", status=status)
    return status if status > 0 else 1  # negative if a signal ended it
