"""Fixtures for the tests of the store in a database: one server of each kind for the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mi_ldap.sql import DatabaseConfig, SqlStore
from mi_ldap.sql import postgresql as driver
from mi_ldap.sql.engine import Database
from tests.sql.fixtures import mariadb, postgresql  # noqa: F401
from tests.sql.stores import Place, server_place, sqlite_place

SERVERS = ("postgresql", "mariadb")
DATABASES = ("sqlite", *SERVERS)


@pytest.fixture(params=DATABASES)
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database of each kind, without tables."""
    if request.param == "sqlite":
        config = tool = DatabaseConfig("sqlite", (), str(tmp_path / "bare.sqlite"))
    else:
        server = request.getfixturevalue(request.param)
        name = server.new_database()
        config, tool = replace(server.config, database=name), replace(server.tool, database=name)
    with (
        closing(Database(tool, creates=True)) as tools,
        closing(Place(config, tool, tools)) as made,
    ):
        yield made


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        made = sqlite_place(tmp_path)
    else:
        made = server_place(request.getfixturevalue(request.param))
    with made as found:
        yield found


@pytest.fixture
def statements() -> list[str]:
    """The statements of `store`."""
    return []


@pytest.fixture
def store(place: Place, statements: list[str]) -> SqlStore:
    return place.open(statements.append)


@pytest.fixture
def tool(place: Place) -> Iterator[Any]:
    """Another tool's connection to PostgreSQL, which begins and ends its transactions itself."""
    with closing(driver.connect(place.tool, *place.tool.hosts[0], 5)) as connection:
        yield connection
