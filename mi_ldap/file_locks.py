"""Exclusive locks on files (flock); the kernel releases them when the process ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


def open_lock_file(path: Path) -> int:
    """Open a lock file, created with mode 0600 if missing; return its descriptor.

    Raises:
        OSError: it cannot be opened.
    """
    # Without O_NONBLOCK a FIFO with this name would block.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)


def lock(descriptor: int, within_s: float = 0.0, poll_s: float = 0.002) -> bool:
    """Lock an open file; return False if others have it locked for all that time.

    Args:
        descriptor: of the open file; closing it releases the lock.
        within_s: seconds to wait; the process that holds the lock may be stopped (SIGSTOP).
        poll_s: seconds between two tries.
    """
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                return False
            # flock(2) has no timeout, and a signal to interrupt it would need the main thread.
            time.sleep(poll_s)
        else:
            return True
