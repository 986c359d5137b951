"""Rows as a table: of Markdown for the page, of plain columns for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.aims import rows
from benchmarks.results import Result
from benchmarks.rows import Row

_HEAD = ("work", "ratio or figure", "aim", "absolute figures")


def rows_of(result: Result, others: Iterable[Result]) -> list[Row]:
    """The rows of a result, compared with the smallest size of its directory."""
    smallest = min((result, *others), key=lambda each: each.users)
    is_other = smallest.users != result.users
    small = smallest.figures if is_other else None
    return rows(result.directory, result.users, result.figures, small)


def markdown(found: Iterable[Row]) -> str:
    """The table; what misses its aim is bold."""
    cells = [_HEAD, ("---",) * len(_HEAD), *(_cells(row) for row in found)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def plain(found: Iterable[Row]) -> str:
    """The table in columns; what misses its aim has an exclamation mark."""
    lines = [_HEAD, *(_plain_cells(row) for row in found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _cells(row: Row) -> tuple[str, ...]:
    figure = f"**{row.figure}**" if row.is_met is False else row.figure
    return row.work, figure, row.aim, row.absolute


def _plain_cells(row: Row) -> tuple[str, ...]:
    mark = " !" if row.is_met is False else ""
    return row.work.replace("`", ""), row.figure + mark, row.aim, row.absolute.replace("`", "")
