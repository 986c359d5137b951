"""The circuit breaker of a node: when it opens, and which requests are its probes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.micro_integrators.breaker import Admission, CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(failures=3, pause_s=5, probe_s=20, clock=clock)


def admitted(breaker: CircuitBreaker) -> Admission:
    admission = breaker.admit()
    assert admission is not None
    return admission


def state_of(breaker: CircuitBreaker) -> str:
    return breaker.state.value


def fail(breaker: CircuitBreaker, times: int = 3) -> None:
    for _ in range(times):
        admitted(breaker).failed()


def test_failures_in_a_row_open_it(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    admitted(breaker).succeeded()
    fail(breaker, 2)
    assert state_of(breaker) == "closed"
    fail(breaker, 1)
    assert state_of(breaker) == "open"
    assert breaker.admit() is None
    assert breaker.retry_after_s == 5


def test_one_probe_is_admitted_after_a_pause_and_closes_it(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    clock.now += 5
    assert state_of(breaker) == "half_open"
    probe = admitted(breaker)
    assert breaker.admit() is None
    probe.succeeded()
    assert state_of(breaker) == "closed"
    assert (breaker.retry_after_s, breaker.failures) == (0, 0)


def test_a_probe_that_fails_starts_another_pause(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 7
    admitted(breaker).failed()
    assert breaker.retry_after_s == 5
    clock.now += 5
    admitted(breaker)


def test_a_probe_that_is_abandoned_is_replaced_at_once(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    clock.now += 5
    admitted(breaker).abandoned()
    admitted(breaker)


def test_only_an_abandoned_probe_ends_a_pause(breaker: CircuitBreaker) -> None:
    earlier = admitted(breaker)
    fail(breaker)
    earlier.abandoned()
    assert breaker.retry_after_s == 5
    assert breaker.admit() is None


def test_a_probe_without_a_report_is_replaced_after_a_while(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    clock.now += 5
    admitted(breaker)
    clock.now += 19
    assert breaker.admit() is None
    clock.now += 1
    admitted(breaker)


def test_late_failures_of_earlier_requests_delay_no_probe(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    late = admitted(breaker)
    fail(breaker)
    clock.now += 4
    late.failed()
    assert breaker.retry_after_s == 1


def test_only_the_first_report_counts(breaker: CircuitBreaker) -> None:
    admission = admitted(breaker)
    for _ in range(5):
        admission.failed()
    admission.succeeded()
    assert breaker.failures == 1


@given(st.lists(st.sampled_from(["succeeded", "failed", "abandoned", "pending"]), max_size=60))
def test_it_never_stays_closed_to_a_node_for_ever(reports: list[str]) -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=3, pause_s=5, probe_s=20, clock=clock)
    for report in reports:
        clock.now += 1
        admission = breaker.admit()
        if admission is not None and report != "pending":
            getattr(admission, report)()
    clock.now += 20
    admitted(breaker).succeeded()
    assert state_of(breaker) == "closed"
