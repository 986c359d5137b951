"""The processes of a service, and how they end together.

the service (mi-ldap)     the supervisor: locks the state folder, receives Ctrl-C
├── slapd                 the embedded directory; restarted by the supervisor
├── heartbeats            one for each configured control plane; restarted by the supervisor
├── cleanup               about every minute, for a moment
└── gunicorn's arbiter    in a session of its own; when it ends, the service ends
    ├── worker            restarted by the arbiter
    └── worker …

"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from mi_ldap.parent_death import die_with_parent

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
# With 4 MB, lists of 100,000 users left up to 15 MB of unused gaps in the heap of each worker.
_LARGE = 1 << 20
"""Size in bytes from which a block is given back as soon as it is freed."""


def give_memory_back() -> None:
    """Make the C library return freed memory to the system; glibc only."""
    # By default glibc raises these thresholds when a large block is freed, and keeps an arena for
    # each thread: after a few large responses a worker would keep their memory for good.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE)
        mallopt(_M_ARENA_MAX, 1)


class Child:
    """A forked process that runs a function."""

    def __init__(self, run: Callable[[], None]) -> None:
        """Fork; the child runs `run` in its own session and exits with its `SystemExit`."""
        sys.stdout.flush()  # else the child would write the buffered text once more
        sys.stderr.flush()
        parent_pid = os.getpid()
        self._status: int | None = None
        with stop_signals_blocked():
            self.pid = os.fork()
            if self.pid == 0:
                _run_to_exit(run, parent_pid)

    def exit_status(self) -> int | None:
        """Return the exit status, negative for a signal; None while the process runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def send(self, number: int) -> None:
        """Send the process a signal if it still runs."""
        if self.exit_status() is None:
            os.kill(self.pid, number)


class Signals:
    """The signals that stop or wake the service, in the order of their arrival."""

    STOP = (signal.SIGINT, signal.SIGTERM)
    RELOAD = signal.SIGHUP

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in (*self.STOP, self.RELOAD, signal.SIGCHLD):
            signal.signal(number, self._keep)

    def _keep(self, number: int, _frame: FrameType | None) -> None:
        self._queue.put(number)  # SimpleQueue.put is reentrant, as a signal handler must be

    def next(self, timeout_s: float) -> int | None:
        """Return the next signal; None if none arrives in time."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None

    @classmethod
    def forget(cls) -> None:
        """Restore the default handlers, in a child."""
        for number in (*cls.STOP, signal.SIGCHLD, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        # Its default would end the process; only workers act on it, and reload certificates.
        signal.signal(cls.RELOAD, signal.SIG_IGN)


_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


@contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """Keep signals to stop pending for the block; a child that is forked in it keeps them too."""
    # A forked process has the handlers of its parent, which would take a signal to stop for one to
    # the parent and lose it. It calls `unblock_stop_signals` when it has its own handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        unblock_stop_signals()


def unblock_stop_signals() -> None:
    """Deliver the signals that are pending."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)


def _run_to_exit(run: Callable[[], None], parent_pid: int) -> None:
    status = 1
    try:
        Signals.forget()
        unblock_stop_signals()
        os.setsid()  # Ctrl-C reaches the supervisor alone, which stops the children in order
        # Otherwise `kill -9` of the supervisor would leave this process behind.
        die_with_parent(parent_pid)
        run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run in the child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status & 0xFF)  # not the parent's exit handlers and `finally` blocks
