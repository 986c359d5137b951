"""Two machines on one database: one wins, and an admin always remains.

Each race has 100 rounds on each server, fewer if they take longer than 15 seconds. All of 300:

    MI_LDAP_TEST_ROUNDS=300 scripts/test tests/sql/test_races.py --durations=0
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from mi_ldap.errors import RoleExists
from mi_ldap.sql import SqlStore
from mi_ldap.store import AssignRole, RevokeRole
from tests.contract.words import make_user
from tests.service import LocalCaller
from tests.sql.conftest import SERVERS
from tests.sql.machines import PASSWORD, ask, at_once, log_in, machines, rounds, statuses
from tests.sql.stores import Place, server_place


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with server_place(request.getfixturevalue(request.param)) as found:
        yield found


def admins(place: Place) -> list[str]:
    return [
        name
        for (name,) in place.query(
            "SELECT U.UM_USER_NAME FROM UM_USER U JOIN UM_USER_ROLE M ON M.UM_USER_ID = U.UM_ID "
            "JOIN UM_ROLE R ON R.UM_ID = M.UM_ROLE_ID WHERE R.UM_ROLE_NAME = 'admin' "
            "ORDER BY U.UM_USER_NAME"
        )
    ]


def test_the_last_two_admins_cannot_both_leave(place: Place, tmp_path: Path) -> None:
    with machines(place, tmp_path) as (one, two):
        tokens = {"root": one.login("root", PASSWORD)}
        for number in rounds():
            name = f"admin{number}"
            body = {"userId": name, "password": PASSWORD, "isAdmin": True}
            assert ask(one, "POST", "/users", body, tokens["root"]).status == 200
            tokens[name] = two.login(name, PASSWORD)
            resign = [
                partial(
                    ask,
                    call,
                    "PUT",
                    "/roles",
                    {"userId": admin, "removedRoles": ["admin"]},
                    tokens[admin],
                )
                for call, admin in ((one, "root"), (two, name))
            ]
            answers = at_once(*resign)
            left = admins(place)
            assert len(left) == 1, (number, statuses(answers))
            assert statuses(answers)[0] == 200
            assert statuses(answers)[1] != 200
            tokens = {"root": promoted_root(one, left[0], tokens)}


def promoted_root(call: LocalCaller, admin: str, tokens: dict[str, str]) -> str:
    """Root's token, who is the only admin again."""
    if admin != "root":
        for body in (
            {"userId": "root", "addedRoles": ["admin"]},
            {"userId": admin, "removedRoles": ["admin"]},
        ):
            token = tokens[admin]
            answer = ask(call, "PUT", "/roles", body, token)
            assert answer.status == 200, answer
    return call.login("root", PASSWORD)


def test_of_two_creators_of_one_name_one_wins(place: Place, tmp_path: Path) -> None:
    with machines(place, tmp_path) as (one, two):
        token = one.login("root", PASSWORD)
        for number in rounds():
            name = f"user{number}"
            create = [
                partial(ask, call, "POST", "/users", {"userId": typed, "password": PASSWORD}, token)
                for call, typed in ((one, name), (two, name.upper()))
            ]
            assert statuses(at_once(*create)) == [200, 400], number
        found = place.query("SELECT LOWER(UM_USER_NAME) FROM UM_USER")
        assert len(found) == len(set(found))


def test_of_two_first_logins_one_makes_the_admin(place: Place, tmp_path: Path) -> None:
    for number in rounds():
        place.empty()
        folder = tmp_path / str(number)
        folder.mkdir()
        with machines(place, folder) as callers:
            names = ["first", "second"]
            logins = [
                partial(log_in, call, name) for call, name in zip(callers, names, strict=True)
            ]
            answers = at_once(*logins)
            assert statuses(answers) == [200, 401], number
            assert len(admins(place)) == 1
            assert len(place.query("SELECT UM_ID FROM UM_USER")) == 1
        place.close()
        shutil.rmtree(folder)


def creates_role(store: SqlStore, name: str) -> bool:
    try:
        store.create_role(name)
    except RoleExists:
        return False
    return True


def test_two_roles_of_one_name_are_not_made(place: Place) -> None:
    one, two = place.open(), place.open()
    for number in rounds():
        made = at_once(
            partial(creates_role, one, f"role{number}"), partial(creates_role, two, f"ROLE{number}")
        )
        assert made.count(True) == 1


def test_changes_in_crossed_orders_do_not_fail(place: Place) -> None:
    """Deadlocks, which a database breaks by rolling one transaction back, are tried again."""
    one, two = place.open(), place.open()
    users = [make_user(one, name) for name in ("alice", "bob")]
    roles = [one.create_role(name) for name in ("dev", "ops")]
    for _ in rounds():
        at_once(
            partial(one.apply, *(AssignRole(roles[0], user) for user in users)),
            partial(two.apply, *(AssignRole(roles[1], user) for user in reversed(users))),
        )
        one.apply(*(RevokeRole(role, user) for role in roles for user in users))
