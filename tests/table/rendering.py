"""Tables of the docs that tests write and read again: rows × columns, notes below."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs/directories.md"
DONE, CANNOT = "✓", "—"

Cells = dict[tuple[str, str], str]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the page, between two markers.

    Attributes:
        name: in its markers: `<!-- begin of the table NAME, made by scripts/… -->`.
        rows: their titles, by the names that cells have.
        columns: their names.
        notes: why a cell is `CANNOT`, by row and column.
    """

    name: str
    rows: Mapping[str, str]
    columns: Sequence[str]
    notes: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def begin(self) -> str:
        return f"<!-- {self.name}: made by scripts/directories-table -->"

    @property
    def end(self) -> str:
        return f"<!-- {self.name}: end -->"

    def render(self, cells: Cells) -> str:
        """The lines between the markers."""
        lines = [["", *self.columns], ["---", *(":-:" for _ in self.columns)]]
        for row, title in self.rows.items():
            shown = (self._shown(cells[row, column], row, column) for column in self.columns)
            lines.append([title, *shown])
        rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        notes = "\n".join(f"{number}. {note}" for number, note in enumerate(self._notes(), 1))
        return f"{rows}\n\n{notes}\n" if notes else f"{rows}\n"

    def expected(self) -> Cells:
        """The cells as they must be: nothing fails, and what cannot be is noted."""
        every = [(row, column) for row in self.rows for column in self.columns]
        return {each: CANNOT if each in self.notes else DONE for each in every}

    def written(self) -> str:
        """The table as the page has it."""
        text = PAGE.read_text(encoding="utf-8")
        between = rf"{re.escape(self.begin)}\n(.*?){re.escape(self.end)}"
        (found,) = re.findall(between, text, re.DOTALL)
        return str(found).strip("\n") + "\n"

    def write(self, cells: Cells) -> None:
        """Put the table into the page."""
        text = PAGE.read_text(encoding="utf-8")
        before, _, rest = text.partition(self.begin)
        after = rest.partition(self.end)[2]
        middle = f"{self.begin}\n{self.render(cells)}{self.end}"
        PAGE.write_text(f"{before}{middle}{after}", encoding="utf-8")

    def _shown(self, cell: str, row: str, column: str) -> str:
        if cell != CANNOT:
            return cell
        return f"{cell} ({self._notes().index(self.notes[row, column]) + 1})"

    def _notes(self) -> list[str]:
        shown = (self.notes.get((row, column)) for row in self.rows for column in self.columns)
        return list(dict.fromkeys(note for note in shown if note))
