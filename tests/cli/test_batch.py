"""Making many users while the service has its moments."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from unittest.mock import Mock

import pytest

from mi_ldap.client.api import ManagementApi
from mi_ldap.client.batch import Batch
from mi_ldap.client.csv_import import Person
from mi_ldap.client.errors import AlreadyExists, LoginNeeded, Refused
from mi_ldap.client.session import Json
from tests.stopwatch import within


class FailingApi(ManagementApi):
    """Says no to each user the first few times."""

    def __init__(self, refusal: Exception, times: int) -> None:
        self.refusal, self.times = refusal, times
        self._domain = ""
        self.asked: Counter[str] = Counter()

    def create_user(self, name: str, password: str, *, is_admin: bool) -> Json:
        self.asked[name] += 1
        if self.asked[name] <= self.times:
            raise self.refusal
        return {"userId": name, "status": "Added"}


PEOPLE = [Person(line, f"user {line}", "secret", is_admin=False, roles=()) for line in range(2, 8)]


class RecordedWaits(threading.Event):
    """Takes no time; remembers how long it would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        return False


def test_temporary_errors_are_retried() -> None:
    for status, retry_after_s, waits in ((503, 7, 7), (503, 600, 15), (409, None, 1), (429, 2, 2)):
        stopped = RecordedWaits()
        batch = Batch(FailingApi(Refused(status, "Not now.", retry_after_s), 2), stopped=stopped)
        assert {each.outcome for each in batch.run(PEOPLE)} == {"added"}
        assert stopped.waited == [waits] * 2 * len(PEOPLE)


def test_retries_end_after_some_attempts() -> None:
    api = FailingApi(Refused(503, "Not now.", 1), 99)
    results = list(Batch(api, stopped=RecordedWaits()).run(PEOPLE))
    assert {(each.outcome, each.error) for each in results} == {("failed", "Not now.")}
    assert set(api.asked.values()) == {4}


def test_an_error_that_concerns_all_lines_ends_the_import() -> None:
    api = FailingApi(LoginNeeded("prod", had_login=True), 99)
    with pytest.raises(LoginNeeded, match="log in again"):
        list(Batch(api).run(PEOPLE * 100))
    assert sum(api.asked.values()) < len(PEOPLE) * 100


def test_an_aborted_import_does_not_wait_for_retries() -> None:
    refusals = {each.user: Refused(503, "Not now.", 15) for each in PEOPLE}
    api = FailingApi(refusals["user 2"], 99)
    api.create_user = Mock(side_effect=[LoginNeeded("prod", had_login=True), *refusals.values()])  # type: ignore[method-assign]
    with within(0), pytest.raises(LoginNeeded):
        list(Batch(api).run(PEOPLE))


class ApiWithUser(FailingApi):
    """Everybody exists there, and holds a role."""

    assigned: list[str]

    def user(self, name: str) -> Json:
        return {"userId": name, "isAdmin": True, "roles": ["Internal/everyone", "strasse"]}

    def change_roles(
        self, user: str, *, assign: Iterable[str] = (), revoke: Iterable[str] = ()
    ) -> Json:
        self.assigned = list(assign)
        return {"userId": user, "status": "Added/removed the roles"}


def test_role_names_are_compared_by_the_service() -> None:
    api = ApiWithUser(AlreadyExists(400, "User: x already exists."), 99)
    person = Person(2, "x", "secret", is_admin=True, roles=("straße", "strasse"))
    assert [each.outcome for each in Batch(api).run([person])] == ["completed"]
    assert api.assigned == ["straße"]


def test_passwords_are_not_in_the_repr() -> None:
    assert "secret" not in repr(PEOPLE)
