"""The directories that `docs/directories.md` speaks of, each with a place of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from mi_ldap.wiring import services
from tests.api.client import Api
from tests.api.conftest import api_over
from tests.hosts_of_kinds import Hosts
from tests.kinds import (
    ACTIVE_DIRECTORY,
    DS389,
    OPENLDAP,
    PLAIN_OPENLDAP,
    REPLICAS,
    RFC_2307,
    UNIQUE_NAMES,
    Kind,
)
from tests.subtree import Subtree, Tool, subtree_in

SERVERS: Final = (OPENLDAP, DS389, ACTIVE_DIRECTORY)
"""One kind for each server, with all that it has."""

KINDS: Final = (OPENLDAP, PLAIN_OPENLDAP, REPLICAS, UNIQUE_NAMES, RFC_2307, DS389, ACTIVE_DIRECTORY)


@contextmanager
def place_on(hosts: Hosts, kind: Kind) -> Iterator[Subtree]:
    """A place in a directory of that kind, which the service's account has the shipped rights to.

    The server with all overlays is the one that also has groups of RFC 2307.
    """
    if kind != OPENLDAP:
        with hosts.place(kind) as place:
            yield place
        return
    host = replace(hosts(RFC_2307), kind=OPENLDAP)
    with (
        closing(Tool(host.url, *host.tool, ca_file=host.ca_file)) as tool,
        subtree_in(host, tool) as place,
    ):
        yield place


@contextmanager
def api_on(place: Subtree, state_dir: Path, **settings: str) -> Iterator[Api]:
    """The API over that place, as a stranger sees it."""
    state_dir.mkdir(exist_ok=True)
    with ExitStack() as opened:
        yield api_over(services(place.settings(state_dir, **settings)), opened)
