"""How often logins may fail."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import time_machine

from mi_ldap.errors import DirectoryUnavailable, LoginRefused, StateUnavailable, TooManyFailures
from mi_ldap.state import throttle as throttle_module
from mi_ldap.state.database import StateDatabase
from mi_ldap.state.fingerprints import Fingerprints
from mi_ldap.state.throttle import Attempt, Throttle, Throttled, ThrottledLogins
from tests.stopwatch import least_cpu_s

ROOT = Path(__file__).parents[2]
ALICE = Attempt("alice", "192.0.2.7")
SOMEBODY_ELSE = Attempt("carl", ALICE.client)


@dataclass
class Clock:
    """The machine's monotonic clock."""

    now_s: float = 5000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDatabase]:
    database = StateDatabase(tmp_path / "state.sqlite")
    yield database
    database.close()


@pytest.fixture
def throttle(state: StateDatabase, clock: Clock) -> Throttle:
    return Throttle(state, per_name=3, per_address=5, clock=clock)


def fail(throttle: Throttle, attempt: Attempt, times: int = 1) -> None:
    for _ in range(times):
        with suppress(LoginRefused), throttle.attempt(attempt):
            raise LoginRefused


def succeed(throttle: Throttle, attempt: Attempt, name: str = "") -> None:
    with throttle.attempt(attempt) as attempts:
        attempts.name = name


def refused(throttle: Throttle, attempt: Attempt) -> Throttled:
    with pytest.raises(TooManyFailures) as caught, throttle.attempt(attempt):
        pytest.fail("it was tried")
    assert isinstance(caught.value, Throttled)
    return caught.value


def told(throttle: Throttle, *, include_open: bool = False) -> list[ThrottledLogins]:
    found: list[ThrottledLogins] = []
    throttle.close_windows(found.append, include_open=include_open)
    return found


def test_the_last_allowed_failure_closes_the_name_from_that_address(throttle: Throttle) -> None:
    fail(throttle, ALICE, 2)
    succeed(throttle, ALICE)
    fail(throttle, ALICE, 1)
    assert refused(throttle, ALICE).retry_after_s == 60


def test_a_stranger_elsewhere_locks_nobody_out(throttle: Throttle) -> None:
    fail(throttle, Attempt("alice", "198.51.100.1"), 3)
    succeed(throttle, ALICE)
    succeed(throttle, SOMEBODY_ELSE)


def test_other_names_from_the_address_go_on_until_the_address_is_used_up(
    throttle: Throttle,
) -> None:
    fail(throttle, ALICE, 3)
    succeed(throttle, Attempt("bob", ALICE.client))
    succeed(throttle, SOMEBODY_ELSE)
    fail(throttle, Attempt("bob", ALICE.client), 2)
    refused(throttle, SOMEBODY_ELSE)


def test_after_a_minute_it_is_forgotten(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, ALICE, 3)
    clock.now_s += 59
    assert refused(throttle, ALICE).retry_after_s == 1
    clock.now_s += 2
    succeed(throttle, ALICE)
    fail(throttle, ALICE, 1)
    succeed(throttle, SOMEBODY_ELSE)


@pytest.mark.parametrize("who", ["", "%", "'; DROP TABLE facts; --", "\u0000", "x" * 5000])
def test_any_name_is_counted(throttle: Throttle, who: str) -> None:
    fail(throttle, Attempt(who, "192.0.2.7"), 3)
    refused(throttle, Attempt(who, "192.0.2.7"))


def test_all_workers_count_together(state: StateDatabase) -> None:
    def fail_once(_: int) -> None:
        fail(Throttle(state, per_name=16, per_address=1000), ALICE)
        state.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fail_once, range(16)))
    refused(Throttle(state, per_name=16, per_address=1000), ALICE)


# Counted before it is tried


@pytest.mark.parametrize("guess_s", [0.0, 0.01, 0.1])
def test_of_60_guesses_at_once_no_more_are_tried_than_may_fail(
    state: StateDatabase, guess_s: float
) -> None:
    outcomes: Counter[str] = Counter()
    workers = [Throttle(state, per_name=20, per_address=300) for _ in range(3)]
    barrier = threading.Barrier(60)

    def guess(number: int) -> None:
        barrier.wait()
        try:
            with workers[number % 3].attempt(ALICE):
                time.sleep(guess_s)
                raise LoginRefused
        except LoginRefused:
            outcomes["tried"] += 1
        except TooManyFailures:
            outcomes["refused"] += 1
        finally:
            state.close()

    with ThreadPoolExecutor(60) as pool:
        list(pool.map(guess, range(60)))
    assert outcomes == {"tried": 20, "refused": 40}


