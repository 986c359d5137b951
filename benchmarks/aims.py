"""What is aimed at in each directory: the rows of its table, in their order."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rows import Figures, Limit, Ratio, Row, time_text
from benchmarks.target import DATABASES, DS389, EMBEDDED, SAMBA
from benchmarks.timing import Figure
from benchmarks.user_changes import ACTS, CLIENTS

_MEMORY_USERS, _MEMORY_MB = 100_000, 200


def rows(directory: str, users: int, figures: Figures, small: Figures | None = None) -> list[Row]:
    """The rows of one size; works that were not measured have none.

    Args:
        directory: one of `DIRECTORIES`.
        users: how many there were.
        figures: of all works.
        small: the same at the smallest size, where that is another.
    """
    reads_directly = directory in {DS389, SAMBA, *DATABASES}
    aims = _OF_DATABASES if directory in DATABASES else _aims_of(directory, reads_directly)
    found = [each.row(figures) for each in aims if each.works <= figures.keys()]
    if small is not None and {"show", "bare"} <= figures.keys() & small.keys():
        found.append(_apart(figures, small))
    if not reads_directly and "filled" in figures:
        seconds = f"{figures['filled']['ms'] / 1000:.1f} s"
        found.append(Row("until both workers hold all in memory", seconds, "", ""))
    if "memory" in figures:
        found.append(_memory(users, figures["memory"]["mb"]))
    return found


def _apart(figures: Figures, small: Figures) -> Row:
    """As shares of the bare view, so that one machine's two states don't count."""
    here, there = (each["show"]["rps"] / each["bare"]["rps"] for each in (figures, small))
    ratio = there / here
    work = "`GET /users/{id}` with the fewest users, by the same here"
    return Row(work, f"{ratio:.2f}", "≤ 1.2", f"{there:.2f} : {here:.2f}", ratio <= 1.2)


def _memory(users: int, found_mb: float) -> Row:
    has_aim = users <= _MEMORY_USERS
    aim, is_met = (f"≤ {_MEMORY_MB} MB", found_mb <= _MEMORY_MB) if has_aim else ("", None)
    return Row("memory of the two workers", f"{found_mb:.0f} MB", aim, "PSS", is_met)


def _aims_of(directory: str, reads_directly: bool) -> Iterator[Ratio | Limit]:
    yield from _shares(0 if reads_directly else 0.5)
    yield from _DIRECT if reads_directly else _LISTS
    yield from _LOGINS
    yield from _changes()
    if directory == EMBEDDED:
        yield from _EMBEDDED


def _shares(aim: float) -> Iterator[Ratio]:
    """Of the bare view; `aim` 0 for none."""
    for what, name in (("one token", ""), ("500 people's tokens", "_tokens")):
        over, under = (f"show{name}", "rps"), (f"bare{name}", "rps")
        work = f"`GET /users/{{id}}`, {what}"
        yield Ratio(work, over, under, aim, True, ("bare view", "bare view"))


def _changes() -> Iterator[Ratio]:
    words = {"create": "create a user", "assign": "assign it three roles", "delete": "delete it"}
    for act in ACTS:
        for clients in CLIENTS:
            work = f"{words[act]}, {clients} client{'s' if clients > 1 else ''}"
            name = f"changes_{clients}"
            over, under = (name, f"{act}_rps"), (name, f"bare_{act}_rps")
            yield Ratio(work, over, under, 0.5, True, ("bare ldap3", "bare ldap3"))


def _reads(figure: Figure) -> str:
    with_change, without = time_text(figure["seen_ms"]), time_text(figure["plain_ms"])
    return f"{with_change} after a change, {without} without one"


def _all_users(aim: float) -> Ratio:
    names = ("ldapsearch", "`ldapsearch -E pr=1000`")
    return Ratio("`GET /users`, all", ("list", "ms"), ("ldapsearch_paged", "ms"), aim, False, names)


def _login(work: str, name: str) -> Ratio:
    names = ("bare bind view", "bare bind view")
    return Ratio(work, (name, "rps"), (f"bare_{name}", "rps"), 0.6, True, names)


def _role(work: str, name: str) -> Ratio:
    names = ("bare modify", "bare modify")
    return Ratio(work, (name, "ms"), (name, "bare_ms"), 2, False, names)


_PATHS = {
    "list_page": "`GET /users?limit=25&offset=…`",
    "list_prefix": "`GET /users?pattern=user00001*`",
    "list_suffix": "`GET /users?pattern=*0001`",
    "list_part": "`GET /users?searchKey=0012`",
    "list_role": "`GET /users?role=…`, of 100 users",
    "list_everybody": "`GET /users?role=everybody&limit=25`",
}

_LISTS: tuple[Ratio | Limit, ...] = (
    _all_users(0.15),
    *(Limit(path, (name, "ms"), 15) for name, path in _PATHS.items()),
)

_DIRECT: tuple[Ratio | Limit, ...] = (
    Limit("`GET /users/{id}`, one client", ("show_one", "ms"), 5),
    Limit(_PATHS["list_page"], ("list_page", "ms"), 60),
    *(Limit(path, (name, "ms")) for name, path in _PATHS.items() if name != "list_page"),
    _all_users(0),
)

_LOGINS = (
    _login("`GET /login`", "login"),
    _login("`GET /login` of users that the service has created", "login_created"),
)

_EMBEDDED: tuple[Ratio | Limit, ...] = (
    Limit("is a user in the role of everybody", ("show_one", "ms"), 2),
    Limit("dashboard: Users", ("users_page", "ms"), 250),
    Limit("dashboard: Roles", ("roles_page", "ms"), 1000),
    Limit("console: a page in the middle", ("console_page", "ms"), 100),
    Limit("console: a search", ("console_search", "ms"), 100),
    Limit("console: the users of a role of everybody", ("console_role", "ms"), 100),
    _role("assign the role of everybody", "role_given"),
    _role("revoke the role of everybody", "role_taken"),
    Limit("what another tool's change costs the next read", ("change_seen", "ms"), 2, _reads),
    Limit("warm start to `GET /health`", ("start", "health_ms"), 1500),
    Limit("warm start to a login", ("start", "login_ms"), 1500),
    Limit("start on this directory", ("start_full", "ms")),
    Limit("bare: ldap3 finds a user by its id", ("ldap_search", "ms")),
    Limit("bare: ldap3 binds as a user", ("ldap_bind", "ms")),
    Limit("bare: `ldapsearch`, unpaged", ("ldapsearch", "ms")),
)

_OF_DATABASES: tuple[Ratio | Limit, ...] = (
    *_shares(0.5),
    Limit("`GET /users/{id}`, one client", ("show_one", "ms")),
    Ratio(
        "`GET /users`, all",
        ("list", "ms"),
        ("bare_list", "ms"),
        0.3,
        False,
        ("bare list", "bare driver and JSON"),
    ),
    *(Limit(path, (name, "ms"), 15) for name, path in _PATHS.items()),
    *(
        Ratio(work, (name, "rps"), (f"bare_{name}", "rps"), 0, True, ("bare login", "bare login"))
        for work, name in (
            ("`GET /login`", "login"),
            ("`GET /login` of users that the service has created", "login_created"),
        )
    ),
)
