"""Answers on stdout, as a table, JSON or CSV; everything else on stderr."""

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
    """Something for the person, beside the answer; where nobody can be told, so be it."""
    lines = [safe(line) for line in text.split("\n")]
    with suppress(OSError):
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()


def is_styled(stream: IO[str]) -> bool:
    """Whether bold and bars are wanted there."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def say(text: str) -> None:
    """One line of an answer."""
    sys.stdout.write(f"{safe(text)}\n")


def say_raw(text: str) -> None:
    """Our own words, over several lines."""
    sys.stdout.write(text)


def show_json(content: object) -> None:
    """As the service said it; what can't be shown as it is, JSON has escapes for."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    if not _can_show(text):
        text = json.dumps(content, indent=2)
    sys.stdout.write(f"{text}\n")


def show_csv(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A header and lines; several values of a cell are separated by `;`."""
    sys.stdout.write(csv_line(headings))
    sys.stdout.writelines(csv_line(_word(cell) for cell in row) for row in rows)


def show_names(heading: str, names: Iterable[str]) -> None:
    """One a line; there may be very many."""
    bold = f"\x1b[1m{heading}\x1b[0m" if is_styled(sys.stdout) else heading
    sys.stdout.write(f"{bold}\n")
    sys.stdout.writelines(f"{safe(name)}\n" for name in names)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns; on a terminal they are folded to fit, elsewhere nothing is."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=not sys.stdout.isatty())
    _add(table, rows)


def show_facts(facts: Mapping[str, str | Sequence[str]]) -> None:
    """What is known of one thing: a fact a line, and a line for each of its values."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold", no_wrap=not sys.stdout.isatty())
    rows = []
    for fact, value in facts.items():
        values = [value] if isinstance(value, str) else value or [""]
        rows += [(fact if at == 0 else "", each) for at, each in enumerate(values)]
    _add(table, rows)


def _add(table: Any, rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.text import Text

    for row in rows:
        table.add_row(*(Text(safe(cell)) for cell in row))
    styled = is_styled(sys.stdout)
    width = None if sys.stdout.isatty() else 1_000_000
    colors: Literal["standard"] | None = "standard" if styled else None
    console = Console(width=width, force_terminal=styled, color_system=colors)
    with console.capture() as captured:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _can_show(text: str) -> bool:
    if codecs.lookup(sys.stdout.encoding).name != "utf-8":
        return text.isascii()
    return all(safe(line) == line for line in text.split("\n"))


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
