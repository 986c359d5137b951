"""Remotes: services by a name of one's own. `default` is always there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from mi_ldap.client import files
from mi_ldap.client.errors import FileError, RemoteError

DEFAULT: Final = "default"
# Names and addresses, with or without the brackets of IPv6; what could end the host in a URL isn't.
_HOST = re.compile(r"[^\s/\\@?#%:\[\]<>\"]+|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")


@dataclass(frozen=True, slots=True)
class Remote:
    """A service.

    Attributes:
        ca_file: PEM of whom its certificate must come from, instead of the system's.
        certificate: PEM of the only certificate that is taken, as `mi remote trust` kept it.
    """

    name: str
    host: str = "localhost"
    port: int = 9164
    ca_file: str | None = None
    certificate: str | None = None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def remote_at(name: str, host: str, port: int) -> Remote:
    """A remote as a person names it.

    Raises:
        RemoteError: one of them can't be.
    """
    if not name.strip() or not name.isprintable():
        raise RemoteError("A remote needs a name that can be printed.")
    if not _is_host(host):
        raise RemoteError(f"'{host}' is no host: give a name or an address, without https://.")
    if not 0 < port < 65536:
        raise RemoteError(f"{port} is no port: give one between 1 and 65535.")
    return Remote(name, host.strip("[]"), port)


def _is_host(host: str) -> bool:
    from httpx2 import URL, InvalidURL

    try:
        return bool(_HOST.fullmatch(host) and URL(Remote("", host.strip("[]")).url))
    except InvalidURL:
        return False


@dataclass(slots=True)
class Remotes:
    """All remotes, and the one that commands go to."""

    selected: str = DEFAULT
    by_name: dict[str, Remote] = field(default_factory=lambda: {DEFAULT: Remote(DEFAULT)})

    def get(self, name: str | None = None) -> Remote:
        """The remote of that name, or the selected one.

        Raises:
            RemoteError: there is none.
        """
        wanted = self.selected if name is None else name
        if wanted not in self.by_name:
            raise RemoteError(f"There is no remote '{wanted}': see 'mi remote show'.")
        return self.by_name[wanted]

    def add(self, remote: Remote) -> None:
        """Raises `RemoteError`: the name is taken."""
        if remote.name in self.by_name:
            raise RemoteError(
                f"There is a remote '{remote.name}' already: 'mi remote update' changes it."
            )
        self.by_name[remote.name] = remote

    def put(self, remote: Remote) -> None:
        """Raises `RemoteError`: there is none of that name."""
        self.get(remote.name)
        self.by_name[remote.name] = remote

    def remove(self, name: str) -> None:
        """Raises `RemoteError`: there is none, or it's the default one."""
        self.get(name)
        if name == DEFAULT:
            raise RemoteError(
                f"The remote '{DEFAULT}' always exists: 'mi remote update' changes it."
            )
        del self.by_name[name]
        if self.selected == name:
            self.selected = DEFAULT


def load() -> Remotes:
    """The remotes as they are now.

    Raises:
        FileError: their file is of no use.
    """
    return _decoded(files.read(_file()))


@contextmanager
def changing() -> Iterator[Remotes]:
    """The remotes, to be changed.

    Raises:
        FileError: their file is of no use.
    """
    with files.changing(_file()) as content:
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
            remotes.by_name[name] = _kept(name, each)
    except (AttributeError, KeyError, TypeError):
        raise FileError(f"{_file()} is damaged: mend it or remove it.") from None
    # Somebody may have removed by hand what was selected.
    selected = content.get("selected", DEFAULT)
    is_known = isinstance(selected, str) and selected in remotes.by_name
    remotes.selected = selected if is_known else DEFAULT
    return remotes


def _kept(name: str, each: dict[str, Any]) -> Remote:
    """Checked for its types only; whether there is such a host, the next request tells."""
    host, port = each["host"], each["port"]
    trust = {key: each.get(key) for key in ("ca_file", "certificate")}
    texts = (host, *(value for value in trust.values() if value is not None))
    if type(port) is not int or not all(isinstance(text, str) for text in texts):
        raise TypeError
    return Remote(name, host, port, **trust)
