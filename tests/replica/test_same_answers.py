"""Reads give the same results with and without the replica, on random trees and schemas."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.client import Api
from tests.hosts.arranged import ArrangedOpenLdap
from tests.replica.arranged_apis import Apis
from tests.replica.generated import NAMES, ROLES, Generated
from tests.subtree import Tool

_FIRST, _, _COUNT = os.environ.get("MI_LDAP_TREE_SEEDS", "1+8").partition("+")
SEEDS = range(int(_FIRST), int(_FIRST) + int(_COUNT or 1))
"""The environment variable holds the first one and how many: `MI_LDAP_TREE_SEEDS=100+50`."""

CHANGES = 4

Answers = dict[str, tuple[int, Any]]


@pytest.mark.parametrize("seed", SEEDS)
def test_replica_and_directory_give_the_same_answers(seed: int, tmp_path: Path) -> None:
    made = Generated(seed)
    with ExitStack() as closing:
        host = closing.enter_context(ArrangedOpenLdap(tmp_path / "server", made.arrangement))
        (tmp_path / "machines").mkdir()
        apis = Apis(host, tmp_path / "machines", closing, **made.settings)
        held, direct = apis.with_memory(), apis.without_memory()
        source = held.services.store.read_source()
        told = f"seed {seed}, {source}: {'; '.join(made.described)}"
        tool = Tool(host.url, *host.manager)
        closing.callback(tool.close)
        done: list[str] = []
        for _ in range(CHANGES):
            _assert_same(held, direct, f"{told}; {done}")
            done.append(made.change(tool))
        _assert_same(held, direct, f"{told}; {done}")


def _assert_same(held: Api, direct: Api, told: str) -> None:
    from_memory, from_directory = _answers(held), _answers(direct)
    for path, answer in from_directory.items():
        assert from_memory[path] == answer, f"{path}: {told}"


def _answers(api: Api) -> Answers:
    """Every answer to reading requests, and whether people can log in."""
    answers: Answers = {}
    names = [login for login in ("alice", "0") if api.login(login, "pw-0").status_code == 200]
    for number, name in enumerate(NAMES[:4]):
        answers[f"login {name}"] = (api.login(name, f"pw-{number}").status_code, None)
    if not names:
        return answers
    admin = api.logged_in(names[0], "pw-0")
    for path in _paths():
        answer = admin("GET", path)
        answers[path] = (answer.status_code, answer.json)
    return answers


def _paths() -> Iterable[str]:
    yield from ("/users", "/roles", "/server", "/users?limit=2&offset=1")
    for part in ("a", "B", "5", "ünal", "o, ", "ss", "0"):
        yield f"/users?pattern=*{quote(part)}*"
        yield f"/users?pattern={quote(part)}*"
        yield f"/users?searchKey={quote(part)}"
        yield f"/users?regex={quote(part)}"
    for name in (*NAMES, *(each.upper() for each in NAMES[:6]), "nobody", "0"):
        yield f"/users/{quote(name)}"
    for role in (*ROLES, "ADMIN", "dynamic", "no role"):
        yield f"/roles/{quote(role)}"
        yield f"/users?role={quote(role)}"
