"""A thread that is there only while there is something to look after."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

log = structlog.get_logger()

FAR: Final = 3.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited for what, in seconds.

    What is said of one server of several holds where it is near; one that is known to be far away
    is given `FAR` times what it took the last time.

    Attributes:
        attempt_s: for one server while there are others, to connect or to clear a doubt.
        probe_s: for the last of several, and for the first look at one of them while all are lost;
            it doubles with each look up to `only_s`.
        only_s: for a look at the only one; as long as the configured timeouts allow.
        soonest_s: from the first look to the second while all are lost; it doubles each time.
        latest_s: the most that it grows to.
        return_s: from one look for a better server to the next; each between half and all of it.
        resolve_s: from one question for the addresses to the next, while one server is there.
        unused_s: after so long without a request nobody looks any more.
    """

    attempt_s: float = 0.6
    probe_s: float = 2.0
    only_s: float = 5.0
    soonest_s: float = 0.25
    latest_s: float = 2.0
    return_s: float = 10.0
    resolve_s: float = 60.0
    unused_s: float = 120.0


class Lookout:
    """Runs `look` again and again, with pauses, until it is over.

    Nothing is started before it is needed: a thread does not survive a fork.

    Args:
        changed: the lock of what is looked after; notified whenever that changes.
        look: one look; called without the lock.
        pause_s: how long to wait before the next, in seconds; called with the lock.
        is_over: whether there is nothing to look after any more; called with the lock.
    """

    def __init__(
        self,
        changed: threading.Condition,
        look: Callable[[], None],
        pause_s: Callable[[], float],
        is_over: Callable[[], bool],
    ) -> None:
        self._changed, self._look, self._pause_s, self._is_over = changed, look, pause_s, is_over
        self._thread: threading.Thread | None = None
        self._is_called = False
        self._closed_in: int | None = None

    @property
    def _closed(self) -> bool:
        """Whether it was closed in this process: what is closed before a fork is used after it."""
        return self._closed_in == os.getpid()

    def start(self) -> None:
        """Be there; called with the lock."""
        is_there = self._thread is not None and self._thread.is_alive()  # not so after a fork
        if not (is_there or self._closed):
            self._thread = threading.Thread(target=self._run, name="directory-lookout", daemon=True)
            self._thread.start()

    def call(self) -> bool:
        """Be there and look at once, unless closed; called with the lock."""
        self._is_called = True
        self.start()
        self._changed.notify_all()
        return not self._closed

    def close(self, within_s: float) -> None:
        """End it for this process, and wait so long until the last look is over."""
        with self._changed:
            self._closed_in = os.getpid()
            thread = self._thread
            self._changed.notify_all()
        if thread:
            thread.join(within_s)

    def _run(self) -> None:
        while self._wait():
            try:
                self._look()
            except Exception:
                # Without this thread a directory that is back would stay lost for good.
                log.exception("directory_health_check_failed")

    def _wait(self) -> bool:
        """Until it is time for a look; False when there is none to come."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_called or self._closed or self._is_over(), self._pause_s()
            )
            self._is_called = False
            if self._closed or self._is_over():
                self._thread = None
                return False
            return True
