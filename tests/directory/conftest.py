"""Fixtures for the tests of the LDAP store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mi_ldap.directory import DirectoryStore
from mi_ldap.web import create_app
from mi_ldap.wiring import services
from tests.api.client import PASSWORD, Api
from tests.directory.stores import Stores
from tests.subtree import Subtree

MakeApi = Callable[..., Api]


@pytest.fixture
def stores(subtree: Subtree, tmp_path: Path) -> Iterator[Stores]:
    """Opens stores on the test's own place."""
    opener = Stores(subtree, tmp_path)
    yield opener
    opener.close()


@pytest.fixture
def store(stores: Stores) -> DirectoryStore:
    """The store as it is by default."""
    return stores.open()


@pytest.fixture
def api_of(subtree: Subtree, tmp_path: Path) -> Iterator[MakeApi]:
    """Makes APIs on the test's own place, each as on a machine of its own."""
    with ExitStack() as closing:

        def make(observe: Callable[[str], None] = lambda operation: None, **settings: str) -> Api:
            state_dir = tmp_path / f"machine{len(list(tmp_path.iterdir()))}"
            state_dir.mkdir()
            made = services(subtree.settings(state_dir, **settings), observe=observe)
            assert isinstance(made.store, DirectoryStore)
            for close in (made.state.close, made.audit.close, made.store.close):
                closing.callback(close)
            return Api(made, create_app(made).test_client(use_cookies=False))

        yield make


@pytest.fixture
def admin(api_of: MakeApi) -> Api:
    """The API as the first admin sees it."""
    return api_of().logged_in("admin")


@pytest.fixture
def alice_dn(admin: Api, subtree: Subtree) -> str:
    """A user with much that is not ours, made while the service runs."""
    return subtree.add_user(
        "alice",
        PASSWORD,
        cn=["Alice", "Alice the Second"],
        mail=["alice@example.org", "a@example.org"],
        description="keeps = odd, characters + ünïcode",
        telephoneNumber="+49 30 1234",
        jpegPhoto="\x01\x02 bytes",
        employeeNumber="7",
    )
