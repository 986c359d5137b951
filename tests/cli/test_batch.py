"""Making many users while the service has its moments."""

from __future__ import annotations

from collections import Counter

import pytest

from mi_ldap.client.api import Json, ManagementApi
from mi_ldap.client.batch import Batch
from mi_ldap.client.people import Person
from mi_ldap.client.problems import LoginNeeded, Refused


class Moody(ManagementApi):
    """Says no to each user the first few times."""

    def __init__(self, refusal: Exception, times: int) -> None:
        self.refusal, self.times = refusal, times
        self.asked: Counter[str] = Counter()

    def add_user(self, name: str, password: str, *, is_admin: bool) -> Json:
        self.asked[name] += 1
        if self.asked[name] <= self.times:
            raise self.refusal
        return {"userId": name, "status": "Added"}


PEOPLE = [Person(line, f"user {line}", "secret", is_admin=False, roles=()) for line in range(2, 8)]


def test_what_is_a_matter_of_time_is_tried_again() -> None:
    waited: list[float] = []
    for status, named, waits in ((503, 7, 7), (503, 600, 15), (409, None, 1), (429, 2, 2)):
        batch = Batch(Moody(Refused(status, "Not now.", named), 2), sleep=waited.append)
        assert {each.outcome for each in batch.carried_out(PEOPLE)} == {"added"}
        assert waited == [waits] * 2 * len(PEOPLE)
        waited.clear()


def test_one_that_goes_on_saying_no_is_believed() -> None:
    api = Moody(Refused(503, "Not now.", 1), 99)
    results = list(Batch(api, sleep=lambda _: None).carried_out(PEOPLE))
    assert {(each.outcome, each.error) for each in results} == {("failed", "Not now.")}
    assert set(api.asked.values()) == {4}


def test_what_holds_for_all_ends_it() -> None:
    api = Moody(LoginNeeded("prod", was_in=True), 99)
    with pytest.raises(LoginNeeded, match="log in again"):
        list(Batch(api).carried_out(PEOPLE * 100))
    assert sum(api.asked.values()) < len(PEOPLE) * 100


def test_no_password_is_shown_by_accident() -> None:
    assert "secret" not in repr(PEOPLE)
