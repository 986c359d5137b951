"""One server of each kind for all tests of this process.

from tests.sql.fixtures import mariadb, postgresql  # noqa: F401
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sql.servers import MariaDb, PostgreSql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with PostgreSql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as server:
        yield server
