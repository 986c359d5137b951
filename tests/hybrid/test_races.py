"""Two machines, one database of hybrid roles: an admin always remains, and one is the first.

Each race has 100 rounds on each server, fewer if they take longer than 15 seconds. All of 300:

    MI_LDAP_TEST_ROUNDS=300 scripts/test tests/hybrid/test_races.py --durations=0
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from mi_ldap.sql.hybrid_roles import SqlHybridRoles
from tests.contract.words import make_user
from tests.hybrid.stores import ADMIN_ROLE, MiRows
from tests.service import Answer, LocalCaller
from tests.sql.machines import PASSWORD, ask, at_once, log_in, machines, rounds, statuses
from tests.sql.stores import Place, server_place

SETTINGS = {"SUPER_ADMIN__ADMIN_ROLE": ADMIN_ROLE}
LOGINS = 16


@pytest.fixture(params=["postgresql", "mariadb"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with server_place(request.getfixturevalue(request.param)) as found:
        yield found


@pytest.fixture
def two(place: Place, tmp_path: Path) -> Iterator[list[LocalCaller]]:
    with machines(place, tmp_path, 2, **SETTINGS) as callers:
        yield callers


def admins(place: Place) -> list[str]:
    """The members of the admin role who are users with the id that is stored."""
    return sorted(
        name
        for (name,) in place.query(
            "SELECT U.UM_USER_NAME FROM UM_HYBRID_USER_ROLE M "
            "JOIN UM_HYBRID_ROLE R ON R.UM_ID = M.UM_ROLE_ID "
            "JOIN MI_LDAP_USER I ON I.user_name = M.UM_USER_NAME "
            "JOIN UM_USER U ON U.UM_USER_ID = I.user_id WHERE R.UM_ROLE_NAME = 'admin'"
        )
    )


def change(
    call: LocalCaller, token: str, name: str, added: bool = False, role: str = ADMIN_ROLE
) -> Answer:
    key = "addedRoles" if added else "removedRoles"
    return ask(call, "PUT", "/roles", {"userId": name, key: [role]}, token)


def create(call: LocalCaller, token: str, name: str, *, is_admin: bool = False) -> None:
    body = {"userId": name, "password": PASSWORD, "isAdmin": is_admin}
    answer = ask(call, "POST", "/users", body, token)
    assert answer.status == 200, answer


def root_again(call: LocalCaller, token: str, admin: str) -> str:
    """Root's token, who is the only admin again."""
    if admin != "root":
        assert change(call, token, "root", added=True).status == 200
        assert change(call, token, admin).status == 200
    return call.login("root", PASSWORD)


def test_the_last_two_admins_cannot_both_leave(place: Place, two: list[LocalCaller]) -> None:
    one, other = two
    tokens = {"root": one.login("root", PASSWORD)}
    for number in rounds():
        name = f"admin{number}"
        create(one, tokens["root"], name, is_admin=True)
        tokens[name] = other.login(name, PASSWORD)
        answers = at_once(
            partial(change, one, tokens["root"], "root"), partial(change, other, tokens[name], name)
        )
        left = admins(place)
        assert len(left) == 1, (number, statuses(answers))
        assert statuses(answers)[0] == 200
        assert statuses(answers)[1] in {403, 409}
        tokens = {"root": root_again(one, tokens[left[0]], left[0])}


def test_an_admin_who_leaves_and_one_who_is_deleted(place: Place, two: list[LocalCaller]) -> None:
    one, other = two
    root = one.login("root", PASSWORD)
    for number in rounds():
        name = f"admin{number}"
        create(one, root, name, is_admin=True)
        answers = at_once(
            partial(change, one, root, "root"),
            partial(ask, other, "DELETE", f"/users/{name}", None, root),
        )
        left = admins(place)
        assert len(left) == 1, (number, statuses(answers))
        if left != ["root"]:
            root = root_again(one, other.login(name, PASSWORD), name)
        else:
            root = one.login("root", PASSWORD)


