"""Stored tokens: one for each remote, in a file with mode 0600. Passwords are never stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mi_ldap.client import files
from mi_ldap.client.remotes import Remote


@dataclass(frozen=True, slots=True)
class Login:
    """The user of a login, and its token."""

    user: str
    token: str = field(repr=False)


def stored_login(remote: Remote) -> Login | None:
    """Return the stored login of the remote, if its address is still the same, or None.

    Raises:
        FileError: the file cannot be read, or is damaged.
    """
    stored = files.read(_file()).get(remote.name)
    # A token must never be sent to another address than that of its login.
    if not isinstance(stored, dict) or stored.get("url") != remote.url:
        return None
    user, token = stored.get("user"), stored.get("token")
    return Login(user, token) if isinstance(user, str) and isinstance(token, str) else None


def store(remote: Remote, login: Login) -> None:
    """Store the login; raise `FileError` if the file cannot be written."""
    with files.edit(_file()) as content:
        content[remote.name] = {"url": remote.url, "user": login.user, "token": login.token}


def delete(name: str) -> None:
    """Delete the stored login of that remote, if any.

    Raises:
        FileError: the file cannot be read or written, or is damaged.
    """
    # Avoids creating the file only to delete nothing from it.
    if name not in files.read(_file()):
        return
    with files.edit(_file()) as content:
        content.pop(name, None)


def _file() -> Path:
    return files.state_file("tokens.json")
