"""A directory that dies, hangs or refuses: 503 in time, never a wrong answer, then recovery."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.embedded.slapd_process import wait_for
from tests.service import Answer, Caller, Service, environment, free_port, local, running
from tests.soundness import Picture, look_at
from tests.stopwatch import STALL_S, within
from tests.subtree import Subtree, Tool, host_of

PASSWORD = "correct horse"
DEADLINE_S = 1.0


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    """A directory of the test's own, to be mistreated."""
    with EmbeddedDirectory(tmp_path / "directory") as directory:
        yield directory


@pytest.fixture
def place(directory: EmbeddedDirectory) -> Subtree:
    """People and groups in it."""
    with tool_at(directory) as tool:
        place = Subtree(host_of(directory), tool)
        for base_dn in (place.user_base, place.group_base):
            tool.add(base_dn, ["organizationalUnit"], ou=place.name)
    return place


@contextmanager
def tool_at(directory: EmbeddedDirectory) -> Iterator[Tool]:
    """Another tool, for as long as the directory lives."""
    tool = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
    try:
        yield tool
    finally:
        tool.close()


def look(directory: EmbeddedDirectory, place: Subtree, *, links: bool = True) -> Picture:
    """What is there after all that; nothing that is half made."""
    with tool_at(directory) as tool:
        return look_at(replace(place, tool=tool), crashed=True, links=links)


@dataclass
class Writer:
    """A client that makes users and gives them a role, one after the other."""

    service: Service
    token: str
    name: str
    stop: Event
    answers: dict[str, list[int]] = field(default_factory=dict)

    def __call__(self) -> None:
        with self.service.caller() as call:
            for number in count():
                if self.stop.is_set():
                    return
                name = f"{self.name}{number}"
                user = {"userId": name, "password": PASSWORD, "isAdmin": number % 2 == 0}
                role = {"userId": name, "addedRoles": ["dev"]}
                said = [call("POST", "/users", user, token=self.token).status]
                if said == [200]:
                    said.append(call("PUT", "/roles", role, token=self.token).status)
                self.answers[name] = said


def test_a_directory_killed_amid_writes_has_all_that_was_answered(
    directory: EmbeddedDirectory, place: Subtree, tmp_path: Path
) -> None:
    env = environment(tmp_path / "state", place)
    with running(env) as service, service.caller() as call:
        token = call.login("root", PASSWORD)
        assert call("POST", "/roles", {"role": "dev"}, token=token).status == 200
        writers = [Writer(service, token, f"writer{each}-", Event()) for each in range(4)]
        with ThreadPoolExecutor(4) as pool:
            running_writers = [pool.submit(writer) for writer in writers]
            for _ in range(2):
                wait_until_written(writers, 3)
                kill(directory)
                directory.start()
            wait_until_written(writers, 3)
            for writer in writers:
                writer.stop.set()
            for each in running_writers:
                each.result()
        answers = {name: said for writer in writers for name, said in writer.answers.items()}
        assert_all_is_there(call, look(directory, place, links=False), answers)


def wait_until_written(writers: list[Writer], more: int) -> None:
    """Until each has made so many more users."""

    def made() -> list[int]:
        return [sum(said == [200, 200] for said in [*w.answers.values()]) for w in writers]

    before = made()
    assert wait_for(lambda: all(b - a >= more for a, b in zip(before, made(), strict=True)), 15)


def kill(directory: EmbeddedDirectory) -> None:
    assert directory.pid is not None
    os.kill(directory.pid, signal.SIGKILL)
    assert wait_for(lambda: not directory.is_running(), 5)


def assert_all_is_there(call: Caller, after: Picture, answers: dict[str, list[int]]) -> None:
    for name, said in answers.items():
        assert set(said) <= {200, 503}, (name, said)
        if said[0] == 200:
            assert after.users[name].has_password, name
        if said == [200, 200]:
            assert "dev" in after.roles_of(name), name
    whole = [name for name, said in answers.items() if said == [200, 200]]
    assert call("GET", "/login", basic=f"{whole[-1]}:{PASSWORD}").status == 200
    assert any(503 in said for said in answers.values()), "nobody has noticed"