def test_promotion_and_demotion_by_two(place: Place, two: list[LocalCaller]) -> None:
    one, other = two
    root = one.login("root", PASSWORD)
    create(one, root, "boss", is_admin=True)
    create(one, root, "bob")
    boss = other.login("boss", PASSWORD)
    for number in rounds():
        promoted = at_once(
            partial(change, one, root, "bob", added=True),
            partial(change, other, boss, "bob", added=True),
        )
        assert statuses(promoted) == [200, 200], number  # the second finds what it wants
        creator = ask(one, "GET", "/users/bob", None, root).json["createdBy"]
        token = {"root": root, "boss": boss}
        # Only its creator removes it, and it is removed once.
        answers = at_once(partial(change, one, root, "bob"), partial(change, other, boss, "bob"))
        assert admins(place) == ["boss", "root"], (number, creator, token[creator])
        assert statuses(answers)[0] == 200


def test_a_concurrent_promotion_and_deletion_have_one_winner(
    place: Place, two: list[LocalCaller]
) -> None:
    """The user is an admin, whom others cannot delete, or it is gone with its roles."""
    one, other = two
    root = one.login("root", PASSWORD)
    create(one, root, "boss", is_admin=True)
    boss = other.login("boss", PASSWORD)
    for number in rounds():
        name = f"user{number}"
        create(one, root, name)
        promoted, deleted = at_once(
            partial(change, one, root, name, added=True),
            partial(ask, other, "DELETE", f"/users/{name}", None, boss),
        )
        assert {promoted.status, deleted.status} in ({200, 403}, {200, 404}, {200, 409}), number
        members = MiRows(place).members("admin")
        assert (name in members) is (deleted.status != 200), (number, members)
        if name in members:
            assert ask(one, "DELETE", f"/users/{name}", None, root).status == 200
    assert MiRows(place).members("admin") == ["boss", "root"]


def test_of_many_first_logins_one_makes_the_admin(place: Place, tmp_path: Path) -> None:
    for number in rounds():
        place.empty()
        if number % 10 == 0:  # as well while the tables are created
            place.execute("DROP TABLE MI_LDAP_USER", "DROP TABLE MI_LDAP_HYBRID_ROLE")
        store = place.open()
        names = [f"user{each}" for each in range(LOGINS)]
        for name in names:
            make_user(store, name)
        folder = tmp_path / str(number)
        folder.mkdir()
        with machines(place, folder, 2, **SETTINGS) as callers:
            logins = [partial(log_in, callers[at % 2], name) for at, name in enumerate(names)]
            answers = at_once(*logins)
            assert statuses(answers) == [200] * LOGINS, (number, answers)
            assert len(admins(place)) == 1, number
            assert len(place.query("SELECT first_admin FROM MI_LDAP_HYBRID_ROLE")) == 1
        place.close()
        shutil.rmtree(folder)


def test_changes_of_users_and_of_hybrid_roles_wait_for_each_other(
    place: Place, two: list[LocalCaller]
) -> None:
    """In one database they lock in one order; none fails."""
    one, other = two
    root = one.login("root", PASSWORD)
    assert ask(one, "POST", "/roles", {"role": "Internal/dev"}, root).status == 200
    for name in ("alice", "bob"):
        create(one, root, name)
    new = {"newPassword": PASSWORD, "confirmPassword": PASSWORD}
    for number in rounds():
        name = f"user{number}"
        answers = at_once(
            partial(change, one, root, "alice", added=True, role="Internal/dev"),
            partial(change, other, root, "bob", added=True),
            partial(ask, one, "PATCH", "/users/alice", new, root),
            partial(ask, other, "POST", "/users", {"userId": name, "password": PASSWORD}, root),
            partial(ask, one, "POST", "/roles", {"role": f"Internal/{name}"}, root),
        )
        assert statuses(answers) == [200] * 5, (number, answers)
        answers = at_once(
            partial(change, one, root, "alice", role="Internal/dev"),
            partial(change, other, root, "bob"),
            partial(ask, other, "DELETE", f"/users/{name}", None, root),
            partial(ask, one, "DELETE", f"/roles/Internal/{name}", None, root),
        )
        assert statuses(answers) == [200] * 4, (number, answers)


def test_tables_are_created_by_two_at_once(place: Place) -> None:
    for _ in rounds():
        for table in ("MI_LDAP_USER", "MI_LDAP_HYBRID_ROLE", "UM_HYBRID_USER_ROLE"):
            place.execute(f"DROP TABLE {table}")
        stores = [SqlHybridRoles(place.open().database, ADMIN_ROLE) for _ in range(4)]
        made = at_once(
            *(partial(each.create_role, f"Internal/{at}") for at, each in enumerate(stores))
        )
        assert len({role.name for role in made}) == 4
        place.close()
        place.empty()
