"""Fixtures for the tests of the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checks.directories import fill
from tests.hosts.openldap import OpenLdap


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLdap]:
    """A healthy OpenLDAP, for tests that change nothing in it."""
    with OpenLdap(tmp_path_factory.mktemp("healthy")) as made:
        fill(made)
        yield made


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[OpenLdap]:
    """A healthy one, to be mistreated."""
    with OpenLdap(tmp_path / "openldap") as made:
        fill(made)
        yield made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of the service that is examined."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder
