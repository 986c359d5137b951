"""The parent-death signal: no child process outlives the process that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
# Looked up here, since a child calls it between fork and exec, where the loader may be locked.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def die_with_parent(parent_pid: int, number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when the thread that forked it ends. Linux only.

    Args:
        parent_pid: the id of the parent, as the parent knows it.
        number: the signal.
    """
    if _prctl:
        _prctl(_PR_SET_PDEATHSIG, number)
    # The parent may have died before the call: then no signal comes.
    if os.getppid() != parent_pid:
        os._exit(1)
