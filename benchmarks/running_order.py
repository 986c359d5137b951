"""All that is measured at one size, round after round, so that a busy machine is so for all."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from benchmarks import changing, place
from benchmarks.bare_ldap import BareLdap
from benchmarks.callers import basic, console_cookie, login
from benchmarks.population import PASSWORD, Population, user_name
from benchmarks.reading import STRIDE, Reading
from benchmarks.running import BARE, SERVICE, Server, running
from benchmarks.timing import Figure, median_ms, merged, or_refused
from benchmarks.wrk import hammered, write_requests

Work = Callable[[], Figure]

MOST_S = 60.0
"""A work that has taken so long in all is left out of the rounds to come."""

_STARTS = 5
_REQUESTS = 5000


def measure(users: int, rounds: int) -> dict[str, Figure]:
    """The figures of each work with so many users, the median of the rounds after a warm-up."""
    population = Population(users)
    with tempfile.TemporaryDirectory(prefix="mi-ldap-bench-") as folder, ExitStack() as stack:
        state = Path(folder) / "state"
        found = _starts(state)
        say(f"{users:,} users: filling the directory")
        place.fill(state, population)
        service = stack.enter_context(running(SERVICE, state))
        bare = stack.enter_context(running(BARE, state))
        found["start_full"] = {"ms": service.wait_for("/ready") * 1000}
        bare.wait_for("/ready")
        token = str(login(service.port, *place.ADMIN)["AccessToken"])
        found["filled"] = {"ms": service.wait_until_filled(f"Bearer {token}") * 1000}
        ldap = stack.enter_context(closing(BareLdap(place.directory_in(state))))
        reading = Reading(service.port, token, population)
        works = {
            **_by_wrk(Path(folder), service, bare, token, population),
            **_past_the_service(ldap, population),
            **reading.console_pages(console_cookie(service.port, *place.ADMIN)),
            **_by_one_client(reading, ldap),
        }
        found |= _interleaved(works, rounds)
        found["memory"] = {"mb": service.workers_memory_mb()}
        return found


def say(text: str) -> None:
    """Tell who waits how far it is."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _starts(state: Path) -> dict[str, Figure]:
    """Warm starts on a directory that has the admin alone; the first of all makes it."""
    place.start(state)
    starts = [place.start(state) for _ in range(_STARTS)]
    return {"start": merged([{"health_ms": h * 1000, "login_ms": a * 1000} for h, a in starts])}


def _by_wrk(
    folder: Path, service: Server, bare: Server, token: str, population: Population
) -> dict[str, Work]:
    asked = [user_name(population.asked(number * STRIDE)) for number in range(_REQUESTS)]
    admin = f"Bearer {token}"
    logins = [basic(name, PASSWORD) for name in asked]
    requests = {
        "show": (service, [(f"/management/users/{name}", admin) for name in asked]),
        "bare": (bare, [("/bare", admin)]),
        "login": (service, [("/management/login", header) for header in logins]),
        "bare_login": (bare, [("/bare-login", header) for header in logins]),
    }
    return {
        name: partial(hammered, server.port, write_requests(folder / f"{name}.requests", lines))
        for name, (server, lines) in requests.items()
    }


def _past_the_service(ldap: BareLdap, population: Population) -> dict[str, Work]:
    def number(turn: int) -> int:
        return population.asked(turn * STRIDE)

    return {
        "ldapsearch": lambda: {"ms": ldap.list_s(paged=False) * 1000},
        "ldapsearch_paged": lambda: {"ms": ldap.list_s(paged=True) * 1000},
        "ldap_search": lambda: median_ms(lambda turn: ldap.search(number(turn))),
        "ldap_bind": lambda: median_ms(lambda turn: ldap.bind(number(turn))),
    }


def _by_one_client(reading: Reading, ldap: BareLdap) -> dict[str, Work]:
    lists = {name: partial(reading.listed, *query) for name, query in reading.lists().items()}
    return {
        **lists,
        "show_one": reading.shown,
        "users_page": reading.users_page,
        "roles_page": reading.roles_page,
        "role_given": partial(changing.role_given, reading, ldap),
        "role_taken": partial(changing.role_taken, reading, ldap),
        "change_seen": partial(changing.change_seen, reading, ldap),
    }


def _interleaved(works: dict[str, Work], rounds: int) -> dict[str, Figure]:
    spent_s = dict.fromkeys(works, 0.0)
    found: dict[str, list[Figure]] = {name: [] for name in works}
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}" if number else "warm-up")
        for name, work in _still_wanted(works, spent_s, found):
            began_s = time.monotonic()
            figure = or_refused(work)
            spent_s[name] += time.monotonic() - began_s
            if number:
                found[name].append(figure)
    return {name: merged(figures) for name, figures in found.items()}


def _still_wanted(
    works: dict[str, Work], spent_s: dict[str, float], found: dict[str, list[Figure]]
) -> Iterator[tuple[str, Work]]:
    for name, work in works.items():
        if spent_s[name] < MOST_S or not found[name]:
            yield name, work
