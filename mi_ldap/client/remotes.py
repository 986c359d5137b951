"""Remotes: services under names that the user chooses. `default` always exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from mi_ldap.addresses import host_in_url
from mi_ldap.client import files
from mi_ldap.client.errors import FileError, RemoteError

DEFAULT: Final = "default"
# Host names and addresses, IPv6 also in brackets, without characters that end the host in a URL.
_HOST = re.compile(r"[^\s/\\@?#%:\[\]<>\"]+|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")


@dataclass(frozen=True, slots=True)
class Remote:
    """A service.

    Attributes:
        name: the name that the user chose.
        host: a name or an address, IPv6 without brackets.
        port: the port of the management API.
        ca_file: PEM file of the authority of its certificate, in place of the system's.
        certificate: PEM of the only trusted certificate, stored by `mi remote trust`.
    """

    name: str
    host: str = "localhost"
    port: int = 9164
    ca_file: str | None = None
    certificate: str | None = None

    @property
    def url(self) -> str:
        return f"https://{host_in_url(self.host)}:{self.port}"


def remote_at(name: str, host: str, port: int) -> Remote:
    """Return a remote with these values, as typed.

    Raises:
        RemoteError: one of the values is invalid.
    """
    if not name.strip() or not name.isprintable():
        raise RemoteError("A remote needs a name of printable characters.")
    if not _is_host(host):
        raise RemoteError(f"'{host}' is not a host: give a name or an address, without https://.")
    if not 0 < port < 65536:
        raise RemoteError(f"{port} is not a port: give a number from 1 to 65535.")
    # With brackets in `url` only: sockets and certificates know the address without them.
    return Remote(name, host.strip("[]"), port)


def _is_host(host: str) -> bool:
    from httpx2 import URL, InvalidURL

    try:
        return bool(_HOST.fullmatch(host) and URL(Remote("", host.strip("[]")).url))
    except InvalidURL:
        return False


@dataclass(slots=True)
class Remotes:
    """All remotes, and the one that commands use."""

    selected: str = DEFAULT
    by_name: dict[str, Remote] = field(default_factory=lambda: {DEFAULT: Remote(DEFAULT)})

    def get(self, name: str | None = None) -> Remote:
        """Return the remote of that name, or the selected one.

        Raises:
            RemoteError: it does not exist.
        """
        wanted = self.selected if name is None else name
        if wanted not in self.by_name:
            raise RemoteError(f"There is no remote '{wanted}': see 'mi remote show'.")
        return self.by_name[wanted]

    def add(self, remote: Remote) -> None:
        """Add a remote; raise `RemoteError` if the name exists already."""
        if remote.name in self.by_name:
            raise RemoteError(
                f"The remote '{remote.name}' exists already: 'mi remote update' changes it."
            )
        self.by_name[remote.name] = remote

    def put(self, remote: Remote) -> None:
        """Replace a remote; raise `RemoteError` if the name does not exist."""
        self.get(remote.name)
        self.by_name[remote.name] = remote

    def remove(self, name: str) -> None:
        """Remove a remote; raise `RemoteError` if it does not exist, or is `default`."""
        self.get(name)
        if name == DEFAULT:
            raise RemoteError(
                f"The remote '{DEFAULT}' always exists: 'mi remote update' changes it."
            )
        del self.by_name[name]
        if self.selected == name:
            self.selected = DEFAULT


def load() -> Remotes:
    """Return the stored remotes.

    Raises:
        FileError: the file cannot be read, or is damaged.
    """
    return _decoded(files.read(_file()))


@contextmanager
def edit() -> Iterator[Remotes]:
    """Yield the remotes, which the block changes in place, and store them.

    Raises:
        FileError: the file cannot be read or written, or is damaged.
    """
    with files.edit(_file()) as content:
        remotes = _decoded(content)
        yield remotes
        content["selected"] = remotes.selected
        content["remotes"] = {name: _encoded(each) for name, each in remotes.by_name.items()}


def _file() -> Path:
    return files.config_file("remotes.json")


def _encoded(remote: Remote) -> dict[str, Any]:
    return {key: value for key, value in asdict(remote).items() if value and key != "name"}


def _decoded(content: files.Content) -> Remotes:
    remotes = Remotes()
    try:
        for name, each in content.get("remotes", {}).items():
            remotes.by_name[name] = _decoded_remote(name, each)
    except (AttributeError, KeyError, TypeError):
        raise FileError(f"{_file()} is damaged: correct it or delete it.") from None
    # The file may have been edited by hand.
    selected = content.get("selected", DEFAULT)
    is_known = isinstance(selected, str) and selected in remotes.by_name
    remotes.selected = selected if is_known else DEFAULT
    return remotes


def _decoded_remote(name: str, each: dict[str, Any]) -> Remote:
    """Return the remote; raise `TypeError` or `KeyError` if the file is damaged."""
    # The types are enough: an invalid host fails with the next request.
    host, port = each["host"], each["port"]
    trust = {key: each.get(key) for key in ("ca_file", "certificate")}
    texts = (host, *(value for value in trust.values() if value is not None))
    if type(port) is not int or not all(isinstance(text, str) for text in texts):
        raise TypeError
    return Remote(name, host, port, **trust)
