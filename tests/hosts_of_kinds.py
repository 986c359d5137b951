"""One directory of each kind for all tests of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.hosts.ds389 import Ds389
from tests.hosts.openldap import OpenLdap, Setup, replicating_pair
from tests.hosts.process import DirectoryHost
from tests.hosts.samba import Samba
from tests.kinds import (
    ACTIVE_DIRECTORY,
    DS389,
    PLAIN_OPENLDAP,
    REPLICAS,
    RFC_2307,
    UNIQUE_NAMES,
    Kind,
)
from tests.subtree import Host, Subtree, Tool, host_like, replicated, subtree_in

_BARE = Setup(member_of=False, refint=False, ppolicy=False, unique=False)


def _strict_ds389(folder: Path) -> DirectoryHost:
    """With a password policy like the embedded directory's, and any letters in names."""
    directory = Ds389(folder)
    directory.start()
    directory.configure(
        passwordCheckSyntax="on",
        passwordMinLength="5",
        passwordMinCategories="1",
        passwordMinTokenLength="64",
    )
    directory.configure("cn=7-bit check,cn=plugins,cn=config", nsslapd_pluginEnabled="off")
    directory.kill()
    return directory


def _strict_openldap(folder: Path) -> DirectoryHost:
    """With all overlays, and a password policy like the embedded directory's."""
    directory = OpenLdap(folder)
    directory.start()
    directory.configure(directory.policy_dn, pwdMinLength="5", pwdCheckQuality="2")
    return directory


MAKERS: dict[str, Callable[[Path], DirectoryHost]] = {
    PLAIN_OPENLDAP.name: lambda folder: OpenLdap(folder, _BARE),
    UNIQUE_NAMES.name: lambda folder: OpenLdap(folder, _BARE),
    RFC_2307.name: _strict_openldap,
    DS389.name: _strict_ds389,
    ACTIVE_DIRECTORY.name: Samba,
}


class Hosts:
    """Directories of all kinds, each started when it is first asked for, and who they belong to.

    Args:
        new_folder: makes an empty one for a directory to live in.
    """

    def __init__(self, new_folder: Callable[[], Path], closing: ExitStack) -> None:
        self._new_folder = new_folder
        self._closing = closing
        self._started: dict[str, tuple[Host, Tool]] = {}

    def __call__(self, kind: Kind) -> Host:
        return self._of(kind)[0]

    @contextmanager
    def place(self, kind: Kind) -> Iterator[Subtree]:
        """A place of the test's own in the directory of that kind."""
        with subtree_in(*self._of(kind)) as subtree:
            yield subtree

    def _of(self, kind: Kind) -> tuple[Host, Tool]:
        if kind.name not in self._started:
            host = self._made(kind)
            tool = Tool(host.tool_url or host.url, *host.tool, ca_file=host.ca_file)
            self._closing.callback(tool.close)
            self._started[kind.name] = host, tool
        host, tool = self._started[kind.name]
        tool.rebind_if_closed()
        return host, tool

    def _made(self, kind: Kind) -> Host:
        if kind is REPLICAS:
            pair = self._closing.enter_context(replicating_pair(self._new_folder(), _BARE))
            return replicated(*pair, kind)
        return host_like(self._closing.enter_context(MAKERS[kind.name](self._new_folder())), kind)
