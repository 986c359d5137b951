"""docs/images/growth.svg: how long the works take as users grow in number."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from benchmarks.results import Result, kept
from benchmarks.rows import refused
from benchmarks.running import ROOT
from benchmarks.target import EMBEDDED

IMAGE = ROOT / "docs" / "images" / "growth.svg"

_LINES = {
    "list": "GET /users",
    "list_page": "GET /users?limit=25",
    "list_part": "GET /users?searchKey=0012",
    "list_everybody": "GET /users?role=everybody",
    "users_page": "dashboard: Users",
    "roles_page": "dashboard: Roles",
    "show_one": "GET /users/{id}",
    "ldapsearch_paged": "ldapsearch -E pr=1000",
}
# The same picture from the same figures, byte for byte; text stays text.
_SETTINGS = {"svg.hashsalt": "mi-ldap", "svg.fonttype": "none", "font.size": 9}


def write_plot() -> None:
    """Draw the results of the embedded directory; refusals are left out."""
    # By name: type checkers look for it where it is not installed.
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
        _draw(axes, kept(EMBEDDED))
        _describe(axes)
        figure.savefig(IMAGE, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def _draw(axes: Any, results: list[Result]) -> None:
    for work, name in _LINES.items():
        points = list(_points(work, results))
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=name)


def _points(work: str, results: list[Result]) -> Iterator[tuple[int, float]]:
    for result in results:
        figure = result.figures.get(work)
        if figure and not refused(figure):
            yield result.users, figure["ms"]


def _describe(axes: Any) -> None:
    axes.set(xscale="log", yscale="log", xlabel="users", ylabel="milliseconds")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
