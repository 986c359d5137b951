"""File locks that show which creations of users are still running on this machine.

The mark of an unfinished user has 16 hexadecimal digits: 8 that all services with this state folder
share, and 8 that identify its creation. The request that creates the user locks one byte of a file,
at the offset in the last 8 digits.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from mi_ldap.file_locks import open_lock_file

log = structlog.get_logger()

_TAG_LENGTH: Final = 8
# Locks of the open file description: classic POSIX locks would be lost when any other descriptor of
# the file is closed in the same process. Linux only; elsewhere the age of a mark decides.
_GET, _SET = getattr(fcntl, "F_OFD_GETLK", None), getattr(fcntl, "F_OFD_SETLK", None)
_STRUCT_FLOCK: Final = "hhqqi"


class CreationLocks:
    """The locks of running creations; usable by all threads of a process, also after a fork.

    Args:
        path: the lock file, created with the first user. None for no locks.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._descriptor: int | None = None
        self._tag = ""
        self._running: set[str] = set()

    def begin(self) -> str:
        """Return a unique mark, locked until `end`."""
        with self._guard:
            mark = (self._opened_tag() or secrets.token_hex(4)) + secrets.token_hex(4)
            self._running.add(mark)
            if self._descriptor is not None and _SET is not None:
                with suppress(OSError):  # not supported by the file system: the mark's age decides
                    fcntl.fcntl(self._descriptor, _SET, _flock(fcntl.F_WRLCK, mark))
            return mark

    def end(self, mark: str) -> None:
        """Release the lock of a creation, whether it succeeded or not."""
        with self._guard:
            if mark not in self._running:
                return
            self._running.discard(mark)
            if self._descriptor is not None and _SET is not None:
                with suppress(OSError):
                    fcntl.fcntl(self._descriptor, _SET, _flock(fcntl.F_UNLCK, mark))

    def is_running(self, mark: str) -> bool | None:
        """Whether the creation is running; None if unknown, as on another machine."""
        with self._guard:
            if mark in self._running:
                return True
            tag = self._opened_tag()
            if not (tag and mark.startswith(tag)) or _GET is None:
                return None
            # The kernel releases the lock when the process dies, so a mark of this machine whose
            # byte is not locked belongs to a request that has ended.
            try:
                answer = fcntl.fcntl(self._descriptor or 0, _GET, _flock(fcntl.F_WRLCK, mark))
            except OSError:
                return None
            return bool(struct.unpack_from(_STRUCT_FLOCK, answer)[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        """Close the file, which releases all locks; the next use opens it again."""
        with self._guard:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor, self._tag = None, ""
            self._running.clear()

    def _opened_tag(self) -> str:
        """Open the file and return the 8 digits of this machine; `""` if the file is unusable."""
        if self._tag or self._path is None:
            return self._tag
        try:
            self._descriptor, self._tag = _opened(self._path)
        except OSError as error:
            log.warning("creation_locks_not_usable", file=str(self._path), error=str(error))
        return self._tag


def _opened(path: Path) -> tuple[int, str]:
    """Open the file and return its descriptor and tag; close it if that fails."""
    descriptor = open_lock_file(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        tag = _tag_in(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, tag


def _tag_in(descriptor: int) -> str:
    stored = os.pread(descriptor, _TAG_LENGTH, 0).decode("ascii", "replace")
    if len(stored) == _TAG_LENGTH and set(stored) <= set("0123456789abcdef"):
        return stored
    tag = secrets.token_hex(_TAG_LENGTH // 2)
    os.pwrite(descriptor, tag.encode(), 0)
    return tag


def _flock(kind: int, mark: str) -> bytes:
    return struct.pack(_STRUCT_FLOCK, kind, os.SEEK_SET, int(mark[_TAG_LENGTH:], 16), 1, 0)
