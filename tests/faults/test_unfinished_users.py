"""A user whose creation was cut off: found by nothing, and in nobody's way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from mi_ldap import account_state
from mi_ldap.directory.writes.creation_locks import CreationLocks
from mi_ldap.errors import UserExists
from mi_ldap.store import RenewEpoch
from tests.faults.steps import NEW, OLD, Request, Stage, creation, stage_in
from tests.faults.test_crashes import kill_before
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY, DS389, PLAIN_OPENLDAP, Kind
from tests.machines import machines_at
from tests.subtree import Subtree

NAME = "dora"


@pytest.fixture
def stage(subtree: Subtree, tmp_path: Path) -> Iterator[Stage]:
    with stage_in(subtree, tmp_path) as stage:
        yield stage


def leave_unfinished(stage: Stage, operation: int, name: str = NAME) -> None:
    """Kill a creation before that change of the directory: 2 the password, 3 what finishes it."""
    request = creation(name, is_admin=False)
    assert kill_before(operation, stage.settings, partial(stage.send, request))
    assert "unfinished" in stage.state_of(name)


@pytest.mark.parametrize("operation", [2, 3], ids=["no password", "password"])
@pytest.mark.parametrize("limit", ["0", "1000"], ids=["without memory", "with memory"])
def test_nothing_finds_an_unfinished_user(
    subtree: Subtree, tmp_path: Path, operation: int, limit: str
) -> None:
    with stage_in(subtree, tmp_path, USER_STORE__INDEX_LIMIT=limit) as stage:
        stage.assign("boss", "dev")
        leave_unfinished(stage, operation)
        subtree.tool.add_values(f"cn=dev,{subtree.group_base}", member=[subtree.user_dn(NAME)])
        get = partial(Request, "GET")
        for query in ("", "?pattern=*", f"?searchKey={NAME}", "?role=dev", "?limit=10&offset=0"):
            shown = stage.send(get(f"/users{query}")).json
            assert NAME not in {each["userId"] for each in shown["list"]}, query
            assert shown["count"] == len(shown["list"]), query
        assert stage.send(get("/roles/dev")).json["users"] == ["boss"]
        assert stage.send(get(f"/users/{NAME}")).status == 404
        assert stage.call("GET", "/login", basic=f"{NAME}:{OLD}").status == 401
        for role in ("dev", "admin"):
            body = {"userId": NAME, "addedRoles": [role]}
            assert stage.send(Request("PUT", "/roles", body)).status == 404
        assert stage.send(Request("DELETE", f"/users/{NAME}")).status == 404
        passwords = {"newPassword": NEW, "confirmPassword": NEW}
        assert stage.send(Request("PATCH", f"/users/{NAME}", passwords)).status == 404
        assert "unfinished" in stage.state_of(NAME)
        assert stage.send(creation(NAME, is_admin=False)).status == 200
        assert stage.state_of(NAME) == "user"


@pytest.mark.parametrize(
    "kind", [PLAIN_OPENLDAP, DS389, ACTIVE_DIRECTORY], ids=lambda kind: kind.name
)
def test_its_name_is_free_at_once(hosts: Hosts, kind: Kind, tmp_path: Path) -> None:
    with hosts.place(kind) as place, stage_in(place, tmp_path) as stage:
        for operation in (2, 3):
            name = f"{NAME}{operation}"
            leave_unfinished(stage, operation, name)
            began_s = time.monotonic()
            assert stage.send(creation(name, is_admin=True)).status == 200
            assert time.monotonic() - began_s < 3
            assert stage.state_of(name) == "user, admin, custodian boss"


def test_an_unfinished_user_of_another_machine_is_replaced_after_a_minute(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_unfinished(stage, 2)
    (tmp_path / "others").mkdir()
    with machines_at(stage.place, tmp_path / "others") as make:
        elsewhere = make(SERVER__REQUEST_DEADLINE_S="2").logged_in("root", OLD)
        body = {"userId": NAME, "password": NEW}
        refused = elsewhere("POST", "/users", body)
        assert "already exists" in refused.text
        monkeypatch.setattr(account_state, "ABANDONED_AFTER_S", -1.0)
        assert elsewhere("POST", "/users", body).status_code == 200


def test_of_many_creations_of_one_name_one_wins(stage: Stage, tmp_path: Path) -> None:
    """On two machines: the others hear that it exists, and the winner's password stands."""
    (tmp_path / "others").mkdir()
    with machines_at(stage.place, tmp_path / "others") as make:
        machines = [make(SERVER__REQUEST_DEADLINE_S="20").logged_in("root", OLD) for _ in "12"]
        for turn in range(6):
            name, barrier = f"same{turn}", threading.Barrier(8)

            def create(number: int, name: str = name, at: threading.Barrier = barrier) -> str:
                at.wait()
                body = {"userId": name, "password": f"{OLD} {number}"}
                return machines[number % 2]("POST", "/users", body).text

            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(create, range(8)))
            won = [number for number, text in enumerate(answers) if "already exists" not in text]
            assert len(won) == 1, answers
            assert machines[0].login(name, f"{OLD} {won[0]}").status_code == 200


def test_no_entry_is_taken_over_while_its_creation_goes_on(stage: Stage) -> None:
    store = stage.store
    first = store.create_user(NAME)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(store.create_user, NAME)
        time.sleep(1)
        assert not second.done()
        store.reset_password(first, OLD)
        store.apply(RenewEpoch(first))
        with pytest.raises(UserExists):
            second.result()
    store.end_creation(first)
    assert stage.call("GET", "/login", basic=f"{NAME}:{OLD}").status == 200


def test_locks_end_with_their_process(tmp_path: Path) -> None:
    path = tmp_path / "creations.lock"
    here, other = CreationLocks(path), CreationLocks(path)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, CreationLocks(path).begin().encode())
        time.sleep(60)
        os._exit(0)
    mark = os.read(reading, 16).decode()
    assert here.is_running(mark) is True
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert here.is_running(mark) is False
    mine = here.begin()
    assert (here.is_running(mine), other.is_running(mine)) == (True, True)
    here.end(mine)
    assert (here.is_running(mine), other.is_running(mine)) == (False, False)
    assert CreationLocks(tmp_path / "elsewhere").is_running(mine) is None
    assert CreationLocks().is_running(mine) is None
