"""Two servers of one directory: one is used until it fails, then the other, and back again."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.embedded.slapd_process import wait_for
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import connection_pool
from mi_ldap.ldap.health_check import FailoverTimings
from mi_ldap.wiring import services
from tests.service import environment, running
from tests.stopwatch import seconds, within
from tests.subtree import Subtree, Tool, host_of

PASSWORD = "correct horse"


@dataclass
class Server:
    """One of the two. They don't replicate: who is found tells which one was asked."""

    directory: EmbeddedDirectory
    place: Subtree

    @property
    def pid(self) -> int:
        assert self.directory.pid is not None
        return self.directory.pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert wait_for(lambda: not self.directory.is_running(), 5)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It is there, and does nothing."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@dataclass
class Pair:
    first: Server
    second: Server

    @property
    def place(self) -> Subtree:
        """What a service is told, with both addresses."""
        place = self.first.place
        urls = " ".join(dict.fromkeys([place.host.url, self.second.place.host.url]))
        return replace(place, host=replace(place.host, url=urls))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two servers with the same account, and in each a user of its own: `first`, `second`."""
    with ExitStack() as stack:
        first = stack.enter_context(EmbeddedDirectory(tmp_path / "one"))
        second = stack.enter_context(EmbeddedDirectory(tmp_path / "two"))
        own = first.read_service_password()
        tool = Tool(second.url, second.manager_dn, second.read_manager_password())
        tool.replace(second.service_dn, userPassword=own)
        tool.close()
        second.service_password_file.write_text(own)
        one = prepared(first, "first", "place")
        host = replace(host_of(second), account=(second.service_dn, own))
        two = prepared(second, "second", "place")
        yield Pair(Server(first, one), Server(second, replace(two, host=host)))


def prepared(directory: EmbeddedDirectory, user: str, name: str) -> Subtree:
    tool = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
    place = Subtree(host_of(directory), tool, name)
    for base_dn in (place.user_base, place.group_base):
        tool.add(base_dn, ["organizationalUnit"], ou=place.name)
    place.add_user(user, PASSWORD)
    tool.close()
    return place


@pytest.fixture(autouse=True)
def quick_return(monkeypatch: pytest.MonkeyPatch) -> None:
    """A better server is looked for more often than in earnest."""
    monkeypatch.setattr(
        connection_pool, "FailoverTimings", partial(FailoverTimings, preferred_pause_s=0.4)
    )


@contextmanager
def opened(pair: Pair, folder: Path, said: Counter[str] | None = None) -> Iterator[DirectoryStore]:
    """A store on both; `said` counts its LDAP operations. Nothing of it outlives the block."""
    before = set(threading.enumerate())
    observe = said.update if said is not None else Counter[str]().update
    found = services(pair.place.settings(folder), observe=lambda name: observe([name]))
    assert isinstance(found.store, DirectoryStore)
    try:
        yield found.store
    finally:
        found.state.close()
        found.audit.close()
        found.store.close()
    left = [each for each in set(threading.enumerate()) - before if "lookout" in each.name]
    assert not left


def which(store: DirectoryStore) -> str:
    """The server that was asked."""
    return "first" if store.find_user("first") else "second"


def least_s_until_second(store: DirectoryStore) -> float:
    """The least time that one of three requests takes; all go to the second server."""

    def ask() -> None:
        assert which(store) == "second"

    return min(seconds(ask) for _ in range(3))


def test_one_is_kept_for_everything(pair: Pair, tmp_path: Path) -> None:
    with opened(pair, tmp_path) as store, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(which, store) for _ in range(100)]
        assert {each.result() for each in asked} == {"first"}
        user = store.find_user("first")
        assert user is not None
        store.authenticate(user, PASSWORD)


def test_a_server_that_is_killed_costs_no_request(pair: Pair, tmp_path: Path) -> None:
    with opened(pair, tmp_path) as store:
        assert which(store) == "first"
        pair.first.kill()
        with within(1):
            assert which(store) == "second"
        user = store.find_user("second")
        assert user is not None
        store.authenticate(user, PASSWORD)


def test_a_server_that_hangs_costs_those_who_wait_for_it(pair: Pair, tmp_path: Path) -> None:
    with opened(pair, tmp_path) as store, ThreadPoolExecutor(8) as pool:
        assert which(store) == "first"
        with pair.first.stopped():
            with within(1):
                for each in [pool.submit(which, store) for _ in range(8)]:
                    with suppress(DirectoryUnavailable):
                        assert each.result() == "second"
            assert least_s_until_second(store) < 0.5


def test_a_black_hole_costs_one_attempt(pair: Pair, tmp_path: Path) -> None:
    with black_hole() as url:
        holed = replace(pair.first.place, host=replace(pair.first.place.host, url=url))
        with opened(Pair(replace(pair.first, place=holed), pair.second), tmp_path) as store:
            with within(1):
                assert which(store) == "second"
            assert least_s_until_second(store) < 0.5


@contextmanager
def black_hole() -> Iterator[str]:
    """An address at which no connection is ever made: its queue is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listening.getsockname())
        yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"


