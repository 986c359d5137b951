"""Files from the service: written completely or not at all, and over others only if allowed."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from mi_ldap.client.errors import FileError

# File systems without hard links, such as FAT and some network file systems.
_NO_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


def target_of(path: Path, name: str, *, overwrite: bool) -> Path:
    """Return the path to write to.

    Args:
        path: of the new file, or of a folder.
        name: the file's name at the service, which names it in a folder.
        overwrite: whether it may replace a file.

    Raises:
        FileError: `save` would not write it.
    """
    # Only the last part, so that no name can lead out of the folder.
    last = Path(name).name
    if last in {"", ".."}:
        raise FileError(f"'{name}' is not the name of a file.")
    try:
        target = path / last if path.is_dir() else path
        found = target.stat() if overwrite else target.lstat()
    except FileNotFoundError:
        return target
    except OSError as error:
        raise _unwritable(path, error) from None
    if not overwrite:
        raise _exists(target)
    # A rename would replace a device such as /dev/null.
    if not stat.S_ISREG(found.st_mode):
        raise FileError(f"{target} is not a regular file, and can't be replaced.")
    return target


def save(path: Path, chunks: Iterable[bytes], *, overwrite: bool) -> int:
    """Write a file of mode 0600; return its size in bytes.

    Raises:
        FileError: it exists, or cannot be written; nothing was changed.
    """
    # A symbolic link stays one.
    target = path.resolve() if overwrite else path
    try:
        with _draft(target.parent) as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
            if overwrite:
                Path(file.name).replace(target)
            else:
                _rename_to_new(Path(file.name), target)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    return size


@contextmanager
def _draft(folder: Path) -> Iterator[IO[bytes]]:
    """Create a file; remove it at the end unless it was renamed."""
    # An unpredictable name, because the folder may be writable for others, as /tmp is. It is chosen
    # before the file exists, so that an interrupt at any moment leaves no file.
    path = folder / f".mi-{secrets.token_hex(8)}"
    try:
        with open(path, "xb", opener=_create_private) as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


def _create_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _rename_to_new(draft: Path, target: Path) -> None:
    """Name the file; raise `FileExistsError` if another one has the name by now."""
    try:
        # Unlike a rename, a link fails where the file exists.
        os.link(draft, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError from None
        draft.rename(target)


def _exists(path: Path) -> FileError:
    return FileError(f"{path} exists already: give another --path, or --overwrite.")


def _unwritable(path: Path, error: OSError) -> FileError:
    return FileError(f"{path} can't be written: {(error.strerror or 'error').lower()}.")
