"""The works by their groups, each a name and what measures it once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks import changing, place
from benchmarks.callers import basic, console_cookie
from benchmarks.population import CREATED, PASSWORD, STRIDE, user_name
from benchmarks.running import Server
from benchmarks.stage import Stage
from benchmarks.timing import Figure, median_ms
from benchmarks.user_changes import CLIENTS, user_changes
from benchmarks.wrk import hammered, write_requests

Work = Callable[[], Figure]
Works = dict[str, Work]
Requests = list[tuple[str, str]]

STARTS, TOKENS, CHANGES = "starts", "tokens", "changes"

_REQUESTS = 5000


def _reads(stage: Stage) -> Works:
    admin = f"Bearer {stage.token}"
    names = _names(stage)
    return {
        "show": _hammered(stage, "show", [(f"/management/users/{name}", admin) for name in names]),
        "bare": _hammered_bare(stage, "bare", [("/bare", admin)]),
        "show_one": stage.reading.shown,
    }


def tokens(stage: Stage) -> Works:
    """Reads of 500 people, who must be admins meanwhile."""
    headers = [f"Bearer {each}" for each in stage.tokens]
    asked = [
        (f"/management/users/{name}", headers[number % len(headers)])
        for number, name in enumerate(_names(stage))
    ]
    return {
        "show_tokens": _hammered(stage, "show_tokens", asked),
        "bare_tokens": _hammered_bare(stage, "bare_tokens", [("/bare", each) for each in headers]),
    }


def _logins(stage: Stage) -> Works:
    # Elsewhere only these have a password.
    names = _names(stage) if stage.target.is_embedded else stage.population.people()
    found: Works = {}
    for work, who in (("login", names), ("login_created", CREATED)):
        headers = [basic(name, PASSWORD) for name in who]
        logins = [("/management/login", each) for each in headers]
        found[work] = _hammered(stage, work, logins)
        bare = [("/bare-login", each) for each in headers]
        found[f"bare_{work}"] = _hammered_bare(stage, f"bare_{work}", bare)
    return found


def _names(stage: Stage) -> list[str]:
    asked = stage.population.asked
    return [user_name(asked(number * STRIDE)) for number in range(_REQUESTS)]


def _hammered(stage: Stage, name: str, requests: Requests) -> Work:
    return _by_wrk(stage, stage.service, name, requests)


def _hammered_bare(stage: Stage, name: str, requests: Requests) -> Work:
    return _by_wrk(stage, stage.bare, name, requests)


def _by_wrk(stage: Stage, server: Server, name: str, requests: Requests) -> Work:
    file = write_requests(stage.folder / f"{name}.requests", requests)
    return partial(hammered, server.port, file)


def _lists(stage: Stage) -> Works:
    reading = stage.reading
    bare = "bare_list" if stage.target.is_database else "ldapsearch_paged"
    return {
        **{name: partial(reading.listed, *query) for name, query in reading.lists().items()},
        bare: lambda: {"ms": stage.ldap.list_s(paged=True) * 1000},
    }


def changes(stage: Stage) -> Works:
    """Creations, assignments and deletions of users."""
    roles = stage.population.small_roles
    return {
        f"changes_{clients}": partial(user_changes, stage.reading, stage.target, roles, clients)
        for clients in CLIENTS
    }


def _pages(stage: Stage) -> Works:
    reading = stage.reading
    return {
        "users_page": reading.users_page,
        "roles_page": reading.roles_page,
        **reading.console_pages(console_cookie(stage.service.port, *place.ADMIN)),
    }


def _roles(stage: Stage) -> Works:
    works = {
        "role_given": changing.role_given,
        "role_taken": changing.role_taken,
        "change_seen": changing.change_seen,
    }
    return {name: partial(work, stage.reading, stage.directory) for name, work in works.items()}


def _bare(stage: Stage) -> Works:
    ldap = stage.directory

    def number(turn: int) -> int:
        return stage.population.asked(turn * STRIDE)

    return {
        "ldapsearch": lambda: {"ms": ldap.list_s(paged=False) * 1000},
        "ldap_search": lambda: median_ms(lambda turn: ldap.search(number(turn))),
        "ldap_bind": lambda: median_ms(lambda turn: ldap.bind(number(turn))),
    }


_EVERYWHERE = {"reads": _reads, "logins": _logins, "lists": _lists}
_EMBEDDED = {"pages": _pages, "roles": _roles, "bare": _bare}

GROUPS = (STARTS, *_EVERYWHERE, *_EMBEDDED, TOKENS, CHANGES)
"""What `--only` takes; starts, pages, roles and bare are of the embedded directory alone."""


def works(stage: Stage, groups: set[str]) -> Works:
    """The works of these groups, but for starts, tokens and changes, which are measured apart."""
    makers = {**_EVERYWHERE, **(_EMBEDDED if stage.target.is_embedded else {})}
    found: Works = {}
    for group, make in makers.items():
        if group in groups:
            found |= make(stage)
    return found
