"""The state folder: readable by its owner only, and used by one service at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mi_ldap.errors import ConfigurationError
from mi_ldap.file_locks import lock, open_lock_file

# Longest wait, in seconds, for a service that was just killed: its children hold the lock too.
PREDECESSOR_S = 0.5


@contextmanager
def held_state_folder(folder: Path) -> Iterator[None]:
    """Create the folder if missing, and lock it for the block, for this process and its children.

    Raises:
        ConfigurationError: it cannot be created, has another owner, or another service uses it.
    """
    prepare_state_folder(folder)
    descriptor = _open_lock(folder / "lock")
    try:
        if not lock(descriptor, PREDECESSOR_S, poll_s=0.02):
            raise ConfigurationError(_taken(descriptor, folder))
        with suppress(OSError):  # on a full disk only the process id is missing in the message
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open_lock(file: Path) -> int:
    try:
        return open_lock_file(file)
    except OSError as error:
        raise ConfigurationError(
            f"The state folder {file.parent} cannot be used: {error.strerror} ({file.name})."
        ) from None


def prepare_state_folder(folder: Path) -> None:
    """Create the folder if missing, and set its mode to 0700.

    Raises:
        ConfigurationError: it cannot be created, or has another owner.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        # The owner of the folder could read the keys and change the database.
        if state.st_uid != os.geteuid():
            raise ConfigurationError(
                f"The state folder {folder} belongs to another user: run the service as its owner, "
                "or name another folder with MI_LDAP_STATE_DIR."
            )
        if stat.S_IMODE(state.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"The state folder {folder} cannot be used: {error.strerror}."
        ) from None


def _taken(descriptor: int, folder: Path) -> str:
    holder = ""
    with suppress(OSError):
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
    process = f" (process {holder})" if holder.isdigit() else ""
    return (
        f"Another service{process} uses the state folder {folder}: "
        "stop it, or name another folder with MI_LDAP_STATE_DIR."
    )
