"""How many users a second are created, are assigned three roles, and are deleted.

The service and bare ldap3 take turns. Clients of the service are threads, which do little but wait.
ldap3 computes: its clients are in as many processes as the service has workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from multiprocessing import get_context

from benchmarks.bare_changes import BareChanges
from benchmarks.callers import Caller
from benchmarks.population import PASSWORD, role_name
from benchmarks.reading import Reading, answered
from benchmarks.running import WORKERS
from benchmarks.target import Target
from benchmarks.timing import Figure

CLIENTS = {1: 16, 8: 8}
"""How many clients, and how many users each of them changes."""

ACTS = ("create", "assign", "delete")

_ROLES_A_USER = 3
_NUMBERS = count(1)

Act = Callable[[str, Sequence[str]], object]
Interval = tuple[float, float]
Wanted = dict[str, list[str]]
"""Users and the roles that they are assigned."""


def user_changes(reading: Reading, target: Target, small_roles: int, clients: int) -> Figure:
    """The acts a second of the service (`create_rps`) and of ldap3 (`bare_create_rps`)."""
    figure: Figure = {}
    for prefix, rates in (("", _service_rates), ("bare_", _bare_rates)):
        groups = _users(clients, small_roles)
        with ExitStack() as stack:
            act = rates(stack, reading, target, clients)
            for name in ACTS:
                figure[f"{prefix}{name}_rps"] = _rate(groups, act(name, groups))
    return figure


def _rate(groups: Sequence[Wanted], intervals: Sequence[Interval]) -> float:
    began_s, ended_s = min(began for began, _ in intervals), max(ended for _, ended in intervals)
    return sum(map(len, groups)) / (ended_s - began_s)


def _users(clients: int, small_roles: int) -> list[Wanted]:
    """New names for each client, spread over the small roles."""
    return [dict(_new_users(CLIENTS[clients], small_roles)) for _ in range(clients)]


def _new_users(users: int, small_roles: int) -> Iterator[tuple[str, list[str]]]:
    for _ in range(users):
        number = next(_NUMBERS)
        first = number * _ROLES_A_USER
        roles = [role_name((first + each) % small_roles) for each in range(_ROLES_A_USER)]
        yield f"changed-{number}", roles


Rates = Callable[[str, Sequence[Wanted]], list[Interval]]


def _service_rates(stack: ExitStack, reading: Reading, _: Target, clients: int) -> Rates:
    callers = [stack.enter_context(reading.opened()) for _ in range(clients)]
    acts = [dict(zip(ACTS, _requests(caller), strict=True)) for caller in callers]
    pool = stack.enter_context(ThreadPoolExecutor(clients))

    def run(name: str, groups: Sequence[Wanted]) -> list[Interval]:
        return list(pool.map(_timed, (each[name] for each in acts), groups))

    return run


def _requests(caller: Caller) -> tuple[Act, ...]:
    """What each of `ACTS` is as a request."""

    def create(name: str, _: Sequence[str]) -> None:
        answered(caller, "POST", "/users", {"userId": name, "password": PASSWORD})

    def assign(name: str, roles: Sequence[str]) -> None:
        answered(caller, "PUT", "/roles", {"userId": name, "addedRoles": list(roles)})

    def delete(name: str, _: Sequence[str]) -> None:
        answered(caller, "DELETE", f"/users/{name}")

    return create, assign, delete


def _bare_rates(stack: ExitStack, _: Reading, target: Target, clients: int) -> Rates:
    processes = min(clients, WORKERS)
    pool = stack.enter_context(ProcessPoolExecutor(processes, get_context("fork")))

    def run(name: str, groups: Sequence[Wanted]) -> list[Interval]:
        shares = [groups[each::processes] for each in range(processes)]
        names, targets = [name] * processes, [target] * processes
        return [each for some in pool.map(_bare_share, names, targets, shares) for each in some]

    return run


def _bare_share(name: str, target: Target, groups: Sequence[Wanted]) -> list[Interval]:
    """In a process of its own: each client has a connection, which is open before its time."""
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(BareChanges(target))) for _ in groups]
        acts = [getattr(client, name) for client in clients]
        pool = stack.enter_context(ThreadPoolExecutor(len(groups)))
        return list(pool.map(_timed, acts, groups))


def _timed(act: Act, users: Wanted) -> Interval:
    began_s = time.monotonic()
    for name, roles in users.items():
        act(name, roles)
    return began_s, time.monotonic()
