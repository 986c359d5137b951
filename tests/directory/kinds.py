"""One directory of each kind for all tests of this process, by fixture.

from tests.directory.kinds import host_of_kind  # noqa: F401
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hosts.ds389 import Ds389
from tests.hosts.openldap import OpenLdap, Setup
from tests.hosts.process import DirectoryHost
from tests.hosts.samba import Samba
from tests.kinds import ACTIVE_DIRECTORY, DS389, PLAIN_OPENLDAP, RFC_2307, UNIQUE_NAMES, Kind
from tests.subtree import Host, Subtree, Tool, host_like, subtree_in

_BARE = Setup(member_of=False, refint=False, ppolicy=False, unique=False)

HostOf = Callable[[Kind], Host]


def _strict_ds389(folder: Path) -> DirectoryHost:
    """With a password policy like the embedded directory's."""
    directory = Ds389(folder)
    directory.start()
    directory.configure(passwordCheckSyntax="on", passwordMinLength="5", passwordMinCategories="1")
    return directory


MAKERS: dict[str, Callable[[Path], DirectoryHost]] = {
    PLAIN_OPENLDAP.name: lambda folder: OpenLdap(folder, _BARE),
    UNIQUE_NAMES.name: lambda folder: OpenLdap(folder, _BARE),
    RFC_2307.name: lambda folder: OpenLdap(folder, _BARE),
    DS389.name: _strict_ds389,
    ACTIVE_DIRECTORY.name: Samba,
}


@pytest.fixture(scope="session")
def host_of_kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostOf]:
    """The directory of a kind, started when it is first asked for."""
    started: dict[str, Host] = {}
    with ExitStack() as closing:

        def host(kind: Kind) -> Host:
            if kind.name not in started:
                made = MAKERS[kind.name](tmp_path_factory.mktemp("host"))
                started[kind.name] = host_like(closing.enter_context(made), kind)
            return started[kind.name]

        yield host


def place_in(host: Host) -> Iterator[Subtree]:
    """A place of the test's own in that directory."""
    tool = Tool(host.url, *host.tool, ca_file=host.ca_file)
    try:
        with subtree_in(host, tool) as subtree:
            yield subtree
    finally:
        tool.close()
