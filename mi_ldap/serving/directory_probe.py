"""Checks whether the embedded slapd hangs.

A probe is a search of the root DSE on a separate connection.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Final

import structlog

from mi_ldap.ldap import messages, requests

log = structlog.get_logger(__name__)

PAUSE_S: Final = 2.0
"""Pause between an answer and the next probe, in seconds."""

ANSWER_S: Final = 5.0
"""Timeout of a probe, in seconds."""

FAILURES_IDLE: Final = 3
"""Number of consecutive failed probes after which a process that is idle in all is hung."""

# The same for a process that uses CPU time or waits for a disk: two minutes without an answer.
FAILURES_BUSY: Final = 24

_IS_THERE = requests.search(
    "", requests.condition("(objectClass=*)"), ["1.1"], requests.BASE, size_limit=1
)


class DirectoryProbe:
    """Probes the running slapd; never blocks.

    Args:
        socket_file: the UNIX socket on which slapd listens.
        proc: the mount point of procfs.
    """

    def __init__(self, socket_file: Path, proc: Path = Path("/proc")) -> None:
        self._socket_file, self._proc = str(socket_file), proc
        self._connection: socket.socket | None = None
        self._ends_at = self._next_at = 0.0
        self._failures = self._idle_failures = 0
        self._activity: str | None = None

    def reset(self) -> None:
        """Forget earlier failures, as after an answer or a restart."""
        self._close()
        self._failures = self._idle_failures = 0
        self._next_at = time.monotonic() + PAUSE_S

    def hangs(self, pid: int) -> bool:
        """Whether slapd, with that process id, has not answered for so long that it must hang."""
        now = time.monotonic()
        if self._connection is None:
            if now >= self._next_at:
                self._begin(pid, now)
            return False
        if self._is_answered():
            self.reset()
        elif now >= self._ends_at:
            self._close()
            return self._is_failure_too_many(pid)
        return False

    def _begin(self, pid: int, now: float) -> None:
        self._activity = self._activity_of(pid)
        self._ends_at = now + ANSWER_S
        self._connection = socket.socket(socket.AF_UNIX)
        # The backlog of a hung slapd fills up, and the supervisor must handle signals.
        self._connection.setblocking(False)
        try:
            self._connection.connect(self._socket_file)
            self._connection.sendall(messages.message(1, _IS_THERE))
        except OSError:
            # Rejected (full backlog) or closed: the probe will time out.
            pass

    def _is_answered(self) -> bool:
        try:
            return bool(self._connection and self._connection.recv(1))
        except OSError:
            return False

    def _is_failure_too_many(self, pid: int) -> bool:
        self._failures += 1
        # On a busy machine a working slapd may answer late. It uses CPU time, or waits for a disk.
        activity = self._activity_of(pid)
        is_idle = activity is not None and activity == self._activity
        self._idle_failures = self._idle_failures + 1 if is_idle else 0
        log.warning("embedded_directory_probe_failed", probes=self._failures, is_idle=is_idle)
        return self._idle_failures >= FAILURES_IDLE or self._failures >= FAILURES_BUSY

    def _activity_of(self, pid: int) -> str | None:
        """Return the CPU times of the process; None if it waits for a disk or is not visible."""
        try:
            stat = (self._proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()  # proc(5): state is the first, utime the 12th
        return None if fields[0] == "D" else " ".join(fields[11:13])

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
