"""Fixtures for the tests of the LDAP store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.directory import DirectoryStore
from tests.directory.stores import Stores
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