def test_it_returns_by_itself_and_session_by_session(pair: Pair, tmp_path: Path) -> None:
    said: Counter[str] = Counter()
    with opened(pair, tmp_path, said) as store:
        assert which(store) == "first"
        pair.first.kill()
        assert which(store) == "second"
        pair.first.directory.start()
        assert wait_for(lambda: which(store) == "first", 10)
        said.clear()
        assert [which(store) for _ in range(20)] == ["first"] * 20
        assert said["bind"] <= 1, "one session was enough"


def test_while_both_are_down_everybody_is_told_at_once(pair: Pair, tmp_path: Path) -> None:
    with opened(pair, tmp_path) as store:
        assert which(store) == "first"
        with pair.first.stopped(), pair.second.stopped():
            with deadline(5), pytest.raises(DirectoryUnavailable):
                which(store)
            wait_until_told_at_once(store)

            def ask() -> None:
                with pytest.raises(DirectoryUnavailable):
                    which(store)

            assert median(seconds(ask) for _ in range(20)) < 0.5
        assert wait_for(partial(is_answering, store), 10)


def wait_until_told_at_once(store: DirectoryStore) -> None:
    def is_told() -> bool:
        return seconds(lambda: is_answering(store)) < 0.1

    assert wait_for(is_told, 15)


def is_answering(store: DirectoryStore) -> bool:
    try:
        with deadline(5):
            which(store)
    except DirectoryUnavailable:
        return False
    return True


def test_both_killed_and_one_back(pair: Pair, tmp_path: Path) -> None:
    with opened(pair, tmp_path) as store:
        assert which(store) == "first"
        pair.first.kill()
        pair.second.kill()
        assert not is_answering(store)
        pair.second.directory.start()
        assert wait_for(partial(is_answering, store), 5)
        assert which(store) == "second"


def test_a_write_is_never_sent_twice(pair: Pair, tmp_path: Path) -> None:
    said: Counter[str] = Counter()
    with opened(pair, tmp_path, said) as store:
        assert which(store) == "first"
        with pair.first.stopped():
            with deadline(5), pytest.raises(DirectoryUnavailable):
                store.create_user("carol")
            assert said["add"] == 1
            assert which(store) == "second"
            assert store.find_user("carol") is None
    tool = Tool(pair.second.directory.url, *pair.second.place.host.tool)
    assert not tool.exists(pair.second.place.user_dn("carol"))
    tool.close()


def test_a_service_under_load_loses_few_requests(pair: Pair, tmp_path: Path) -> None:
    """Eight clients; who is in flight when a server is killed may be told to try again."""
    env = environment(tmp_path / "state", pair.place)
    url = pair.first.directory.url
    with running(env) as service:
        over, statuses = threading.Event(), list[int]()

        def ask() -> None:
            with service.caller() as call:
                while not over.is_set():
                    statuses.append(call.ask("GET", "/ready").status)

        with ThreadPoolExecutor(8) as pool:
            asking = [pool.submit(ask) for _ in range(8)]
            assert wait_for(lambda: len(statuses) > 50, 10)
            pair.first.kill()
            before = len(statuses)
            assert wait_for(lambda: statuses[before:].count(200) > 100, 10)
            over.set()
            for each in asking:
                each.result()
        assert set(statuses) <= {200, 503}
        assert statuses.count(503) <= 16
        logged = [line for line in service.log.read_text().splitlines() if line.startswith("{")]
        lines = map(json.loads, logged)
        events = Counter(line["event"] for line in lines if line.get("server") == url)
        # Each process that had chosen the server loses it, and says so once.
        assert 1 <= events["directory_server_lost"] <= events["directory_server_chosen"]


def test_a_single_directory_that_is_down_is_no_burden_and_recovers(
    pair: Pair, tmp_path: Path
) -> None:
    with opened(Pair(pair.first, pair.first), tmp_path) as store:
        assert which(store) == "first"
        pair.first.kill()

        def ask() -> None:
            assert not is_answering(store)

        assert median(seconds(ask) for _ in range(20)) < 1
        pair.first.directory.start()
        assert wait_for(partial(is_answering, store), 5)
