"""Every cell of the table in `docs/directories.md` is what was seen."""

from __future__ import annotations

import pytest

from tests.hosts_of_kinds import Hosts
from tests.kinds import Kind
from tests.table.directories import KINDS
from tests.table.outcomes import expected, outcome, table, written
from tests.table.scenarios import SCENARIOS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("column", SCENARIOS)
def test_a_cell_is_what_is_seen(hosts: Hosts, kind: Kind, column: str) -> None:
    assert outcome(hosts, kind, column) == expected()[kind.name, column]


def test_the_page_has_these_cells() -> None:
    assert written() == table(expected()), "run scripts/directories-table"