@pytest.fixture
def service(place: Subtree, tmp_path: Path) -> Iterator[Service]:
    """A service with little time for each request."""
    env = environment(tmp_path / "state", place, server__request_deadline_s=DEADLINE_S)
    with running(env) as service:
        yield service


@contextmanager
def stopped(directory: EmbeddedDirectory) -> Iterator[None]:
    """It is there, and does nothing."""
    assert directory.pid is not None
    os.kill(directory.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(directory.pid, signal.SIGCONT)


def assert_in_time(answer: Answer, since_s: float) -> None:
    assert answer.status == 503, answer
    assert int(answer.headers["Retry-After"]) >= 1
    assert set(answer.json) == {"Error"}
    assert time.monotonic() - since_s < DEADLINE_S + STALL_S


def test_a_directory_that_hangs_is_no_wrong_password_and_recovers_by_itself(
    directory: EmbeddedDirectory, place: Subtree, service: Service
) -> None:
    with service.caller() as call:
        token = call.login("root", PASSWORD)
        for name in ("alice", "bob"):
            user = {"userId": name, "password": PASSWORD}
            assert call("POST", "/users", user, token=token).status == 200
    wanted = {"newPassword": "another horse", "confirmPassword": "another horse"}
    requests: list[tuple[str, str, object]] = [
        ("GET", "/users", None),
        ("POST", "/users", {"userId": "carol", "password": PASSWORD, "isAdmin": True}),
        ("DELETE", "/users/bob", None),
        ("PATCH", "/users/alice", wanted),
        ("PUT", "/roles", {"userId": "alice", "addedRoles": ["admin"]}),
        ("GET", "/logout", None),
    ]
    with stopped(directory), ThreadPoolExecutor(8) as pool:
        since_s = time.monotonic()
        logins = [pool.submit(log_in, service, f"root:{each}") for each in (PASSWORD, "wrong")]
        asked = [pool.submit(ask, service, token, *request) for request in requests]
        for answer in (each.result() for each in logins + asked):
            assert_in_time(answer, since_s)
        with service.caller() as call:
            assert call.ask("GET", "/health").status == 200
            assert call("GET", "").status == 200
            since_s = time.monotonic()
            assert_in_time(call.ask("GET", "/ready"), since_s)
    with service.caller() as call:
        assert wait_for(lambda: call.ask("GET", "/ready").status == 200, 2 + STALL_S)
        assert call("GET", "/users", token=call.login("root", PASSWORD)).status == 200
        assert log_in(service, "root:wrong").status == 401
    # What had been sent already may have been done: whole, or not at all.
    after = look(directory, place)
    assert "carol" not in after.admins or after.users["carol"].has_password


def log_in(service: Service, credentials: str) -> Answer:
    with service.caller() as call:
        return call("GET", "/login", basic=credentials)


def ask(service: Service, token: str, method: str, path: str, body: object) -> Answer:
    with service.caller() as call:
        return call(method, path, body, token=token)


@pytest.mark.parametrize(
    ("decisive", "which"),
    [("add", 2), ("modify", 1)],
    ids=["last operation", "first operation"],
)
def test_a_first_admin_whose_making_is_not_answered_is_made_whole_or_not_at_all(
    directory: EmbeddedDirectory,
    place: Subtree,
    tmp_path: Path,
    decisive: str,
    which: int,
) -> None:
    """The directory hangs just as it is told to make it, and comes back while that is undone."""
    left = [which]

    def hang_at_the_decisive_one(operation: str) -> None:
        left[0] -= operation == decisive
        if left[0] == 0 and directory.pid is not None:
            left[0] = -1000
            os.kill(directory.pid, signal.SIGSTOP)
            threading.Timer(DEADLINE_S + 0.3, os.kill, (directory.pid, signal.SIGCONT)).start()

    settings = place.settings(tmp_path, SERVER__REQUEST_DEADLINE_S=str(DEADLINE_S))
    with local(settings, observe=hang_at_the_decisive_one) as call:
        answer = call("GET", "/login", basic=f"root:{PASSWORD}")
        assert (answer.status, left[0] < 0) == (503, True), answer
        after = look(directory, place)
        assert list(after.admins) in (["root"], [])
        assert set(after.users) == set(after.admins)
        assert call("GET", "/users", token=call.login("root", PASSWORD)).status == 200
        assert list(look(directory, place).admins) == ["root"]


def test_a_service_may_start_before_its_directory(
    directory: EmbeddedDirectory, place: Subtree, tmp_path: Path
) -> None:
    directory.stop()
    with running(environment(tmp_path / "state", place)) as service, service.caller() as call:
        assert call.ask("GET", "/health").status == 200
        for path in ("/ready", "/management/login", "/management/users"):
            answer = call.ask("GET", path, basic=f"root:{PASSWORD}")
            wanted = 401 if path.endswith("users") else 503
            assert answer.status == wanted, (path, answer)
        directory.start()
        assert wait_for(lambda: call.ask("GET", "/ready").status == 200, 5)
        token = call.login("root", PASSWORD)
        assert call("GET", "/users", token=token).json["count"] == 1


def test_a_wrong_service_password_is_an_outage_and_stays_secret(
    place: Subtree, tmp_path: Path
) -> None:
    wrong = "not-the-password-of-the-service"
    env = environment(tmp_path / "state", place, user_store__connection_password=wrong)
    with running(env) as service, service.caller() as call:
        assert call.ask("GET", "/ready").status == 503
        answer = call("GET", "/login", basic=f"root:{PASSWORD}")
        assert (answer.status, "own account" in answer.json["Error"]) == (503, True), answer
        said = service.log.read_text()
        assert "directory_account_refused" in said
        assert wrong not in said


def test_a_restart_between_two_requests_is_not_noticed(
    directory: EmbeddedDirectory, place: Subtree, tmp_path: Path
) -> None:
    with local(place.settings(tmp_path)) as call:
        token = call.login("root", PASSWORD)
        for _ in range(3):
            directory.stop()
            directory.start()
            assert call("GET", "/users", token=token).status == 200
            assert call.login("root", PASSWORD)


def test_connections_that_the_server_drops_when_idle_are_replaced(
    directory: EmbeddedDirectory, place: Subtree, tmp_path: Path
) -> None:
    with tool_at(directory) as tool, local(place.settings(tmp_path)) as call:
        tool.replace("cn=config", olcIdleTimeout="1")
        token = call.login("root", PASSWORD)
        assert connections_of_service(directory, tool) >= 1
        assert wait_for(lambda: connections_of_service(directory, tool) == 0, 5)
        assert call("GET", "/users", token=token).status == 200
        assert call.login("root", PASSWORD)


def test_fifty_requests_at_once_share_two_connections(
    directory: EmbeddedDirectory, place: Subtree, tmp_path: Path
) -> None:
    env = environment(tmp_path / "state", place, user_store__pool_size=2, server__threads=16)
    with running(env) as service:
        with service.caller() as call:
            token = call.login("root", PASSWORD)
        with ThreadPoolExecutor(50) as pool:
            some = partial(ask, service, token, "GET", "/users", None)
            asked = [pool.submit(some) for _ in range(40)]
            logins = [pool.submit(log_in, service, f"root:{PASSWORD}") for _ in range(10)]
            assert {each.result().status for each in asked + logins} == {200}
        with tool_at(directory) as tool:
            # One more is the supervisor's, which has looked whether there is an admin.
            assert connections_of_service(directory, tool) <= 2 + 1


def connections_of_service(directory: EmbeddedDirectory, tool: Tool) -> int:
    """How many connections its account holds, as slapd's monitor tells."""
    open_now = tool.read_below("cn=Connections,cn=Monitor", "monitorConnectionAuthzDN")
    whose = [dn for entry in open_now.values() for dn in entry["monitorConnectionAuthzDN"]]
    return whose.count(directory.service_dn)


def test_nobody_listens_and_nobody_waits(tmp_path: Path, place: Subtree) -> None:
    url = f"ldap://127.0.0.1:{free_port()}"
    with local(place.settings(tmp_path, USER_STORE__CONNECTION_URL=url)) as call, within(0.5):
        assert call("GET", "/login", basic=f"root:{PASSWORD}").status == 503
