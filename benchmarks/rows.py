"""The rows of a table: what each work came to, what is aimed at, and whether it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """One key of a work by one of another, or of the same."""

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
        sign = "≥" if self.at_least else "≤"
        aim = f"{sign} {self.aim:g} × {self.names[0]}"
        if refusal := refused(over) or refused(under):
            return Row(self.work, refusal, aim, absolute, is_met=False)
        ratio = over[self.over[1]] / under[self.under[1]]
        is_met = ratio >= self.aim if self.at_least else ratio <= self.aim
        return Row(self.work, f"{ratio:.2f}", aim, absolute, is_met)


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


def rows(figures: Figures, small: Figures | None = None) -> Iterator[Row]:
    """The rows of one size; what was not measured yet when it was kept has none.

    Args:
        figures: of all works.
        small: the same at the smallest size, where that is another.
    """
    yield _SHARE.row(figures)
    if small is not None:
        yield _apart(figures, small)
    for each in _ROWS:
        if each.works <= figures.keys():
            yield each.row(figures)
    if figures.get("filled", {}).get("ms", 0) > 0:
        yield Row(
            "until both workers hold all in memory",
            f"{figures['filled']['ms'] / 1000:.1f} s",
            "",
            "",
        )
    yield Row("memory of the two workers", f"{figures['memory']['mb']:.0f} MB", "", "PSS")


def _apart(figures: Figures, small: Figures) -> Row:
    """As shares of the bare endpoint, so that one machine's two states don't count."""
    here, there = (each["show"]["rps"] / each["bare"]["rps"] for each in (figures, small))
    ratio = there / here
    work = "the same with the fewest users, by the same here"
    return Row(work, f"{ratio:.2f}", "≤ 1.2", f"{there:.2f} : {here:.2f}", ratio <= 1.2)


def refused(figure: Figure) -> str:
    """How the service refused, `""` where it did not: `"503 after 5.0 s"`."""
    if "status" not in figure:
        return ""
    return f"{figure['status']:.0f} after {figure['ms'] / 1000:.1f} s"


def shown(figure: Figure, key: str) -> str:
    """A figure with its unit."""
    if "status" in figure and (key == "ms" or key not in figure):
        return refused(figure)
    if key != "rps":
        return time_text(figure[key])
    p50, p99 = time_text(figure["p50_ms"]), time_text(figure["p99_ms"])
    return f"{figure['rps']:,.0f}/s ({p50}, p99 {p99})"


def time_text(value_ms: float) -> str:
    """`"0.42 ms"`, `"12 ms"`, `"3.4 s"`."""
    if value_ms >= 1000:
        return f"{value_ms / 1000:.3g} s"
    return f"{value_ms:.2f} ms" if abs(value_ms) < 10 else f"{value_ms:.0f} ms"


def _reads(figure: Figure) -> str:
    with_change, without = time_text(figure["seen_ms"]), time_text(figure["plain_ms"])
    return f"{with_change} after a change, {without} without one"


_SHARE = Ratio(
    "`GET /users/{id}`", ("show", "rps"), ("bare", "rps"), 0.5, True, ("bare view", "bare view")
)

_ROWS: tuple[Ratio | Limit, ...] = (
    Ratio(
        "`GET /users`, all",
        ("list", "ms"),
        ("ldapsearch_paged", "ms"),
        0.15,
        False,
        ("ldapsearch", "`ldapsearch -E pr=1000`"),
    ),
    Limit("`GET /users?limit=25&offset=…`", ("list_page", "ms"), 15),
    Limit("`GET /users?pattern=user00001*`", ("list_prefix", "ms"), 15),
    Limit("`GET /users?pattern=*0001`", ("list_suffix", "ms"), 15),
    Limit("`GET /users?searchKey=0012`", ("list_part", "ms"), 15),
    Limit("`GET /users?role=…`, of 100 users", ("list_role", "ms"), 15),
    Limit("`GET /users?role=everybody&limit=25`", ("list_everybody", "ms"), 15),
    Limit("dashboard: Users", ("users_page", "ms"), 250),
    Limit("dashboard: Roles", ("roles_page", "ms"), 1000),
    Limit("console: a page in the middle", ("console_page", "ms"), 100),
    Limit("console: a search", ("console_search", "ms"), 100),
    Limit("console: the users of a role of everybody", ("console_role", "ms"), 100),
    Ratio(
        "`GET /login`",
        ("login", "rps"),
        ("bare_login", "rps"),
        0.7,
        True,
        ("bare bind view", "bare bind view"),
    ),
    Limit("is a user in the role of everybody", ("show_one", "ms"), 2),
    Ratio(
        "give the role of everybody",
        ("role_given", "ms"),
        ("role_given", "bare_ms"),
        2,
        False,
        ("bare modify", "bare modify"),
    ),
    Ratio(
        "take the role of everybody",
        ("role_taken", "ms"),
        ("role_taken", "bare_ms"),
        2,
        False,
        ("bare modify", "bare modify"),
    ),
    Limit("what another tool's change costs the next read", ("change_seen", "ms"), 2, _reads),
    Limit("warm start to `GET /health`", ("start", "health_ms"), 1500),
    Limit("warm start to a login", ("start", "login_ms"), 1500),
    Limit("start on this directory", ("start_full", "ms")),
    Limit("bare: ldap3 finds a user by its id", ("ldap_search", "ms")),
    Limit("bare: ldap3 binds as a user", ("ldap_bind", "ms")),
    Limit("bare: `ldapsearch`, unpaged", ("ldapsearch", "ms")),
)
