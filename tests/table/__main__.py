"""Writes the tables of `docs/directories.md` from what every store does now."""

from __future__ import annotations

import logging
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import structlog

from tests.field.outcomes import FIELD_TABLE, field_cells
from tests.hosts_of_kinds import Hosts
from tests.sql.servers import DatabaseServer, MariaDb, PostgreSql
from tests.table.outcomes import KINDS_TABLE, ROWS, outcome
from tests.table.rendering import Cells
from tests.table.scenarios import SCENARIOS
from tests.table.setups import Servers

_DATABASES: dict[str, type[DatabaseServer]] = {"postgresql": PostgreSql, "mariadb": MariaDb}


def cells() -> Cells:
    """Everything is tried; whatever fails ends it."""
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        hosts = Hosts(lambda: Path(tempfile.mkdtemp(dir=folder)) / "host", closing)

        @cache
        def database(kind: str) -> DatabaseServer:
            return closing.enter_context(_DATABASES[kind]())

        servers = Servers(hosts, database)
        return {
            (row.title, column): outcome(servers, row, column)
            for row in ROWS
            for column in SCENARIOS
        }


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    KINDS_TABLE.write(cells())
    FIELD_TABLE.write(field_cells())
