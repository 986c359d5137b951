"""docs/performance.md, made of all results that are kept."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.plot import IMAGE
from benchmarks.results import LABELS, Result, kept
from benchmarks.running import ROOT
from benchmarks.tables import markdown, rows_of

PAGE = ROOT / "docs" / "performance.md"

_INTRODUCTION = ROOT / "benchmarks" / "introduction.md"


def write_page() -> None:
    """Write it; the picture is shown where there is one."""
    parts = [_introduction(), *_picture(), *(part for label in LABELS for part in _section(label))]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _introduction() -> str:
    return _INTRODUCTION.read_text(encoding="utf-8").strip()


def _picture() -> Iterator[str]:
    if IMAGE.exists():
        yield f"![How long the works take as users grow in number](images/{IMAGE.name})"


def _section(label: str) -> Iterator[str]:
    found = kept(label)
    if not found:
        return
    yield f"## {label.capitalize()}"
    for result in found:
        yield f"### {result.users:,} users"
        yield _measured(result)
        yield markdown(rows_of(result, found))


def _measured(result: Result) -> str:
    on = ", ".join(f"{name} {value}" for name, value in result.machine.items())
    return f"{result.date}, commit {result.commit}, {result.rounds} rounds; {on}."
