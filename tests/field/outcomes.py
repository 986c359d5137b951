"""The table of the field in `docs/directories.md`: case × column."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from tests.field.case import Case
from tests.field.catalogue import CASES, checks_of
from tests.field.checks import COLUMNS
from tests.field.place import running
from tests.table.rendering import CANNOT, DONE, Cells, Table

FIELD_TABLE: Final = Table(
    name="trees of the field",
    rows={case.title: case.title for case in CASES},
    columns=tuple(COLUMNS),
    notes={(case.title, column): note for case in CASES for column, note in case.refused.items()},
)


def field_cells() -> Cells:
    """Every check of every case is run; whatever fails ends it."""
    return {(case.title, column): _cell(case, column) for case in CASES for column in COLUMNS}


def _cell(case: Case, column: str) -> str:
    with tempfile.TemporaryDirectory() as folder, running(case, Path(folder)) as field:
        checks_of(case)[column](field)
    return CANNOT if column in case.refused else DONE
