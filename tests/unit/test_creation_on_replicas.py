"""A creation is answered when reads show it, where a replica forwards changes to its provider."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.directory.writes import creation
from mi_ldap.directory.writes.creation import EntryCreator
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.model import EntryId, User

UNFINISHED = User(EntryId("an id"), "bob", "uid=bob,dc=x", "a revision", "", unfinished=True)
FINISHED = replace(UNFINISHED, unfinished=False)
NAMESAKE = replace(UNFINISHED, id=EntryId("another id"))


class Reads:
    """Reads of users by name, with the given answers one after the other."""

    def __init__(self, *answers: list[User] | Exception) -> None:
        self._left = [*answers]

    def users_named(self, _name: str) -> list[User]:
        answer = self._left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def are_over(self) -> bool:
        return not self._left


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "LAG_PAUSE_S", 0.0)


def wait(reads: Reads, *, reads_may_lag: bool = True, seconds: float = 10.0) -> None:
    unused: Any = None
    reader: Any = reads
    creator = EntryCreator(reader, unused, unused, unused, reads_may_lag)
    with deadline(seconds):
        creator.wait_until_finished(UNFINISHED)


@pytest.mark.parametrize(
    "answers",
    [
        ([FINISHED],),
        ([UNFINISHED], [UNFINISHED], [FINISHED]),
        ([UNFINISHED], []),
        ([NAMESAKE],),
        ([UNFINISHED], DirectoryUnavailable()),
    ],
    ids=["shown", "shown later", "deleted meanwhile", "another user", "directory lost"],
)
def test_it_waits_until_reads_show_the_finished_user(answers: list[Any]) -> None:
    reads = Reads(*answers)
    wait(reads)
    assert reads.are_over


def test_it_does_not_wait_for_the_servers_own_entries() -> None:
    reads = Reads([UNFINISHED])
    wait(reads, reads_may_lag=False)
    assert not reads.are_over


def test_it_waits_no_longer_than_the_request_has_time() -> None:
    reads = Reads([UNFINISHED], [FINISHED])
    wait(reads, seconds=creation.LAG_REST_S / 2)
    assert not reads.are_over
