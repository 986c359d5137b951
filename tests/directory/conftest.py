"""Fixtures for the tests of the LDAP store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.directory.store import DirectoryStore
from tests.api.client import PASSWORD, Api
from tests.directory.stores import Stores
from tests.machines import MakeApi, machines_at
from tests.subtree import Subtree


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
    with machines_at(subtree, tmp_path) as make:
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
