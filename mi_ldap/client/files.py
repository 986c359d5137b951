"""Small JSON files below the XDG folders: private, written whole or not at all, one at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mi_ldap.client.errors import FileError
from mi_ldap.files import write_private

Content = dict[str, Any]


def config_file(name: str) -> Path:
    """Return the path of a configuration file."""
    return _folder("XDG_CONFIG_HOME", ".config") / name


def state_file(name: str) -> Path:
    """Return the path of a state file."""
    return _folder("XDG_STATE_HOME", ".local/state") / name


def read(path: Path) -> Content:
    """Return the content of the file; `{}` if it does not exist.

    Raises:
        FileError: the file cannot be read, or is not a JSON object.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FileError(f"{path} can't be read: {_reason(error)}.") from None
    except (ValueError, RecursionError):
        raise FileError(f"{path} is damaged: correct it or delete it.") from None
    if not isinstance(content, dict):
        raise FileError(f"{path} is damaged: correct it or delete it.")
    return content


@contextmanager
def edit(path: Path) -> Iterator[Content]:
    """Yield the content of the file, which the block changes in place, under a lock.

    Raises:
        FileError: the file cannot be read or written.
    """
    with _locked(path.parent):
        content = read(path)
        yield content
        try:
            write_private(path, json.dumps(content, indent=2, ensure_ascii=False).encode())
        except OSError as error:
            raise FileError(f"{path} can't be written: {_reason(error)}.") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The folder is locked and not the file, which each write replaces.
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileError(f"The folder {folder} can't be used: {_reason(error)}.") from None
    try:
        # Two commands at the same time would each drop the change of the other.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _folder(variable: str, default: str) -> Path:
    """Return our folder below the one that the variable names, else below the default."""
    # The XDG Base Directory Specification says that relative paths are ignored.
    configured = Path(os.environ.get(variable, ""))
    if configured.is_absolute():
        return configured / "mi-ldap"
    try:
        return Path.home() / default / "mi-ldap"
    except RuntimeError:
        raise FileError(f"There is no home folder: set {variable}.") from None


def _reason(error: OSError) -> str:
    return error.strerror or "input/output error"
