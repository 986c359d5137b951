"""docs/performance.md, made of the results that are kept; history is another page, by hand."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import forwarding_rows
from benchmarks.plot import IMAGE
from benchmarks.results import Result, kept
from benchmarks.running import ROOT
from benchmarks.tables import markdown, rows_of
from benchmarks.target import DIRECTORIES

PAGE = ROOT / "docs" / "performance.md"

_NOTHING = "The present code was not measured yet: `scripts/bench` adds the tables here."
_FORWARDING = ROOT / "benchmarks" / "forwarding.md"
_INTRODUCTION = ROOT / "benchmarks" / "introduction.md"


def write_page() -> None:
    """Write it; the picture is shown where there is one."""
    tables = [part for directory in DIRECTORIES for part in _section(directory)]
    parts = [_introduction(), *_picture(), *(tables or [_NOTHING]), *_forwarding()]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _introduction() -> str:
    return _INTRODUCTION.read_text(encoding="utf-8").strip()


def _picture() -> Iterator[str]:
    if IMAGE.exists():
        yield f"![How long the works take as users grow in number](images/{IMAGE.name})"


def _section(directory: str) -> Iterator[str]:
    found = kept(directory)
    if not found:
        return
    yield f"## {DIRECTORIES[directory]}"
    for result in found:
        yield f"### {result.users:,} users"
        yield _measured(result)
        yield markdown(rows_of(result, found))


def _forwarding() -> Iterator[str]:
    for result in kept(forwarding_rows.NAME):
        yield "## Forwarding to a Micro Integrator"
        yield _FORWARDING.read_text(encoding="utf-8").strip()
        yield _measured(result)
        yield markdown(forwarding_rows.rows(result.figures))


def _measured(result: Result) -> str:
    on = ", ".join(f"{name} {value}" for name, value in result.machine.items())
    return f"{result.date}, commit {result.commit}, {result.rounds} rounds; {on}."
