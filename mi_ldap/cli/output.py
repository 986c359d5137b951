"""Output: results on stdout, as a table, JSON or CSV; messages on stderr."""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Literal

from mi_ldap.client.text import csv_line, safe


def print_error(text: str) -> None:
    """Print a message on stderr; ignore errors of stderr."""
    lines = [safe(line) for line in text.split("\n")]
    with suppress(OSError):
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()


def is_styled(stream: IO[str]) -> bool:
    """Whether the stream is a terminal that shows bold text and progress bars."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def print_line(text: str) -> None:
    """Print one line of a result, with control characters escaped."""
    sys.stdout.write(f"{safe(text)}\n")


def print_raw(text: str) -> None:
    """Print a text of several lines as it is; it must not contain names."""
    sys.stdout.write(text)


def show_json(content: object) -> None:
    """Print JSON; escape all non-ASCII characters if some cannot be displayed."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    if not _can_show(text):
        text = json.dumps(content, indent=2)
    sys.stdout.write(f"{text}\n")


def show_csv(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a header and lines of CSV."""
    sys.stdout.write(csv_line(headings))
    sys.stdout.writelines(csv_line(_csv_cell(cell) for cell in row) for row in rows)


def show_names(heading: str, names: Iterable[str]) -> None:
    """Print one name on each line."""
    # Without rich, which is slow with 100,000 names.
    bold = f"\x1b[1m{heading}\x1b[0m" if is_styled(sys.stdout) else heading
    sys.stdout.write(f"{bold}\n")
    sys.stdout.writelines(f"{safe(name)}\n" for name in names)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; cells are wrapped on a terminal only."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(Text(safe(heading)), overflow="fold", no_wrap=not sys.stdout.isatty())
    _add(table, rows)


def show_details(details: Mapping[str, str | Sequence[str]]) -> None:
    """Print attributes of one user or role: a label and its values, one on each line."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold", no_wrap=not sys.stdout.isatty())
    rows = []
    for label, value in details.items():
        values = [value] if isinstance(value, str) else value or [""]
        rows += [(label if at == 0 else "", each) for at, each in enumerate(values)]
    _add(table, rows)


def _add(table: Any, rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.text import Text

    for row in rows:
        # As `Text`, because rich reads square brackets in a string as markup.
        table.add_row(*(Text(safe(cell)) for cell in row))
    styled = is_styled(sys.stdout)
    # rich wraps lines at 80 columns if the output is not a terminal.
    width = None if sys.stdout.isatty() else 1_000_000
    colors: Literal["standard"] | None = "standard" if styled else None
    console = Console(width=width, force_terminal=styled, color_system=colors)
    # Captured to remove the spaces with which rich fills each line.
    with console.capture() as captured:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _can_show(text: str) -> bool:
    if codecs.lookup(sys.stdout.encoding).name != "utf-8":
        return text.isascii()
    return all(safe(line) == line for line in text.split("\n"))


def _csv_cell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
