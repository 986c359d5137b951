"""What clients ask of the service, over kept connections: lists, pages of the dashboard, users."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from fnmatch import fnmatchcase
from functools import partial

from benchmarks.callers import Answer, BenchmarkError, Caller
from benchmarks.population import (
    EVERYBODY,
    SMALL_ROLE_SIZE,
    SMALL_ROLES,
    STRIDE,
    Population,
    role_name,
    user_name,
)
from benchmarks.timing import Figure, Unavailable, median_ms

BROWSER_CONNECTIONS = 16
USERS_A_PAGE = 25


def answered(caller: Caller, method: str, path: str, body: object = None) -> Answer:
    """The answer of the service, which is 200.

    Raises:
        Unavailable: it is 503.
        BenchmarkError: it is anything else.
    """
    return _answer(caller, method, f"/management{path}", body)


def _answer(caller: Caller, method: str, path: str, body: object = None) -> Answer:
    began_s = time.perf_counter()
    answer = caller.ask(method, path, body)
    if answer.status == 503:
        raise Unavailable((time.perf_counter() - began_s) * 1000)
    if answer.status != 200:
        raise BenchmarkError(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
    return answer


class Reading:
    """A client that is logged in; connections are made before each work, and kept during it.

    Args:
        port: of the service.
        token: of an admin.
        population: who is there.
    """

    def __init__(self, port: int, token: str, population: Population) -> None:
        self._port = port
        self._token = token
        self._population = population

    def opened(self) -> Caller:
        """A connection; close it."""
        return Caller(self._port, f"Bearer {self._token}")

    def lists(self) -> dict[str, tuple[str, int]]:
        """The queries of users by their names: each a path, and how many users it must give."""
        size = self._population.users
        names = list(self._population.names())
        everybody = {"list_everybody": (f"/users?role={EVERYBODY}&limit=25", 25)}
        return {
            "list": ("/users", len(names) + 1),
            "list_page": (f"/users?limit=25&offset={size // 2}", 25),
            "list_prefix": ("/users?pattern=user00001*", _count(names, "user00001*")),
            "list_suffix": ("/users?pattern=*0001", _count(names, "*0001")),
            "list_part": ("/users?searchKey=0012", _count(names, "*0012*")),
            "list_role": (f"/users?role={role_name(0)}", SMALL_ROLE_SIZE),
            **(everybody if self._population.has_everybody else {}),
        }

    def listed(self, path: str, count: int) -> Figure:
        """A query of users.

        Raises:
            BenchmarkError: it gives another number of users.
        """
        with self.opened() as caller:
            last = answered(caller, "GET", path)
            if last.json["count"] != count:
                raise BenchmarkError(f"{path} gives {last.json['count']} users, not {count}.")
            return median_ms(lambda _: answered(caller, "GET", path))

    def shown(self) -> Figure:
        """One user after the other, each in three roles."""
        with self.opened() as caller:
            path = f"/users/{self._user(0)}"
            if role_name(0) not in answered(caller, "GET", path).json["roles"]:
                raise BenchmarkError(f"{path} does not hold {role_name(0)}.")
            return median_ms(lambda turn: answered(caller, "GET", f"/users/{self._user(turn)}"))

    def console_pages(self, cookie: str) -> dict[str, Callable[[], Figure]]:
        """Pages of the console, of 25 users each, by their names."""
        last = (len(list(self._population.names())) + 1) // USERS_A_PAGE
        queries = {
            "console_page": f"page={last // 2}",
            "console_search": "q=0012",
            "console_role": f"role={EVERYBODY}",
        }
        return {
            name: partial(self._console_page, cookie, f"/console/users?{query}")
            for name, query in queries.items()
        }

    def _console_page(self, cookie: str, path: str) -> Figure:
        with Caller(self._port, cookie=cookie) as caller:

            def show(_: int) -> None:
                if b"user0" not in _answer(caller, "GET", path).body:
                    raise BenchmarkError(f"{path} shows no users.")

            return median_ms(show)

    def users_page(self) -> Figure:
        """The dashboard's page of users, one request after the other."""
        with self.opened() as caller:
            return median_ms(partial(self._show_users_page, caller))

    def roles_page(self) -> Figure:
        """The dashboard's page of roles, over several connections at once."""
        with ExitStack() as stack:
            callers = [stack.enter_context(self.opened()) for _ in range(BROWSER_CONNECTIONS)]
            return median_ms(lambda _: _show_roles_page(callers))

    def _user(self, turn: int) -> str:
        return user_name(self._population.asked(turn * STRIDE))

    def _show_users_page(self, caller: Caller, turn: int) -> None:
        answered(caller, "GET", "/users")
        for row in range(USERS_A_PAGE):
            user = self._user(turn * USERS_A_PAGE + row)
            answered(caller, "GET", f"/users/{user}")


def _show_roles_page(callers: list[Caller]) -> None:
    answered(callers[0], "GET", "/roles")
    waiting = deque(map(role_name, range(SMALL_ROLES)))

    def ask(caller: Caller) -> None:
        with suppress(IndexError):
            while True:
                answered(caller, "GET", f"/roles/{waiting.popleft()}")

    with ThreadPoolExecutor(len(callers)) as pool:
        asking = [pool.submit(ask, caller) for caller in callers]
        try:
            for each in as_completed(asking):
                each.result()
        finally:
            waiting.clear()  # the others need not go on where one has failed


def _count(names: list[str], pattern: str) -> int:
    return sum(fnmatchcase(name, pattern) for name in names)
