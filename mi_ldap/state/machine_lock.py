"""A lock that the threads and processes of one machine share, within the request's deadline."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import Conflict
from mi_ldap.file_locks import lock, open_lock_file

log = structlog.get_logger()

# Share of the request's remaining time that may be spent waiting; the change needs the rest.
WAIT_SHARE = 0.8

_POLL_S = 0.001
# Delay before a process takes the lock again, so that others, which poll, can get it.
_REACQUIRE_DELAY_S = 0.004


class MachineLock:
    """An exclusive lock on a file (flock), reentrant within a thread.

    The kernel releases the lock when the process that holds it dies. Where the file cannot be used,
    a warning is logged and nothing is locked.

    Args:
        path: the file; created if missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Threads wait on this lock first, so that only one of them polls the file.
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._free_since = 0.0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock for the duration of the block.

        Raises:
            Conflict: the lock was not free within `WAIT_SHARE` of the request's time.
        """
        give_up_at = time.monotonic() + WAIT_SHARE * remaining_s()
        if not self._thread_lock.acquire(timeout=max(0.0, give_up_at - time.monotonic())):
            raise Conflict
        try:
            with self._file_locked(give_up_at):
                yield
        finally:
            self._thread_lock.release()

    @contextmanager
    def _file_locked(self, give_up_at: float) -> Iterator[None]:
        descriptor = None if self._depth else self._lock_file(give_up_at)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if descriptor is not None:
                os.close(descriptor)
                self._free_since = time.monotonic()

    def _lock_file(self, give_up_at: float) -> int | None:
        """Lock the file and return its descriptor; None where the file cannot be used."""
        # A busy process would take the lock again before those that poll for it.
        time.sleep(max(0.0, self._free_since + _REACQUIRE_DELAY_S - time.monotonic()))
        try:
            descriptor = open_lock_file(self._path)
        except OSError as error:
            # The lock only avoids conflicts: the guards of each change remain in force without it.
            log.warning("machine_lock_not_usable", file=str(self._path), error=str(error))
            return None
        if not lock(descriptor, give_up_at - time.monotonic(), _POLL_S):
            os.close(descriptor)
            raise Conflict
        return descriptor
