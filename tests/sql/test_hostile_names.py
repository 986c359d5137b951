"""Names and patterns with characters that mean something to SQL: as in the store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from mi_ldap.settings import load_settings
from mi_ldap.wiring import services
from tests.memory_store import MemoryStore
from tests.service import Answer, LocalCaller
from tests.sql.machines import PASSWORD, at_once, machines, statuses
from tests.sql.stores import Place

NAMES = [
    *("per%cent", "under_score", "underXscore", "back\\slash", "back\\_slash", "a!b", "a!_b"),
    *("o'brien", 'dq"x', "1;select", "-- drop", "a*b", "a?b", "a[b]", "axb", "😀smile", "日本"),
    *("Ümläut", "straße", "e\u0301combining", "tab\there", "nul\0l", "trail ", " lead", "\x1fsep"),
    *("x" * 255, "x" * 256, "😀" * 255, "", " ", "PRIMARY/x", "Internal/x"),
]
PATTERNS = [
    *("*%*", "*_*", "*\\*", "*\\_*", "*!*", "*!_*", "*'*", '*"*', "a?b", "a*b", "*[b]*", "%", "_"),
    *(
        "?",
        "*",
        "**",
        "??",
        "*😀*",
        "*ü*",
        "*Ü*",
        "*ss*",
        "*ß*",
        "*\u0301*",
        "*\0*",
        "*\x1f*",
        " *",
    ),
]
LONG_PASSWORD = "pässwörd 😀 " * 9


@pytest.fixture
def call(place: Place, tmp_path: Path) -> Iterator[LocalCaller]:
    with machines(place, tmp_path, 1) as (machine,):
        yield machine


@pytest.fixture
def memory(tmp_path: Path) -> LocalCaller:
    folder = tmp_path / "memory"
    folder.mkdir()
    throttle = "MI_LDAP_MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME"
    settings = load_settings({"MI_LDAP_STATE_DIR": str(folder), throttle: "1000"})
    return LocalCaller(services(settings, store=MemoryStore()))


def _both(answers: list[Answer]) -> list[tuple[int, object]]:
    return [(answer.status, answer.json if answer.status == 200 else None) for answer in answers]


def _live(call: LocalCaller, token: str, name: str) -> list[Answer]:
    """What the API answers to all that concerns a user and a role of the name."""
    body = {"userId": name, "password": LONG_PASSWORD}
    path = quote(name, safe="")
    as_admin = partial(call, token=token)
    created = [as_admin("POST", "/users", body), as_admin("POST", "/roles", {"role": name})]
    return [
        *created,
        as_admin("GET", f"/users/{path}"),
        as_admin("PUT", "/roles", {"userId": name, "addedRoles": [name]}),
        as_admin("GET", f"/roles/{path}"),
        call("GET", "/login", basic=f"{name}:{LONG_PASSWORD[:72]}"),
        as_admin("GET", f"/users?role={path}"),
    ]


def test_odd_names_and_patterns_are_as_in_memory(call: LocalCaller, memory: LocalCaller) -> None:
    tokens = {each: each.login("root", PASSWORD) for each in (call, memory)}
    for name in NAMES:
        found = [_both(_live(each, tokens[each], name)) for each in (call, memory)]
        assert found[0] == found[1], name
        is_made = found[0][0][0] == 200
        login = call("GET", "/login", basic=f"{name}:{LONG_PASSWORD}")
        assert (login.status == 200) is is_made, name
    for pattern in PATTERNS:
        for query in (
            f"/users?pattern={quote(pattern, safe='')}",
            f"/users?searchKey={quote(pattern.strip('*'), safe='')}",
            f"/roles?searchKey={quote(pattern.strip('*'), safe='')}",
            f"/users?role={quote(pattern, safe='')}",
        ):
            asked = [[each("GET", query, token=tokens[each])] for each in (call, memory)]
            assert _both(asked[0]) == _both(asked[1]), query


def test_one_of_many_names_that_differ_in_case_is_created(place: Place, tmp_path: Path) -> None:
    with machines(place, tmp_path) as callers:
        token = callers[0].login("root", PASSWORD)

        def change(number: int, method: str, path: str, body: object = None) -> Answer:
            return callers[number % 2](method, path, body, token=token)

        for name in ("bob", "ünal"):
            names = [name, name.upper(), name.capitalize(), name] * 2
            bodies = [{"userId": each, "password": PASSWORD} for each in names]
            created = at_once(
                *(partial(change, n, "POST", "/users", body) for n, body in enumerate(bodies))
            )
            assert statuses(created) == [200, *[400] * 7]
            deleted = at_once(
                *(partial(change, n, "DELETE", f"/users/{quote(x)}") for n, x in enumerate(names))
            )
            assert statuses(deleted) == [200, *[404] * 7]
        assert place.query("SELECT UM_USER_NAME FROM UM_USER") == [("root",)]
