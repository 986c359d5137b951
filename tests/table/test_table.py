"""Every cell of the tables in `docs/directories.md` is what was seen."""

from __future__ import annotations

import pytest

from tests.field.outcomes import FIELD_TABLE
from tests.hosts_of_kinds import Hosts
from tests.kinds import Kind
from tests.table.directories import KINDS
from tests.table.outcomes import KINDS_TABLE, outcome
from tests.table.rendering import Table
from tests.table.scenarios import SCENARIOS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("column", SCENARIOS)
def test_a_cell_is_what_is_seen(hosts: Hosts, kind: Kind, column: str) -> None:
    assert outcome(hosts, kind, column) == KINDS_TABLE.expected()[kind.name, column]


@pytest.mark.parametrize("table", [KINDS_TABLE, FIELD_TABLE], ids=lambda table: table.name)
def test_the_page_has_these_cells(table: Table) -> None:
    """The cells of the field are tested in tests/field."""
    assert table.written() == table.render(table.expected()), "run scripts/directories-table"