GUESSES = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from mi_ldap.errors import LoginRefused, TooManyFailures
from mi_ldap.state.database import StateDatabase
from mi_ldap.state.throttle import Attempt, Throttle

throttle = Throttle(StateDatabase(Path(sys.argv[1])), 20, 300)

def guess(_):
    try:
        with throttle.attempt(Attempt("alice", "192.0.2.7")):
            raise LoginRefused
    except LoginRefused:
        return 1
    except TooManyFailures:
        return 0

with ThreadPoolExecutor(8) as pool:
    print("tried", sum(pool.map(guess, range(1500))))
"""


def test_a_flood_of_guesses_in_several_processes_changes_no_count(tmp_path: Path) -> None:
    """While others write all the time none of them falls back on a count of its own."""
    command = [sys.executable, "-c", GUESSES, str(tmp_path / "state.sqlite")]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = "".join(process.communicate(timeout=120)[0] for process in processes)
    assert "in_memory" not in said
    assert sum(int(line.split()[1]) for line in said.splitlines() if "tried" in line) == 20


def test_right_logins_at_once_wait_for_each_other_and_all_succeed(state: StateDatabase) -> None:
    throttle = Throttle(state, per_name=5, per_address=300)

    def log_in(_: int) -> None:
        with throttle.attempt(ALICE):
            time.sleep(0.01)
        state.close()

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(log_in, range(40)))
    fail(throttle, ALICE, 5)
    refused(throttle, ALICE)


def test_an_outage_is_no_failure(throttle: Throttle) -> None:
    for _ in range(9):
        with pytest.raises(DirectoryUnavailable), throttle.attempt(ALICE):
            raise DirectoryUnavailable
    fail(throttle, ALICE, 3)
    refused(throttle, ALICE)


def test_what_a_killed_worker_had_under_way_counts_until_its_window_ends(
    throttle: Throttle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle_module, "WAIT_S", 0.05)
    killed = [throttle.attempt(ALICE) for _ in range(3)]
    for each in killed:
        each.__enter__()
    refused(throttle, ALICE)
    clock.now_s += 61
    succeed(throttle, ALICE)


def test_a_failure_that_outlasts_its_window_counts_in_the_next_one(
    throttle: Throttle, clock: Clock
) -> None:
    for _ in range(3):
        with suppress(LoginRefused), throttle.attempt(ALICE):
            clock.now_s += 61
            raise LoginRefused
        clock.now_s -= 60
    refused(throttle, ALICE)


# Addresses


@pytest.mark.parametrize(
    ("one", "other", "same_name", "same_address"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True, True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False, True),
        ("2001:db8:1::1", "2001:db8:2::1", False, False),
        ("192.0.2.1", "::ffff:192.0.2.1", True, True),
        ("192.0.2.1", "::ffff:c000:201", True, True),
        ("192.0.2.1", "192.0.2.2", False, False),
        ("fe80::1%eth0", "fe80::2%eth1", True, True),
        ("unknown", "192.0.2.1", False, False),
    ],
)
def test_ipv6_is_counted_by_network(
    state: StateDatabase, one: str, other: str, same_name: bool, same_address: bool
) -> None:
    by_name = Throttle(state, per_name=2, per_address=100)
    fail(by_name, Attempt("alice", one), 2)
    assert is_refused(by_name, Attempt("alice", other)) == same_name
    by_address = Throttle(state, per_name=100, per_address=2)
    assert is_refused(by_address, Attempt("bob", other)) == same_address


def is_refused(throttle: Throttle, attempt: Attempt) -> bool:
    try:
        succeed(throttle, attempt)
    except TooManyFailures:
        return True
    return False


# Clocks


@pytest.mark.parametrize("back_s", [86_400 * 365, 7200, 30])
def test_a_wall_clock_set_back_locks_no_name_for_longer(
    throttle: Throttle, clock: Clock, back_s: int
) -> None:
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False) as wall_clock:
        fail(throttle, ALICE, 3)
        wall_clock.shift(-back_s)
        clock.now_s += 30
        assert refused(throttle, ALICE).retry_after_s == 30
        clock.now_s += 30
        succeed(throttle, ALICE)


def test_what_was_counted_before_a_suspension_is_over_after_it(throttle: Throttle) -> None:
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False) as wall_clock:
        fail(throttle, ALICE, 3)
        wall_clock.shift(61)
        succeed(throttle, ALICE)


@pytest.mark.parametrize("up_s", [0.0, 10.0, 4000.0])
def test_after_a_reboot_no_name_is_locked(throttle: Throttle, clock: Clock, up_s: float) -> None:
    fail(throttle, ALICE, 3)
    clock.now_s = up_s
    succeed(throttle, ALICE)


# Refusals that are told


def test_refusals_are_told_once_when_their_window_ends(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, ALICE, 3)
    assert [refused(throttle, ALICE).is_first for _ in range(5)] == [True, *[False] * 4]
    assert told(throttle) == []
    clock.now_s += 60
    assert told(throttle) == [ThrottledLogins("alice", "", "192.0.2.7", 5)]
    assert told(throttle) == []


def test_the_next_window_is_told_for_itself(throttle: Throttle, clock: Clock) -> None:
    for _ in range(2):
        fail(throttle, ALICE, 3)
        assert refused(throttle, ALICE).is_first
        refused(throttle, ALICE)
        clock.now_s += 61
    assert [each.count for each in told(throttle)] == [2, 2]


def test_names_refused_for_their_address_are_told_together(throttle: Throttle) -> None:
    """Else whoever has used up an address would write a line for each name."""
    fail(throttle, ALICE, 3)
    fail(throttle, SOMEBODY_ELSE, 2)
    firsts = [refused(throttle, Attempt(str(n), ALICE.client)).is_first for n in range(50)]
    assert firsts == [True, *[False] * 49]
    (only,) = told(throttle, include_open=True)
    assert only.count == 50


def test_the_name_of_a_user_that_was_found_is_told(throttle: Throttle) -> None:
    for _ in range(3):
        with suppress(LoginRefused), throttle.attempt(ALICE) as attempts:
            attempts.name = "Alice"
            raise LoginRefused
    assert refused(throttle, ALICE).name == "Alice"
    assert [each.name for each in told(throttle, include_open=True)] == ["Alice"]


def test_what_could_not_be_told_is_told_the_next_time(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, ALICE, 3)
    refused(throttle, ALICE)
    clock.now_s += 61

    def cannot(_: ThrottledLogins) -> None:
        raise StateUnavailable

    with pytest.raises(StateUnavailable):
        throttle.close_windows(cannot)
    assert len(told(throttle)) == 1


def test_what_was_refused_before_a_reboot_is_told_after_it(
    throttle: Throttle, clock: Clock
) -> None:
    fail(throttle, ALICE, 3)
    refused(throttle, ALICE)
    clock.now_s = 3.0
    assert len(told(throttle)) == 1


# The state file cannot be written


def make_unwritable(state: StateDatabase) -> None:
    with state.connection() as connection:
        connection.execute("ALTER TABLE login_attempts RENAME TO gone")


def test_where_the_state_cannot_be_written_the_worker_counts_for_itself(
    state: StateDatabase, throttle: Throttle, clock: Clock
) -> None:
    make_unwritable(state)
    fail(throttle, ALICE, 3)
    assert refused(throttle, ALICE).is_first
    assert not refused(throttle, ALICE).is_first
    succeed(throttle, SOMEBODY_ELSE)
    clock.now_s += 61
    succeed(throttle, ALICE)
    assert len(told(throttle)) == 1


def test_the_state_is_counted_in_again_once_it_can_be(
    state: StateDatabase, throttle: Throttle, clock: Clock
) -> None:
    make_unwritable(state)
    fail(throttle, ALICE)
    with state.connection() as connection:
        connection.execute("ALTER TABLE gone RENAME TO login_attempts")
    clock.now_s += throttle_module.RETRY_STATE_S
    fail(throttle, ALICE, 3)
    refused(throttle, ALICE)
    refused(Throttle(state, per_name=3, per_address=5, clock=clock), ALICE)


def test_an_attempt_that_cannot_be_settled_counts_as_a_failure(
    state: StateDatabase, throttle: Throttle
) -> None:
    with throttle.attempt(ALICE):
        make_unwritable(state)
    with state.connection() as connection:
        connection.execute("ALTER TABLE gone RENAME TO login_attempts")
    fail(throttle, ALICE, 2)
    refused(throttle, ALICE)


# Fingerprints


@pytest.mark.parametrize("spelling", ["BOB", "ｂob", "b\u200bob", "bo b", "b\u0000ob", "bób"])
def test_spellings_that_a_directory_may_fold_have_one_fingerprint(spelling: str) -> None:
    assert Fingerprints("key").of(spelling) == Fingerprints("key").of("bob")


def test_a_fingerprint_needs_its_key() -> None:
    assert Fingerprints("key").of("bob") != Fingerprints("other").of("bob")
    assert "bob" not in Fingerprints("key").of("bob")


@pytest.mark.parametrize("letter", ["\u0301\u0316", "a", " ", "\ud800", "ﷺ"])
def test_a_megabyte_has_a_fingerprint_at_once(letter: str) -> None:
    text = letter * (1_000_000 // len(letter))
    assert least_cpu_s(lambda: Fingerprints("key").of(text)) < 0.5
