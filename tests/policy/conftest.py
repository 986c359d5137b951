"""Fixtures for the tests of password policies: each server's own, and the API on a place in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.web import create_app
from mi_ldap.wiring import services
from tests.api.client import Api
from tests.policy.servers import POLICED, Policed
from tests.policy.world import World
from tests.subtree import subtree_in

Started = Callable[[str], Policed]


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A directory of each kind, started when it is first asked for."""
    running: dict[str, Policed] = {}

    def get(name: str) -> Policed:
        if name not in running:
            running[name] = POLICED[name](tmp_path_factory.mktemp("policed") / name)
        return running[name]

    yield get
    for server in running.values():
        server.close()


@pytest.fixture(params=POLICED)
def server(request: pytest.FixtureRequest, started: Started) -> Iterator[Policed]:
    """Each kind in turn; its policy is put back in the end."""
    found = started(request.param)
    yield found
    found.restore()


@pytest.fixture
def world(server: Policed, tmp_path: Path) -> Iterator[World]:
    """The API with `admin` logged in, and `bob`, who is no admin."""
    with subtree_in(server.host, server.tool) as place, ExitStack() as closing:
        made = services(place.settings(tmp_path))
        assert isinstance(made.store, DirectoryStore)
        for close in (made.state.close, made.audit.close, made.store.close):
            closing.callback(close)
        api = Api(made, create_app(made).test_client(use_cookies=False))
        admin = api.logged_in("admin")
        admin.add_user("bob")
        yield World(server, admin, place.user_dn("bob"))
