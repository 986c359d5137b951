"""A file of lines that several processes append to and rotate, each line whole and exactly once.

Every append holds an exclusive lock (flock) on the file itself. So a last byte that is not a
newline was left by a write that a full disk or a crash cut short, never by one under way; and
nobody writes to a file that is just being renamed.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from pathlib import Path

import structlog

from mi_ldap.deadline import remaining_s

log = structlog.get_logger()

LOCK_WAIT_S = 2.0
"""So long an append waits for others at most, in seconds; within the request's deadline."""
_POLL_S = 0.002
_RETRY_ROTATION_S = 60.0


class AuditFile:
    """An append-only file of mode 0600, rotated to `<name>.1` … `<name>.<keep>`, the newest first.

    Args:
        path: the file; made when missing. What is moved away by others is made anew.
        max_bytes: it is rotated before a line that would make it larger; 0 for never.
        keep: how many rotated files are kept.
    """

    def __init__(self, path: Path, max_bytes: int = 0, keep: int = 1) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._no_rotation_before = 0.0

    def append(self, line: bytes) -> None:
        """Write one line, which ends with a newline.

        Raises:
            OSError: it could not be written, or not as a whole.
        """
        give_up_at = time.monotonic() + min(LOCK_WAIT_S, remaining_s())
        with self._lock:
            try:
                descriptor = self._lock_current(give_up_at)
                if self._is_full(descriptor, len(line)) and self._rotate():
                    self._close()
                    descriptor = self._lock_current(give_up_at)
                _write(descriptor, line)
            except BaseException:
                self._close()  # and with it the lock
                raise
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def check(self) -> None:
        """Raises `OSError` where the file cannot be opened for appending."""
        with self._lock:
            self._open()
            self._close()

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        with self._lock:
            self._close()

    def _lock_current(self, give_up_at: float) -> int:
        """The locked descriptor of the file that has the name now."""
        while True:
            descriptor = self._open() if self._descriptor is None else self._descriptor
            _lock(descriptor, give_up_at)
            if self._is_current(descriptor):
                return descriptor
            self._close()

    def _open(self) -> int:
        # A FIFO that nobody reads is an error (ENXIO), and a full one is too (EAGAIN): no waiting.
        access = os.O_WRONLY if self._path.is_fifo() else os.O_RDWR
        flags = access | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(self._path, flags, 0o600)
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _is_full(self, descriptor: int, more: int) -> bool:
        status = os.fstat(descriptor)
        if not self._max_bytes or not stat.S_ISREG(status.st_mode):
            return False
        is_over = 0 < status.st_size > self._max_bytes - more
        return is_over and time.monotonic() >= self._no_rotation_before

    def _rotate(self) -> bool:
        """Rename the locked file and its predecessors; whether that was done.

        Names move up to the first gap only: what a crash left in the middle loses no file.
        """
        path = self._path.resolve()  # a symbolic link stays one
        older = [path.with_name(f"{path.name}.{number}") for number in range(1, self._keep + 1)]
        gap = next((at for at, file in enumerate(older) if not file.exists()), self._keep - 1)
        chain = [path, *older[: gap + 1]]
        try:
            for newer, file in zip(chain[-2::-1], chain[:0:-1], strict=True):
                newer.replace(file)
        except OSError as error:
            # The folder may belong to somebody else: lines go on being added to the large file.
            log.error("audit_not_rotated", file=str(path), error=str(error))
            self._no_rotation_before = time.monotonic() + _RETRY_ROTATION_S
            return False
        return True

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int, give_up_at: float) -> None:
    """Lock the file; a holder that was stopped (SIGSTOP) must not stop us for longer than that."""
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                raise TimeoutError("another process holds the lock of the file") from None
            time.sleep(_POLL_S)


def _write(descriptor: int, line: bytes) -> None:
    """Write the line, after the newline that the last one lacks where it was cut short."""
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size:
        is_cut = os.pread(descriptor, 1, status.st_size - 1) != b"\n"
        line = b"\n" + line if is_cut else line
    if os.write(descriptor, line) != len(line):
        raise OSError("the disk took a part of the line only")
