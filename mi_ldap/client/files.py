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
    """Where what a person chose is kept."""
    return _folder("XDG_CONFIG_HOME", ".config") / name


def state_file(name: str) -> Path:
    """Where what comes and goes is kept."""
    return _folder("XDG_STATE_HOME", ".local/state") / name


def read(path: Path) -> Content:
    """What the file holds; nothing where there is none.

    Raises:
        FileError: it can't be read, or holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FileError(f"{path} can't be read: {_reason(error)}.") from None
    except (ValueError, RecursionError):
        raise FileError(f"{path} is damaged: mend it or remove it.") from None
    if not isinstance(content, dict):
        raise FileError(f"{path} is damaged: mend it or remove it.")
    return content


@contextmanager
def changing(path: Path) -> Iterator[Content]:
    """What the file holds, to be changed in place; others wait for their turn.

    Raises:
        FileError: it can't be read or written.
    """
    with _only_one(path.parent):
        content = read(path)
        yield content
        try:
            write_private(path, json.dumps(content, indent=2, ensure_ascii=False).encode())
        except OSError as error:
            raise FileError(f"{path} can't be written: {_reason(error)}.") from None


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileError(f"The folder {folder} can't be used: {_reason(error)}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _folder(variable: str, default: str) -> Path:
    """Below that variable's folder; the XDG specification has relative ones ignored."""
    configured = Path(os.environ.get(variable, ""))
    if configured.is_absolute():
        return configured / "mi-ldap"
    try:
        return Path.home() / default / "mi-ldap"
    except RuntimeError:
        raise FileError(f"There is no home folder: set {variable}.") from None


def _reason(error: OSError) -> str:
    return error.strerror or "input/output error"
