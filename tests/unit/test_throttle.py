"""How often logins may fail."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import time_machine

from mi_ldap.errors import StateUnavailable, TooManyFailures
from mi_ldap.state import StateDatabase
from mi_ldap.throttle import Attempt, Throttle

ALICE = Attempt("alice", "192.0.2.7")
SOMEBODY_ELSE = Attempt("carl", ALICE.client)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDatabase]:
    database = StateDatabase(tmp_path / "state.sqlite")
    yield database
    database.close()


@pytest.fixture
def throttle(state: StateDatabase) -> Throttle:
    return Throttle(state, per_name=3, per_address=5)


def fail(throttle: Throttle, attempt: Attempt, times: int) -> None:
    for _ in range(times):
        throttle.failed(attempt)


def test_the_last_allowed_failure_closes_the_name_from_that_address(throttle: Throttle) -> None:
    fail(throttle, ALICE, 2)
    throttle.check(ALICE)
    fail(throttle, ALICE, 1)
    with pytest.raises(TooManyFailures) as caught:
        throttle.check(ALICE)
    assert 0 < caught.value.retry_after_s <= 60


def test_a_stranger_elsewhere_locks_nobody_out(throttle: Throttle) -> None:
    fail(throttle, Attempt("alice", "198.51.100.1"), 4)
    throttle.check(ALICE)
    throttle.check(SOMEBODY_ELSE)


def test_other_names_from_the_address_go_on_until_the_address_is_used_up(
    throttle: Throttle,
) -> None:
    fail(throttle, ALICE, 3)
    throttle.check(Attempt("bob", ALICE.client))
    throttle.check(SOMEBODY_ELSE)
    fail(throttle, Attempt("bob", ALICE.client), 2)
    with pytest.raises(TooManyFailures):
        throttle.check(SOMEBODY_ELSE)


def test_after_a_minute_it_is_forgotten(throttle: Throttle) -> None:
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False) as clock:
        fail(throttle, ALICE, 5)
        clock.shift(59)
        with pytest.raises(TooManyFailures) as caught:
            throttle.check(ALICE)
        assert caught.value.retry_after_s == 1
        clock.shift(2)
        throttle.check(ALICE)
        throttle.check(SOMEBODY_ELSE)
        fail(throttle, ALICE, 1)
        throttle.check(ALICE)


@pytest.mark.parametrize("who", ["", "%", "'; DROP TABLE failures; --", "\u0000", "x" * 5000])
def test_any_name_is_counted(throttle: Throttle, who: str) -> None:
    fail(throttle, Attempt(who, "192.0.2.7"), 3)
    with pytest.raises(TooManyFailures):
        throttle.check(Attempt(who, "192.0.2.7"))


def test_all_workers_count_together(state: StateDatabase) -> None:
    def fail_once(_: int) -> None:
        Throttle(state, per_name=16, per_address=1000).failed(ALICE)
        state.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fail_once, range(16)))
    with pytest.raises(TooManyFailures):
        Throttle(state, per_name=16, per_address=1000).check(ALICE)


def test_where_nothing_can_be_counted_nothing_is_let_through(
    state: StateDatabase, throttle: Throttle
) -> None:
    with state.connection() as connection:
        connection.execute("DROP TABLE failures")
    with pytest.raises(StateUnavailable):
        throttle.check(ALICE)
    with pytest.raises(StateUnavailable):
        throttle.check(SOMEBODY_ELSE)
    with pytest.raises(StateUnavailable):
        throttle.failed(ALICE)
