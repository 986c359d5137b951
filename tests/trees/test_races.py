"""Two machines on one directory without assertions: one wins, and an admin always remains."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from werkzeug.test import TestResponse

from mi_ldap.web import create_app
from tests.api.client import Api
from tests.kinds import ACTIVE_DIRECTORY, DS389
from tests.machines import MakeApi
from tests.subtree import Subtree
from tests.trees.kinds import on

ROUNDS = 4
LOGINS = 16

pytestmark = on(DS389, ACTIVE_DIRECTORY)

Ask = Callable[[], TestResponse]


def at_once(asked: Sequence[Ask]) -> list[TestResponse]:
    """The answers to all the requests, sent at the same moment."""
    barrier = threading.Barrier(len(asked))

    def send(ask: Ask) -> TestResponse:
        barrier.wait()
        return ask()

    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(send, asked))


def resign(api: Api, name: str) -> TestResponse:
    return api("PUT", "/roles", {"userId": name, "removedRoles": ["admin"]})


def promote(api: Api, name: str) -> TestResponse:
    return api("PUT", "/roles", {"userId": name, "addedRoles": ["admin"]})


@pytest.fixture
def machines(api_of: MakeApi) -> tuple[Api, Api]:
    """Two services, and `root`, the first admin, at both of them."""
    slow = {"SERVER__REQUEST_DEADLINE_S": "30"}
    one, two = api_of(**slow), api_of(**slow)
    return one.logged_in("root"), two.logged_in("root")


def test_of_the_last_two_admins_who_resign_at_once_one_stays(machines: tuple[Api, Api]) -> None:
    one, two = machines
    one.add_user("heir", isAdmin=True)
    for _ in range(ROUNDS):
        root, heir = one.logged_in("root"), two.logged_in("heir")
        answers = at_once([partial(resign, root, "root"), partial(resign, heir, "heir")])
        assert sorted(answer.status_code for answer in answers) == [200, 403], answers
        left = ("heir", "root")[answers[0].status_code == 403]
        remaining = root if left == "root" else heir
        assert remaining.get("/roles/admin")["users"] == [left]
        gone = "heir" if left == "root" else "root"
        assert promote(remaining, gone).status_code == 200


def test_who_is_promoted_while_a_stranger_deletes_it_is_one_or_the_other(
    machines: tuple[Api, Api],
) -> None:
    root, elsewhere = machines
    root.add_user("stranger", isAdmin=True)
    stranger = elsewhere.logged_in("stranger")
    outcomes: Counter[tuple[int, int]] = Counter()
    for number in range(ROUNDS):
        name = f"alice{number}"
        root.add_user(name)
        delete = partial(stranger, "DELETE", f"/users/{name}")
        promoted, deleted = at_once([partial(promote, root, name), delete])
        outcomes[promoted.status_code, deleted.status_code] += 1
        if promoted.status_code == 200:
            assert deleted.status_code == 403, deleted.text
            assert root.user(name)["createdBy"] == "root"
        else:
            assert deleted.status_code == 200, (promoted.text, deleted.text)
            assert promoted.status_code == 404, promoted.text
            assert not root.exists(name)
        assert root.get("/roles/admin")["users"][-2:] == ["root", "stranger"]
    print("outcomes:", outcomes)


def test_a_custodian_who_resigns_while_it_promotes_is_nobodys_custodian(
    machines: tuple[Api, Api],
) -> None:
    root, elsewhere = machines
    root.add_user("target")
    root.add_user("middle", isAdmin=True)
    for _ in range(ROUNDS):
        middle = elsewhere.logged_in("middle")
        promoted, resigned = at_once(
            [partial(promote, middle, "target"), partial(resign, middle, "middle")]
        )
        assert resigned.status_code == 200, resigned.text
        assert promoted.status_code in {200, 401, 403}, promoted.text
        shown = root.user("target")
        assert shown["isAdmin"] is (promoted.status_code == 200)
        if shown["isAdmin"]:
            assert shown["createdBy"] == "root"
            assert resign(root, "target").status_code == 200
        assert promote(root, "middle").status_code == 200


def test_a_user_made_by_both_at_once_is_made_by_one(machines: tuple[Api, Api]) -> None:
    one, two = machines
    for number in range(ROUNDS):
        body = {"userId": f"user{number}", "password": "correct horse"}
        answers = at_once(
            [
                partial(one, "POST", "/users", {**body, "isAdmin": True}),
                partial(two, "POST", "/users", body),
            ]
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400], answers
        assert one.user(f"user{number}")["isAdmin"] is (answers[0].status_code == 200)
        assert one.login(f"user{number}").status_code == 200


def test_of_many_first_logins_at_once_one_wins_and_the_others_leave_nothing(
    api_of: MakeApi, place: Subtree
) -> None:
    for number in range(2):
        slow = {"SERVER__REQUEST_DEADLINE_S": "30", "BOOTSTRAP__USERS": ""}
        machines = [api_of(**slow) for _ in range(2)]
        names = [f"first{number}x{each}" for each in range(LOGINS)]
        asked = [
            partial(own_client(machines[each % 2]).login, name) for each, name in enumerate(names)
        ]
        answers = at_once(asked)
        statuses = [answer.status_code for answer in answers]
        assert Counter(statuses) == {200: 1, 401: LOGINS - 1}, [a.text for a in answers]
        winner = names[statuses.index(200)]
        admin = machines[0].logged_in(winner)
        assert admin.names() == admin.get("/roles/admin")["users"] == [winner]
        place.tool.delete(place.group_dn("admin"))
        place.tool.delete(place.user_dn(winner))


def own_client(api: Api) -> Api:
    return replace(api, client=create_app(api.services).test_client(use_cookies=False))
