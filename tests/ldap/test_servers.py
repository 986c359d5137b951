"""Failover: one server is used until it fails, and failed servers are checked."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.embedded.slapd_process import wait_for
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.health_check import FailoverTimings
from mi_ldap.ldap.servers import AccountRefused, ServerBusy, Servers
from tests.stopwatch import within

QUICK = FailoverTimings(
    attempt_s=0.3, probe_s=0.3, first_pause_s=0.02, max_pause_s=0.05, preferred_pause_s=0.05
)
UP, SILENT = "up", "silent"


@dataclass
class World:
    """Servers that are there, refuse, or never answer; and who was asked, by whom."""

    states: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    probed: list[str] = field(default_factory=list)
    awake: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._others = set(threading.enumerate())

    def health_check_threads(self) -> list[threading.Thread]:
        """The threads that look after these servers."""
        since = set(threading.enumerate()) - self._others
        return [each for each in since if each.name == "directory-health-check"]

    def connect(self, url: str) -> str:
        self.asked.append(url)
        return self._answer(url)

    def probe(self, url: str) -> None:
        self.probed.append(url)
        self._answer(url)

    def _answer(self, url: str) -> str:
        state = self.states.get(url, UP)
        if state == SILENT:
            self.awake.wait(0.3)
            state = self.states.get(url, UP)
        if state == "strict":
            raise AccountRefused("not you")
        if state != UP:
            raise DirectoryUnavailable(state)
        return url


@pytest.fixture
def world() -> World:
    return World()


Make = Callable[..., Servers]


@pytest.fixture
def make(world: World) -> Iterator[Make]:
    """Makes servers in that world; no thread of theirs outlives the test."""
    made: list[Servers] = []

    def servers(*urls: str, timings: FailoverTimings = QUICK) -> Servers:
        made.append(Servers(lambda: urls, world.probe, timings))
        return made[-1]

    yield servers
    world.awake.set()
    for each in made:
        each.close()
    assert not world.health_check_threads()


def test_the_first_server_is_used_without_a_health_check_thread(world: World, make: Make) -> None:
    servers = make("a", "b")
    assert servers.current is None
    assert [servers.connected(world.connect) for _ in range(3)] == ["a"] * 3
    assert servers.is_current("a")
    assert not servers.is_current("b")
    assert not world.health_check_threads()
    assert world.probed == []


def test_after_a_failure_all_use_the_next_server(world: World, make: Make) -> None:
    servers = make("a", "b", timings=FailoverTimings(preferred_pause_s=60))
    world.states["a"] = "gone"
    with capture_logs() as said:
        assert [servers.connected(world.connect) for _ in range(3)] == ["b"] * 3
    assert world.asked == ["a", "b", "b", "b"]
    assert [line["event"] for line in said] == [
        "directory_server_chosen",
        "directory_server_lost",
        "directory_server_chosen",
    ]
    assert said[1]["server"] == "a"


def test_a_silent_server_costs_one_attempt_if_there_are_others(world: World, make: Make) -> None:
    servers = make("a", "b", timings=FailoverTimings(attempt_s=0.2, preferred_pause_s=60))

    def connect(url: str) -> str:
        if url == "a":
            with pytest.raises(TimeoutError):
                wait_for_nothing()
            raise DirectoryUnavailable
        return url

    began_s = time.monotonic()
    with within(0.2):
        assert servers.connected(connect) == "b"
    assert time.monotonic() - began_s > 0.1


def wait_for_nothing() -> None:
    time.sleep(remaining_s())
    raise TimeoutError


def test_failback_to_the_first_server(world: World, make: Make) -> None:
    servers = make("a", "b")
    world.states["a"] = "gone"
    assert servers.connected(world.connect) == "b"
    world.states["a"] = UP
    assert wait_for(lambda: servers.current == "a", 5)
    assert wait_for(lambda: not world.health_check_threads(), 5)
    assert servers.connected(world.connect) == "a"


def test_requests_fail_at_once_while_all_servers_have_failed(world: World, make: Make) -> None:
    servers = make(
        "a",
        "b",
        timings=FailoverTimings(attempt_s=0.3, probe_s=0.3, first_pause_s=60, max_pause_s=60),
    )
    world.states.update(a=SILENT, b=SILENT)
    with capture_logs() as said, suppress(DirectoryUnavailable):
        servers.connected(world.connect)
    assert [line["event"] for line in said].count("directory_down") == 1
    asked = len(world.asked)
    with ThreadPoolExecutor(8) as pool:
        for told in [pool.submit(servers.connected, world.connect) for _ in range(50)]:
            with pytest.raises(DirectoryUnavailable):
                told.result()
    assert len(world.asked) == asked


def test_recovery_is_detected_in_the_background_and_logged_once(world: World, make: Make) -> None:
    servers = make("a")
    world.states["a"] = "gone"
    with capture_logs() as said:
        with pytest.raises(DirectoryUnavailable, match="gone"):
            servers.connected(world.connect)
        assert wait_for(lambda: len(world.probed) > 3, 5)
        world.states["a"] = UP
        assert wait_for(lambda: servers.current == "a", 5)
    events = [line["event"] for line in said]
    assert events == [
        "directory_server_chosen",
        "directory_server_lost",
        "directory_down",
        "directory_back",
    ]
    assert servers.connected(world.connect) == "a"


def test_a_request_right_after_the_recovery_is_served(world: World, make: Make) -> None:
    servers = make("a", timings=FailoverTimings(first_pause_s=60, max_pause_s=60))
    world.states["a"] = "gone"
    with pytest.raises(DirectoryUnavailable):
        servers.connected(world.connect)
    assert wait_for(lambda: len(world.probed) > 0, 5)
    world.states["a"] = UP
    time.sleep(0.1)
    assert servers.connected(world.connect) == "a"


def test_wait_for_server_waits_for_the_recovery(world: World, make: Make) -> None:
    servers = make("a")
    world.states["a"] = "gone"
    threading.Timer(0.3, world.states.update, [{"a": UP}]).start()
    with deadline(5):
        assert servers.connected(world.connect, wait_for_server=True) == "a"


def test_wait_for_server_ends_at_the_deadline(world: World, make: Make) -> None:
    servers = make("a")
    world.states["a"] = "gone"
    with within(0.2), deadline(0.2), pytest.raises(DirectoryUnavailable):
        servers.connected(world.connect, wait_for_server=True)


def test_a_suspect_server_that_passes_the_check_is_kept(world: World, make: Make) -> None:
    servers = make("a", "b")
    servers.connected(world.connect)
    servers.suspect("a")
    assert servers.is_current("a")
    assert world.probed == ["a"]
    servers.suspect("a")
    servers.suspect("b")
    assert servers.connected(world.connect) == "a"
    assert world.probed == ["a"], "it was looked at just now"


def test_requests_wait_for_the_check_of_a_suspect_server(world: World, make: Make) -> None:
    servers = make("a", "b", timings=FailoverTimings(attempt_s=0.3, preferred_pause_s=60))
    servers.connected(world.connect)
    world.states["a"] = SILENT
    servers.suspect("a")
    assert not servers.is_current("a")
    assert servers.connected(world.connect) == "b"
    assert servers.is_failed("a")
    assert not servers.is_failed("b")


def test_a_silent_server_is_checked_early_only_if_there_are_others(
    world: World, make: Make
) -> None:
    alone, several = make("a"), make("b", "c")
    for servers in (alone, several):
        servers.connected(world.connect)
    assert not alone.is_failed("a")
    assert not several.is_failed("b")
    assert several.is_current("b")
    assert world.probed == ["b"]


def test_a_request_without_time_left_does_not_fail_the_server(world: World, make: Make) -> None:
    servers = make("a", "b")
    servers.connected(world.connect)
    world.states["a"] = SILENT
    with deadline(0.05), pytest.raises(DirectoryUnavailable):
        servers.connected(world.connect)
    world.states["a"] = UP
    world.awake.set()
    assert servers.is_current("a")


def test_a_server_that_refuses_the_account_has_not_failed(world: World, make: Make) -> None:
    servers = make("a", "b")
    world.states["a"] = "strict"
    for _ in range(2):
        with pytest.raises(AccountRefused):
            servers.connected(world.connect)
    assert servers.current == "a"


def test_a_recovered_server_that_refuses_the_account_is_used(world: World, make: Make) -> None:
    servers = make("a")
    world.states["a"] = "gone"
    with pytest.raises(DirectoryUnavailable):
        servers.connected(world.connect)
    world.states["a"] = "strict"
    assert wait_for(lambda: servers.current == "a", 5)
    with pytest.raises(AccountRefused):
        servers.connected(world.connect)


def test_the_most_specific_error_is_reported(world: World, make: Make) -> None:
    servers = make("a", "b", "c")
    plain = str(DirectoryUnavailable())
    world.states.update(a=plain, b="The certificate has expired.", c=plain)
    with pytest.raises(DirectoryUnavailable, match="expired"):
        servers.connected(world.connect)


def test_health_checks_end_when_unused(world: World, make: Make) -> None:
    servers = make("a", timings=FailoverTimings(first_pause_s=0.02, max_pause_s=0.02, idle_s=0.2))
    world.states["a"] = "gone"
    with pytest.raises(DirectoryUnavailable):
        servers.connected(world.connect)
    assert wait_for(lambda: not world.health_check_threads(), 5)
    world.states["a"] = UP
    time.sleep(0.1)
    assert servers.connected(world.connect) == "a"


def test_no_thread_runs_after_close(world: World, make: Make) -> None:
    servers = make("a", "b")
    world.states.update(a="gone", b="gone")
    with pytest.raises(DirectoryUnavailable):
        servers.connected(world.connect)
    assert world.health_check_threads()
    servers.close()
    assert not world.health_check_threads()
    with pytest.raises(DirectoryUnavailable):
        servers.connected(world.connect)
    servers.suspect("a")
    assert not world.health_check_threads()


def test_addresses_are_resolved_again_when_all_servers_have_failed(world: World) -> None:
    known = [("a",), ("a", "b")]
    servers = Servers(lambda: known.pop(0) if len(known) > 1 else known[0], world.probe, QUICK)
    world.states["a"] = "gone"
    with pytest.raises(DirectoryUnavailable):
        servers.connected(world.connect)
    assert wait_for(lambda: servers.current == "b", 5)
    servers.close()


def test_addresses_are_resolved_again_while_none_is_known(world: World) -> None:
    known: list[tuple[str, ...]] = []

    def addresses() -> tuple[str, ...]:
        if not known:
            raise DirectoryUnavailable("no records")
        return known[0]

    servers = Servers(addresses, world.probe, QUICK)
    for _ in range(2):
        with pytest.raises(DirectoryUnavailable, match="no records"):
            servers.connected(world.connect)
    known.append(("a",))
    assert wait_for(lambda: servers.current == "a", 5)
    assert servers.connected(world.connect) == "a"
    servers.close()


@pytest.mark.parametrize("kind", [KeyError, TypeError, RuntimeError, MemoryError])
def test_the_thread_survives_any_exception_of_a_check(world: World, kind: type[Exception]) -> None:
    faults = [kind("unforeseen"), kind("unforeseen"), kind("unforeseen")]

    def probe(url: str) -> None:
        if faults:
            raise faults.pop()
        world.probe(url)

    servers = Servers(lambda: ("a",), probe, QUICK)
    world.states["a"] = "gone"
    with capture_logs() as said:
        with pytest.raises(DirectoryUnavailable):
            servers.connected(world.connect)
        world.states["a"] = UP
        assert wait_for(lambda: servers.current == "a", 5)
    servers.close()
    assert "directory_health_check_failed" in [line["event"] for line in said]
    assert not faults


def test_a_suspicion_ends_with_any_exception_of_a_check(world: World) -> None:
    def probe(url: str) -> None:
        raise KeyError(url)

    servers = Servers(lambda: ("a", "b"), probe, QUICK)
    servers.connected(world.connect)
    with within(0), capture_logs():
        servers.suspect("a")
        assert servers.connected(world.connect) == "b"
    servers.close()


def test_servers_closed_before_a_fork_are_checked_in_the_child(world: World, make: Make) -> None:
    """So do the workers, whose parent has closed all that was open."""
    servers = make("a")
    servers.close()

    def find_it_again() -> None:
        world.states["a"] = "gone"
        with suppress(DirectoryUnavailable):
            servers.connected(world.connect)
        world.states["a"] = UP
        os._exit(0 if wait_for(lambda: servers.current == "a", 5) else 1)

    child = multiprocessing.get_context("fork").Process(target=find_it_again)
    child.start()
    child.join(10)
    assert child.exitcode == 0


# A server that is far away, or busy


FAR_S = 0.4


@dataclass
class Slow(World):
    """Every server takes longer than one of several may when it is near."""

    held_back: threading.Lock = field(default_factory=threading.Lock)

    def _answer(self, url: str) -> str:
        with self.held_back:
            pass
        if remaining_s() < FAR_S:
            time.sleep(remaining_s())
            raise DirectoryUnavailable("too slow")
        time.sleep(FAR_S)
        return super()._answer(url)


def test_the_only_server_stays_in_use_while_it_is_suspect(make: Make) -> None:
    world = Slow()
    servers = Servers(
        lambda: ("a",), world.probe, FailoverTimings(attempt_s=0.1, single_server_s=5)
    )
    assert servers.connected(world.connect) == "a"
    with world.held_back, within(0):
        servers.suspect("a")
        assert servers.is_current("a")
    assert wait_for(lambda: world.probed == ["a"], 5)
    time.sleep(2 * FAR_S)
    assert servers.is_current("a")
    servers.close()


def test_the_only_server_has_not_failed_while_it_answers_others(world: World) -> None:
    def probe(url: str) -> None:
        world.probed.append(url)
        time.sleep(0.1)
        servers.note_answer(url)
        raise DirectoryUnavailable("too slow")

    servers = Servers(lambda: ("a",), probe, QUICK)
    servers.connected(world.connect)
    servers.suspect("a")
    assert wait_for(lambda: world.probed == ["a"], 5)
    time.sleep(0.3)
    assert servers.is_current("a")
    servers.close()


def test_distant_servers_get_longer_timeouts() -> None:
    world = Slow()
    timings = FailoverTimings(
        attempt_s=0.1, probe_s=0.1, single_server_s=5, first_pause_s=0.02, max_pause_s=0.05
    )
    servers = Servers(lambda: ("a", "b"), world.probe, timings)
    with suppress(DirectoryUnavailable), deadline(5):
        servers.connected(world.connect)
    assert wait_for(lambda: servers.current is not None, 10)
    current = servers.current
    assert current is not None
    with deadline(5):
        for _ in range(3):
            assert servers.connected(world.connect) == current
        servers.suspect(current)
        assert servers.connected(world.connect) == current
    servers.close()


def test_the_only_server_has_not_failed_while_it_is_busy(world: World, make: Make) -> None:
    def connect(url: str) -> str:
        raise ServerBusy("busy")

    alone, several = make("a"), make("a", "b")
    for _ in range(2):
        with pytest.raises(ServerBusy):
            alone.connected(connect)
    assert alone.current == "a"
    assert several.connected(lambda url: connect(url) if url == "a" else url) == "b"
