"""A file of lines that several processes append to and rotate, each line whole and exactly once."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from pathlib import Path

import structlog

from mi_ldap.deadline import remaining_s
from mi_ldap.file_locks import lock

log = structlog.get_logger()

LOCK_WAIT_S = 2.0
"""Longest wait of an append for the lock, in seconds, within the request's deadline."""
_RETRY_ROTATION_S = 60.0


class AuditFile:
    """An append-only file of mode 0600, rotated to `<name>.1` … `<name>.<keep>`, the newest first.

    Args:
        path: the file; created if missing, also after another tool has moved it away.
        max_bytes: the file is rotated before a line would make it larger; 0 for never.
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
        """Append one line, which ends with a newline.

        Raises:
            OSError: the line could not be written, or not as a whole.
            TimeoutError: another process held the lock for too long.
        """
        give_up_at = time.monotonic() + min(LOCK_WAIT_S, remaining_s())
        with self._lock:
            try:
                descriptor = self._lock_current(give_up_at)
                if self._must_rotate(descriptor, len(line)) and self._rotate():
                    self._close()
                    descriptor = self._lock_current(give_up_at)
                _write(descriptor, line)
            except BaseException:
                self._close()  # releases the lock
                raise
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def check(self) -> None:
        """Open the file for appending and close it; raise `OSError` where that is impossible."""
        with self._lock:
            self._open()
            self._close()

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        with self._lock:
            self._close()

    def _lock_current(self, give_up_at: float) -> int:
        """Open and lock the file that has the name now; return its descriptor."""
        while True:
            descriptor = self._open() if self._descriptor is None else self._descriptor
            # A lock on the file itself, so that no process writes to one that is being renamed.
            if not lock(descriptor, give_up_at - time.monotonic()):
                raise TimeoutError("another process holds the lock of the file")
            if self._is_current(descriptor):  # else it was rotated while this process waited
                return descriptor
            self._close()

    def _open(self) -> int:
        # Without waiting: a FIFO without a reader is an error (ENXIO), a full one is too (EAGAIN).
        access = os.O_WRONLY if self._path.is_fifo() else os.O_RDWR
        flags = access | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(self._path, flags, 0o600)
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _must_rotate(self, descriptor: int, line_bytes: int) -> bool:
        status = os.fstat(descriptor)
        if not self._max_bytes or not stat.S_ISREG(status.st_mode):
            return False
        is_full = 0 < status.st_size > self._max_bytes - line_bytes
        return is_full and time.monotonic() >= self._no_rotation_before

    def _rotate(self) -> bool:
        """Rename the locked file and the rotated ones; return False where that fails."""
        path = self._path.resolve()  # so that a symbolic link is not renamed itself
        older = [path.with_name(f"{path.name}.{number}") for number in range(1, self._keep + 1)]
        # A crash in the middle of a rotation leaves a gap. Only the files before it are renamed, so
        # that the next rotation overwrites none.
        gap = next((at for at, file in enumerate(older) if not file.exists()), self._keep - 1)
        chain = [path, *older[: gap + 1]]
        try:
            for newer, file in zip(chain[-2::-1], chain[:0:-1], strict=True):
                newer.replace(file)
        except OSError as error:
            # The service may not be allowed to write the folder. Lines still go to the large file.
            log.error("audit_not_rotated", file=str(path), error=str(error))
            self._no_rotation_before = time.monotonic() + _RETRY_ROTATION_S
            return False
        return True

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write(descriptor: int, line: bytes) -> None:
    """Write the line, after a newline where the last line was cut short."""
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size:
        # Under the lock nobody else is writing: a crash or a full disk cut the last line short.
        is_cut = os.pread(descriptor, 1, status.st_size - 1) != b"\n"
        line = b"\n" + line if is_cut else line
    if os.write(descriptor, line) != len(line):
        raise OSError("only a part of the line was written")
