"""Fixtures for the tests of hybrid roles: a database of each kind with MI's tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hybrid.stores import MiRows
from tests.hybrid.world import BesideDatabase, InOneDatabase, World, opened
from tests.sql.conftest import place
from tests.sql.fixtures import mariadb, postgresql
from tests.sql.stores import Place

__all__ = ["mariadb", "place", "postgresql"]


@pytest.fixture
def mi(place: Place) -> MiRows:
    return MiRows(place)


@pytest.fixture(params=[InOneDatabase, BesideDatabase])
def world(request: pytest.FixtureRequest, place: Place, tmp_path: Path) -> Iterator[World]:
    """A service on each database, with the users there or elsewhere; `root` is the first admin."""
    with opened(request.param(place, tmp_path)) as made:
        made.add_users("root")
        assert made.login("root").status == 200
        yield made
