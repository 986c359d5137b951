"""The rows of a table: what a work came to, what is aimed at, and whether it is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.timing import Figure

Figures = dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Row:
    """One line, ready to be shown.

    Attributes:
        work: what was done.
        figure: a ratio or a time, or why there is none.
        aim: what is aimed at, `""` for nothing.
        absolute: what the figure was made of.
        is_met: whether the aim is reached; None where there is none.
    """

    work: str
    figure: str
    aim: str
    absolute: str
    is_met: bool | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """One key of a work by one of another, or of the same; `aim` 0 for no aim.

    Attributes:
        names: of what is divided by, in the aim and beside its figure.
    """

    work: str
    over: tuple[str, str]
    under: tuple[str, str]
    aim: float
    at_least: bool
    names: tuple[str, str]

    @property
    def works(self) -> set[str]:
        """What must have been measured."""
        return {self.over[0], self.under[0]}

    def row(self, figures: Figures) -> Row:
        """The ratio; at most the aim, or at least."""
        over, under = (figures[name] for name, _ in (self.over, self.under))
        absolute = f"{shown(over, self.over[1])} : {shown(under, self.under[1])} {self.names[1]}"
        if refusal := refused(over) or refused(under):
            return Row(self.work, refusal, self._aim_text(), absolute, is_met=False)
        ratio = over[self.over[1]] / under[self.under[1]]
        return Row(self.work, f"{ratio:.2f}", self._aim_text(), absolute, self._is_met(ratio))

    def _aim_text(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.aim:g} × {self.names[0]}" if self.aim else f"of {self.names[0]}"

    def _is_met(self, ratio: float) -> bool | None:
        if not self.aim:
            return None
        return ratio >= self.aim if self.at_least else ratio <= self.aim


@dataclass(frozen=True, slots=True)
class Limit:
    """One key of a work, a time that shall not be longer than `aim_ms`; 0 for no aim."""

    work: str
    of: tuple[str, str]
    aim_ms: float = 0.0
    more: Callable[[Figure], str] = lambda figure: ""

    @property
    def works(self) -> set[str]:
        """What must have been measured."""
        return {self.of[0]}

    def row(self, figures: Figures) -> Row:
        """The time."""
        figure = figures[self.of[0]]
        aim = f"≤ {self.aim_ms:g} ms" if self.aim_ms else ""
        if refusal := refused(figure):
            return Row(self.work, refusal, aim, "", is_met=False if aim else None)
        found_ms = figure[self.of[1]]
        is_met = found_ms <= self.aim_ms if aim else None
        return Row(self.work, time_text(found_ms), aim, self.more(figure), is_met)


def refused(figure: Figure) -> str:
    """How the service refused, `""` where it did not: `"503 after 5.0 s"`."""
    if "status" not in figure:
        return ""
    return f"{figure['status']:.0f} after {figure['ms'] / 1000:.1f} s"


def shown(figure: Figure, key: str) -> str:
    """A figure with its unit."""
    if "status" in figure and (key == "ms" or key not in figure):
        return refused(figure)
    if key.endswith("_rps"):
        return f"{figure[key]:.3g}/s"
    if key != "rps":
        return time_text(figure[key])
    p50, p99 = time_text(figure["p50_ms"]), time_text(figure["p99_ms"])
    return f"{figure['rps']:,.0f}/s ({p50}, p99 {p99})"


def time_text(value_ms: float) -> str:
    """`"0.42 ms"`, `"12 ms"`, `"3.4 s"`."""
    if value_ms >= 1000:
        return f"{value_ms / 1000:.3g} s"
    return f"{value_ms:.2f} ms" if abs(value_ms) < 10 else f"{value_ms:.0f} ms"
