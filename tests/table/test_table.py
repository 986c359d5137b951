"""Every cell of the tables in `docs/directories.md` is what was seen."""

from __future__ import annotations

import pytest

from tests.field.outcomes import FIELD_TABLE
from tests.hosts_of_kinds import Hosts
from tests.sql.fixtures import mariadb, postgresql  # noqa: F401
from tests.table.outcomes import KINDS_TABLE, ROWS, Row, outcome
from tests.table.rendering import Table
from tests.table.scenarios import SCENARIOS
from tests.table.setups import Servers


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
@pytest.mark.parametrize("column", SCENARIOS)
def test_a_cell_is_what_is_seen(
    request: pytest.FixtureRequest, hosts: Hosts, row: Row, column: str
) -> None:
    servers = Servers(hosts, request.getfixturevalue)
    assert outcome(servers, row, column) == KINDS_TABLE.expected()[row.title, column]


@pytest.mark.parametrize("table", [KINDS_TABLE, FIELD_TABLE], ids=lambda table: table.name)
def test_the_page_has_these_cells(table: Table) -> None:
    """The cells of the field are tested in tests/field."""
    assert table.written() == table.render(table.expected()), "run scripts/directories-table"
