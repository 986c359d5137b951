"""Which host of a database new connections go to, and who tries one that has failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.sql import hosts as hosts_module
from mi_ldap.sql.database_errors import DatabaseUnavailable
from mi_ldap.sql.hosts import Host, Hosts
from tests.until import until

ONE, TWO = ("one", 1), ("two", 2)


@dataclass
class World:
    """Hosts that work, refuse, or take connections and are silent."""

    down: set[Host] = field(default_factory=set)
    silent: set[Host] = field(default_factory=set)
    asked: list[Host] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def connect(self, host: Host, timeout_s: float) -> str:
        self.asked.append(host)
        has_answer = host not in self.silent or self.answers.wait(timeout_s)
        if not has_answer or host in self.down:
            raise DatabaseUnavailable("refused")
        return f"connection to {host[0]}"

    def hosts(self, *found: Host) -> Hosts:
        return Hosts(found, self.connect, timeout_s=10)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    passed_s = 0.0

    def add(seconds: float) -> None:
        nonlocal passed_s
        passed_s += seconds

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + passed_s

    monkeypatch.setattr(hosts_module, "time", Clock)
    return add


def refused(hosts: Hosts) -> bool:
    try:
        hosts.connect()
    except DatabaseUnavailable:
        return True
    return False


def test_a_host_that_failed_is_not_tried_for_a_second(
    world: World, pass_time: Callable[[float], None]
) -> None:
    hosts = world.hosts(ONE)
    world.down.add(ONE)
    assert [refused(hosts) for _ in range(3)] == [True] * 3
    assert world.asked == [ONE]
    assert hosts.have_failed()
    pass_time(1.1)
    world.down.clear()
    assert hosts.connect() == ("connection to one", ONE)
    assert not hosts.have_failed()


def test_one_request_at_a_time_tries_a_host_that_failed(
    world: World, pass_time: Callable[[float], None]
) -> None:
    hosts = world.hosts(ONE)
    world.down.add(ONE)
    assert refused(hosts)
    world.silent.add(ONE)
    for number in (2, 3):  # also when the retry has failed, too
        pass_time(1.1)
        with ThreadPoolExecutor(1) as pool:
            retry = pool.submit(refused, hosts)
            until(lambda number=number: len(world.asked) == number)  # type: ignore[misc]
            assert refused(hosts)
            assert len(world.asked) == number
            world.answers.set()
            assert retry.result()
        world.answers.clear()


def test_the_next_host_is_used_while_a_request_tries_the_first(
    world: World, pass_time: Callable[[float], None]
) -> None:
    hosts = world.hosts(ONE, TWO)
    world.down.add(ONE)
    assert hosts.connect()[1] == TWO
    assert not hosts.have_failed()
    world.silent.add(ONE)
    pass_time(1.1)
    with ThreadPoolExecutor(1) as pool:
        retry = pool.submit(hosts.connect)
        until(lambda: world.asked.count(ONE) == 2)
        assert hosts.connect()[1] == TWO
        world.down.clear()
        world.answers.set()
        assert retry.result()[1] == ONE


def test_requests_connect_at_once_to_a_host_that_has_not_failed(world: World) -> None:
    hosts = world.hosts(ONE)
    world.silent.add(ONE)
    with ThreadPoolExecutor(4) as pool:
        connecting = [pool.submit(hosts.connect) for _ in range(4)]
        until(lambda: len(world.asked) == 4)
        world.answers.set()
        assert {each.result()[1] for each in connecting} == {ONE}


def test_a_request_with_little_time_does_not_make_a_slow_host_fail(world: World) -> None:
    hosts = world.hosts(ONE)
    world.silent.add(ONE)
    with deadline(0.05):
        assert refused(hosts)
    assert not hosts.have_failed()
    world.answers.set()
    assert hosts.connect()[1] == ONE
    world.answers.clear()
    with deadline(0.05):
        assert refused(hosts)
    assert not hosts.have_failed()
    with deadline(0.05):
        assert refused(hosts)
    assert hosts.have_failed()


def test_a_request_with_little_time_finds_that_a_host_refuses(world: World) -> None:
    hosts = world.hosts(ONE)
    world.down.add(ONE)
    with deadline(0.05):
        assert refused(hosts)
    assert hosts.have_failed()


def test_nothing_is_tried_without_time(world: World) -> None:
    with deadline(0):
        assert refused(world.hosts(ONE))
    assert world.asked == []
