"""The tokens of logins: one a remote, in a file for its owner only. Never a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mi_ldap.client import files
from mi_ldap.client.remotes import Remote


@dataclass(frozen=True, slots=True)
class Login:
    """Who is logged in, and the proof."""

    user: str
    token: str = field(repr=False)


def login_of(remote: Remote) -> Login | None:
    """The login that was kept for this remote, and for where it is now: no token goes elsewhere.

    Raises:
        FileError: the file is of no use.
    """
    kept = files.read(_file()).get(remote.name)
    if not isinstance(kept, dict) or kept.get("url") != remote.url:
        return None
    user, token = kept.get("user"), kept.get("token")
    return Login(user, token) if isinstance(user, str) and isinstance(token, str) else None


def keep(remote: Remote, login: Login) -> None:
    """Raises `FileError`: it can't be kept."""
    with files.changing(_file()) as content:
        content[remote.name] = {"url": remote.url, "user": login.user, "token": login.token}


def forget(name: str) -> None:
    """No login for that remote any longer.

    Raises:
        FileError: the file is of no use.
    """
    if name not in files.read(_file()):
        return
    with files.changing(_file()) as content:
        content.pop(name, None)


def _file() -> Path:
    return files.state_file("tokens.json")
