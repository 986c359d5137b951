"""Requests that wait for the same list share one read of it, and never get one that is too old."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.directory.reads.shared_reads import SharedReads
from mi_ldap.errors import DirectoryUnavailable
from tests.stopwatch import within
from tests.until import until


class Directory:
    """A number that grows, whose reading takes time."""

    def __init__(self, takes_s: float = 0.02) -> None:
        self.takes_s, self.number, self.reads, self.at_once = takes_s, 0, 0, 0
        self.failing = 0
        self.may_answer = threading.Event()

    def read(self) -> int:
        self.reads += 1
        self.at_once += 1
        try:
            found = self.number  # what changes after this is not in the result
            self.may_answer.wait(self.takes_s)
            if self.failing:
                self.failing -= 1
                raise DirectoryUnavailable
            assert self.at_once == 1
            return found
        finally:
            self.at_once -= 1


def test_a_result_has_every_change_that_was_made_before_the_request() -> None:
    directory, shared = Directory(takes_s=0.003), SharedReads[int]()
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            directory.number += 1
            time.sleep(0.0005)

    def ask(seed: int) -> int:
        chance = random.Random(seed)
        for _ in range(40):
            time.sleep(chance.random() / 200)
            least = directory.number
            with deadline(5):
                assert shared.get("users", directory.read) >= least
        return 40

    changing = threading.Thread(target=change)
    changing.start()
    with ThreadPoolExecutor(8) as pool:
        asked = sum(pool.map(ask, range(8)))
    over.set()
    changing.join()
    assert directory.reads < asked


def test_sixteen_requests_at_once_are_two_reads() -> None:
    directory, shared = Directory(takes_s=0.5), SharedReads[int]()
    with ThreadPoolExecutor(16) as pool:
        results = [*pool.map(lambda _: shared.get("users", directory.read), range(16))]
    assert results == [0] * 16
    assert directory.reads <= 2


def test_different_keys_are_read_separately() -> None:
    shared = SharedReads[int]()
    assert (shared.get("a", lambda: 1), shared.get("b", lambda: 2)) == (1, 2)


def test_a_failed_read_fails_its_own_request_alone() -> None:
    directory, shared = Directory(takes_s=0.05), SharedReads[int]()
    directory.failing = 2

    def ask(_: int) -> int | None:
        try:
            return shared.get("users", directory.read)
        except DirectoryUnavailable:
            return None

    with ThreadPoolExecutor(8) as pool:
        results = [*pool.map(ask, range(8))]
    assert (results.count(None), results.count(0)) == (2, 6)


def test_a_request_waits_no_longer_than_its_time() -> None:
    directory, shared = Directory(takes_s=10), SharedReads[int]()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(shared.get, "users", directory.read)
        until(lambda: directory.reads == 1)
        # One that would read next and gives up, and one that waits for it with more time left.
        in_time = pytest.raises(DirectoryUnavailable, match="in time")
        with within(0.1), deadline(0.1), in_time:
            shared.get("users", directory.read)
        directory.may_answer.set()
        second = pool.submit(shared.get, "users", directory.read)
        assert (first.result(), second.result()) == (0, 0)
    assert not shared._running
    assert not shared._next


def test_who_waits_for_one_that_gives_up_reads_by_itself() -> None:
    directory, shared = Directory(takes_s=0.3), SharedReads[int]()

    def hasty() -> None:
        with deadline(0.1), pytest.raises(DirectoryUnavailable):
            shared.get("users", directory.read)

    with ThreadPoolExecutor(4) as pool:
        pool.submit(shared.get, "users", directory.read)
        until(lambda: directory.reads == 1)
        giving_up = pool.submit(hasty)
        time.sleep(0.02)
        waiting = pool.submit(shared.get, "users", directory.read)
        giving_up.result()
        assert waiting.result() == 0
