"""Reading small configured files, such as secrets, without blocking on a FIFO."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path

MAX_BYTES = 1_000_000
WAIT_S = 5.0
"""Longest wait for the writer of a pipe, such as the shell's `<(command)`, in seconds."""


def read_text(path: Path) -> str:
    """Return the content of a file or pipe, decoded as UTF-8.

    Raises:
        OSError: the file can't be read, is a folder, is larger than `MAX_BYTES` or not UTF-8;
            `strerror` says which.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return _read_all(descriptor, path).decode()
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "it is not UTF-8", path) from None
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, path: Path) -> bytes:
    give_up_at = time.monotonic() + WAIT_S
    content = b""
    while len(content) <= MAX_BYTES:
        if not _is_readable(descriptor, max(0.0, give_up_at - time.monotonic())):
            raise OSError(errno.ETIMEDOUT, "nothing was written to the pipe", path)
        part = os.read(descriptor, MAX_BYTES + 1)
        if not part:
            return content
        content += part
    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)


def _is_readable(descriptor: int, within_s: float) -> bool:
    """Whether there is something to read, or the end, within that time.

    By poll: select refuses descriptors above 1,023.
    """
    polling = select.poll()
    polling.register(descriptor, select.POLLIN)
    return bool(polling.poll(within_s * 1000))
