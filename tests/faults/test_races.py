"""Two services on one directory, as two machines are: one wins, and an admin always remains."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.service import Answer, Caller, Service, environment, running_all
from tests.soundness import Picture, look_at, restore, sweep
from tests.subtree import Host, Subtree, Tool, subtree_in

LOGINS = 64
ROUNDS = 200
PASSWORD = "correct horse"

Request = Callable[[], Answer]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two services on one place, a connection to each, and the first admin's token."""

    services: list[Service]
    one: Caller
    two: Caller
    root: str
    place: Subtree

    def create(self, name: str, *, is_admin: bool = False) -> None:
        answer = create(self.one, name, self.root, is_admin=is_admin)
        assert answer.status == 200, answer


@contextmanager
def two_services(place: Subtree, folder: Path) -> Iterator[list[Service]]:
    # However busy the machine is: these tests are not about time.
    more = {
        "server__request_deadline_s": 30,
        "server__threads": LOGINS // 2,
        "server__log_level": "warning",
        "management_api__throttle__failures_per_name": 1000,
    }
    with running_all(*(environment(folder / name, place, **more) for name in "ab")) as services:
        yield services


@pytest.fixture(scope="module")
def lasting(host: Host, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two services with the first admin `root`, for all the tests."""
    folder = tmp_path_factory.mktemp("services")
    with (
        subtree_in(host, tool) as place,
        two_services(place, folder) as services,
        services[0].caller() as one,
        services[1].caller() as two,
    ):
        yield Pair(services, one, two, one.login("root", PASSWORD), place)


@pytest.fixture
def pair(lasting: Pair) -> Iterator[Pair]:
    """The same, with nobody but `root` in the directory."""
    before = look_at(lasting.place)
    yield lasting
    sweep(lasting.place, before)


def at_once(requests: Sequence[Request]) -> list[Answer]:
    """The answers to all the requests, sent at the same moment."""
    barrier = threading.Barrier(len(requests))

    def send(request: Request) -> Answer:
        barrier.wait()
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def log_in_at_once(services: list[Service], names: list[str]) -> list[Answer]:
    """Everybody's first login, every second one at the other service."""
    with ExitStack() as stack:
        callers = [
            stack.enter_context(services[number % 2].caller()) for number in range(len(names))
        ]
        for caller in callers:
            caller.connect()
        logins = [
            partial(caller, "GET", "/login", basic=f"{name}:{PASSWORD}")
            for caller, name in zip(callers, names, strict=True)
        ]
        return at_once(logins)


def create(call: Caller, name: str, token: str, *, is_admin: bool = False) -> Answer:
    body = {"userId": name, "password": PASSWORD, "isAdmin": is_admin}
    return call("POST", "/users", body, token=token)


def resign(call: Caller, name: str, token: str) -> Answer:
    return call("PUT", "/roles", {"userId": name, "removedRoles": ["admin"]}, token=token)


def test_of_64_first_logins_at_once_one_wins_and_the_others_leave_nothing(
    subtree: Subtree, tmp_path: Path
) -> None:
    names = [f"first{number}" for number in range(LOGINS)]
    with two_services(subtree, tmp_path) as services:
        answers = log_in_at_once(services, names)
    assert Counter(answer.status for answer in answers) == {200: 1, 401: LOGINS - 1}
    winner = names[[answer.status for answer in answers].index(200)]
    after = look_at(subtree)
    assert list(after.admins) == list(after.users) == [winner]


def test_of_64_first_logins_with_one_name_one_makes_the_admin(
    subtree: Subtree, tmp_path: Path
) -> None:
    with two_services(subtree, tmp_path) as services:
        answers = log_in_at_once(services, ["first"] * LOGINS)
        for service in services:
            with service.caller() as call:
                assert call("GET", "/users", token=call.login("first", PASSWORD)).status == 200
    statuses = Counter(answer.status for answer in answers)
    assert statuses == {200: LOGINS}  # those who came before the password was there have waited
    after = look_at(subtree)
    assert list(after.admins) == list(after.users) == ["first"]


def test_what_a_first_login_has_left_is_replaced_by_one_of_those_that_come_later(
    subtree: Subtree, tmp_path: Path
) -> None:
    left = subtree.add_user("first")
    unfinished = "unfinished:1000000000:0123456789abcdef"
    subtree.tool.add_values(left, objectClass="miLdapAccount", miLdapEpoch=unfinished)
    with two_services(subtree, tmp_path) as services:
        answers = log_in_at_once(services, ["first"] * 16)
        statuses = {answer.status for answer in answers}
        assert 200 in statuses <= {200, 401}, statuses
        with services[0].caller() as call:
            assert call("GET", "/users", token=call.login("first", PASSWORD)).status == 200
    assert list(look_at(subtree).admins) == ["first"]


def test_the_last_two_admins_resign_at_once_and_one_always_remains(pair: Pair) -> None:
    pair.create("heir", is_admin=True)
    heir = pair.two.login("heir", PASSWORD)
    before = look_at(pair.place)
    remained: Counter[str] = Counter()
    for _ in range(ROUNDS):
        answers = at_once(
            [lambda: resign(pair.one, "root", pair.root), lambda: resign(pair.two, "heir", heir)]
        )
        assert sorted(answer.status for answer in answers) == [200, 403], answers
        after = look_at(pair.place)
        (left,) = after.admins
        assert answers[left == "heir"].status == 403
        remained[left] += 1
        restore(pair.place, before, after)
    print("remained:", dict(remained))
    assert remained.total() == ROUNDS


def test_a_custodian_resigns_while_it_removes_its_only_charge_and_one_always_remains(
    pair: Pair,
) -> None:
    pair.create("charge", is_admin=True)
    before = look_at(pair.place)
    outcomes: Counter[str] = Counter()
    for _ in range(ROUNDS):
        removed, resigned = at_once(
            [
                lambda: pair.one("DELETE", "/users/charge", token=pair.root),
                lambda: resign(pair.two, "root", pair.root),
            ]
        )
        after = look_at(pair.place)
        assert_one_remains(after, removed, resigned)
        if resigned.status == 200:
            restore(pair.place, before, after)
        else:
            pair.create("charge", is_admin=True)
            before = look_at(pair.place)
        outcomes["resigned" if resigned.status == 200 else "removed"] += 1
    print("outcomes:", dict(outcomes))
    assert outcomes.total() == ROUNDS


def assert_one_remains(after: Picture, removed: Answer, resigned: Answer) -> None:
    if removed.status == 200:
        assert resigned.status == 403, resigned
        assert list(after.admins) == list(after.users) == ["root"]
        return
    # The resignation ends the token, the role and the custody: whichever is looked at first.
    assert (removed.status, resigned.status) in {(401, 200), (403, 200)}, (removed, resigned)
    assert list(after.admins) == ["charge"]
    assert set(after.users) == {"root", "charge"}
    assert after.admins["charge"].custodian is None


def test_a_custodian_resigns_while_it_promotes_and_its_own_custodian_inherits(pair: Pair) -> None:
    pair.create("middle", is_admin=True)
    pair.create("target")
    middle = pair.two.login("middle", PASSWORD)
    before = look_at(pair.place)
    promote = {"userId": "target", "addedRoles": ["admin"]}
    for _ in range(ROUNDS // 8):
        promoted, resigned = at_once(
            [
                lambda: pair.one("PUT", "/roles", promote, token=middle),
                lambda: resign(pair.two, "middle", middle),
            ]
        )
        assert resigned.status == 200, resigned
        assert promoted.status in {200, 401, 403}, promoted
        after = look_at(pair.place)
        assert ("target" in after.admins) == (promoted.status == 200)
        if promoted.status == 200:
            assert after.users["target"].custodian == after.users["root"].id
        restore(pair.place, before, after)


def test_a_user_made_by_both_at_once_is_made_by_one(pair: Pair) -> None:
    for number in range(25):
        name = f"user{number}"
        answers = at_once(
            [
                partial(create, pair.one, name, pair.root, is_admin=True),
                partial(create, pair.two, name, pair.root),
            ]
        )
        assert sorted(answer.status for answer in answers) == [200, 400], answers
        loser = next(answer for answer in answers if answer.status == 400)
        assert loser.json == {
            "Error": f"Error processing the request. User: {name} already exists."
        }
        assert pair.two.login(name, PASSWORD)
        after = look_at(pair.place)
        assert (name in after.admins) == (answers[0].status == 200)


def test_both_give_and_take_the_same_roles_at_once(pair: Pair) -> None:
    pair.create("alice")
    for role in ("dev", "ops"):
        assert pair.one("POST", "/roles", {"role": role}, token=pair.root).status == 200
    first = {"userId": "alice", "addedRoles": ["dev"]}
    assert pair.one("PUT", "/roles", first, token=pair.root).status == 200
    there = {"userId": "alice", "addedRoles": ["dev"], "removedRoles": ["ops"]}
    back = {"userId": "alice", "addedRoles": ["ops"], "removedRoles": ["dev"]}
    for _ in range(40):
        answers = at_once(
            [
                lambda: pair.one("PUT", "/roles", there, token=pair.root),
                lambda: pair.two("PUT", "/roles", back, token=pair.root),
            ]
        )
        assert [answer.status for answer in answers] == [200, 200], answers
        # The two may take turns: each role is then as one of them wants it.
        look_at(pair.place)


def test_all_kinds_of_changes_at_once_do_not_stop_the_directory(pair: Pair) -> None:
    with ExitStack() as stack:
        callers = [stack.enter_context(pair.services[each % 2].caller()) for each in range(8)]
        work = [partial(live_and_die, call, f"u{at}", pair.root) for at, call in enumerate(callers)]
        for answer in at_once(work):
            assert answer.status == 200, answer
    assert set(look_at(pair.place).users) == {"root"}


def live_and_die(call: Caller, name: str, token: str) -> Answer:
    """Several lives of a user and its role; the first answer that is not 200, or the last."""
    for number in range(4):
        for answer in (
            create(call, name, token, is_admin=number % 2 == 0),
            call("POST", "/roles", {"role": f"of {name}"}, token=token),
            call("PUT", "/roles", {"userId": name, "addedRoles": [f"of {name}"]}, token=token),
            call("DELETE", f"/roles/of%20{name}", token=token),
            call("DELETE", f"/users/{name}", token=token),
        ):
            if answer.status != 200:
                return answer
    return answer
