"""Small files: read without blocking on a FIFO; private ones, written whole or not at all."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_BYTES = 1_000_000
WAIT_S = 5.0
"""Longest wait for the writer of a pipe, such as the shell's `<(command)`, in seconds."""


def read_text(path: Path) -> str:
    """Return the content of a file or pipe, decoded as UTF-8.

    Raises:
        OSError: the file cannot be read, is a folder, is larger than `MAX_BYTES` or not UTF-8;
            `strerror` has the reason.
    """
    # Without O_NONBLOCK opening a FIFO would block until another process writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return _read_all(descriptor, path).decode()
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "it is not UTF-8", path) from None
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Replace the file by one of mode 0600, atomically; a symbolic link stays one.

    Raises:
        OSError: it cannot be written; the old file, if any, is unchanged.
    """
    path = path.resolve()
    with _draft(path, content) as draft:
        draft.replace(path)
    _sync_folder(path.parent)


def create_private(path: Path, content: bytes) -> bool:
    """Create a file of mode 0600, atomically; return False if it exists, perhaps since just now.

    Raises:
        OSError: it cannot be written.
    """
    with _draft(path, content) as draft:
        try:
            # Unlike a rename, a link fails where the file exists.
            os.link(draft, path)
        except FileExistsError:
            return False
    _sync_folder(path.parent)
    return True


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """Write a temporary file beside the path; remove it at the end unless it was renamed."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
            # A draft that a crash left may have another mode.
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Otherwise a loss of power may undo the renaming.
        os.fsync(descriptor)
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
    """Whether there is data to read, or the end of the file, within that time."""
    # Not `select()`, which fails for descriptors above 1,023.
    polling = select.poll()
    polling.register(descriptor, select.POLLIN)
    return bool(polling.poll(within_s * 1000))
