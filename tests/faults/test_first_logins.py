"""Sixteen first logins at once with the same right credentials all succeed, on two machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults.test_races import PASSWORD, at_once
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY, DS389, PLAIN_OPENLDAP
from tests.service import Answer, Service, environment, running_all
from tests.subtree import Subtree

LOGINS = 16
KINDS = (PLAIN_OPENLDAP, DS389, ACTIVE_DIRECTORY)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def place(request: pytest.FixtureRequest, hosts: Hosts) -> Iterator[Subtree]:
    with hosts.place(request.param) as made:
        yield made


def log_in(services: list[Service], passwords: list[str]) -> list[Answer]:
    """The answers to logins of `first`, sent at once, every second one to the other service."""

    def one(number: int, password: str) -> Answer:
        with services[number % 2].caller() as caller:
            caller.connect()
            return caller("GET", "/login", basic=f"first:{password}")

    return at_once([partial(one, *each) for each in enumerate(passwords)])


def started(place: Subtree, folder: Path) -> list[dict[str, str]]:
    more = {"server__threads": LOGINS, "management_api__throttle__failures_per_name": 1000}
    return [environment(folder / name, place, **more) for name in "ab"]


def assert_all_are_in(services: list[Service], answers: list[Answer]) -> None:
    """Everybody's token is an admin's, and there is one user, who is the admin."""
    assert Counter(answer.status for answer in answers) == {200: len(answers)}
    for number, answer in enumerate(answers):
        with services[number % 2].caller() as call:
            assert call("GET", "/users", token=answer.json["AccessToken"]).status == 200
    assert_one_is_there(services, "first", PASSWORD)


def assert_one_is_there(services: list[Service], name: str, password: str) -> None:
    for service in services:
        with service.caller() as call:
            token = call.login(name, password)
            users = call("GET", "/users", token=token).json["list"]
            assert [user["userId"] for user in users] == [name]
            assert call("GET", f"/users/{name}", token=token).json["isAdmin"] is True


@pytest.mark.parametrize("exists", [False, True], ids=["created", "promoted"])
def test_all_of_sixteen_first_logins_succeed(place: Subtree, tmp_path: Path, exists: bool) -> None:
    if exists:
        place.add_user("first", PASSWORD)
    with running_all(*started(place, tmp_path)) as services:
        answers = log_in(services, [PASSWORD] * LOGINS)
        assert_all_are_in(services, answers)


def test_a_wrong_password_is_refused_and_leaves_nothing(place: Subtree, tmp_path: Path) -> None:
    """Whoever is first chooses the password; the others, with another one, are refused."""
    passwords = [f"password number {number % 4}" for number in range(LOGINS)]
    with running_all(*started(place, tmp_path)) as services:
        answers = log_in(services, passwords)
        chosen = {
            each for each, answer in zip(passwords, answers, strict=True) if answer.status == 200
        }
        assert len(chosen) == 1
        right = LOGINS // 4
        statuses = Counter(answer.status for answer in answers)
        said = Counter((answer.status, answer.body) for answer in answers if answer.status != 200)
        assert statuses == {200: right, 401: LOGINS - right}, said
        assert_one_is_there(services, "first", chosen.pop())
