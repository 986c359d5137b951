"""A worker that is killed between two LDAP operations leaves nothing that is half made.

At most a user without a role is left, never an admin without a password or a custodian; and the
same request, sent again, succeeds or says clearly why not.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi_ldap.directory import epochs
from mi_ldap.settings import Settings
from mi_ldap.wiring import services
from tests.service import Answer, LocalCaller, local
from tests.soundness import look_at
from tests.subtree import Host, Subtree, Tool, subtree_in

KILLED, FINISHED, FAILED = 42, 0, 1
MOST_OPERATIONS = 40
PASSWORD = "correct horse"

Act = Callable[[LocalCaller], Answer]
WRITES = frozenset({"add", "modify", "delete", "password"})


def kill_before(operation: int, settings: Settings, act: Act) -> bool:
    """Whether a process that does `act` was killed before its nth change of the directory.

    False when it finished first, with a 200.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns of forking beside threads; the child touches nothing of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _act_until_killed(operation, settings, act)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in {KILLED, FINISHED}, status
    return status == KILLED


def _act_until_killed(operation: int, settings: Settings, act: Act) -> None:
    """Never returns: as with SIGKILL, nothing is cleaned up."""
    left = [operation]

    def observe(name: str) -> None:
        left[0] -= name in WRITES
        if left[0] == 0:
            os._exit(KILLED)

    try:
        answer = act(LocalCaller(services(settings, observe=observe)))
        os._exit(FINISHED if answer.status == 200 else FAILED)
    finally:
        os._exit(FAILED)


def every_kill(settings: Settings, act: Callable[[int], Act]) -> Iterator[int]:
    """Kill `act(n)` before its nth change, for each n there is; yields n, while it is killed."""
    for number in range(1, MOST_OPERATIONS):
        if not kill_before(number, settings, act(number)):
            assert number > 2, "there was hardly anything to kill it at"
            return
        yield number
    raise AssertionError("it never finishes")


@dataclass(frozen=True, slots=True)
class Stage:
    """A place with the admins `root` and `boss`, and the service that goes on after the crash."""

    place: Subtree
    settings: Settings
    call: LocalCaller
    tokens: dict[str, str]

    def create(self, name: str, *, is_admin: bool = False) -> Answer:
        return self.do("POST", "/users", new_user(name, is_admin=is_admin))

    def do(self, method: str, path: str, body: object = None, *, by: str = "root") -> Answer:
        return self.call(method, path, body, token=self.tokens[by])


@pytest.fixture
def stage(subtree: Subtree, tmp_path: Path) -> Iterator[Stage]:
    settings = subtree.settings(tmp_path)
    with local(settings) as call:
        stage = Stage(subtree, settings, call, {"root": call.login("root", PASSWORD)})
        assert stage.create("boss", is_admin=True).status == 200
        stage.tokens["boss"] = call.login("boss", PASSWORD)
        yield stage


def new_user(name: str, *, is_admin: bool = False) -> dict[str, object]:
    return {"userId": name, "password": PASSWORD, "isAdmin": is_admin}


@pytest.mark.parametrize("is_admin", [True, False], ids=["admin", "user"])
def test_killed_while_making_a_user(stage: Stage, is_admin: bool) -> None:
    def making(number: int) -> Act:
        body = new_user(f"u{number}", is_admin=is_admin)
        return lambda call: call("POST", "/users", body, token=stage.tokens["boss"])

    for number in every_kill(stage.settings, making):
        name = f"u{number}"
        after = look_at(stage.place, crashed=True)
        assert name not in after.admins
        assert name not in after.users or after.roles_of(name) == set()
        again = stage.create(name, is_admin=is_admin)
        if again.status != 200:
            assert "already exists" in again.json["Error"]
            assert stage.do("DELETE", f"/users/{name}").status == 200
            assert stage.create(name, is_admin=is_admin).status == 200
        assert stage.call.login(name, PASSWORD)
        assert (name in look_at(stage.place).admins) == is_admin


def test_killed_while_promoting(stage: Stage) -> None:
    for number in range(1, 12):
        assert stage.create(f"u{number}").status == 200

    def promoting(number: int) -> Act:
        body = {"userId": f"u{number}", "addedRoles": ["admin"]}
        return lambda call: call("PUT", "/roles", body, token=stage.tokens["boss"])

    for number in every_kill(stage.settings, promoting):
        name = f"u{number}"
        look_at(stage.place, crashed=True)
        assert stage.do("PUT", "/roles", {"userId": name, "addedRoles": ["admin"]}).status == 200
        after = look_at(stage.place)
        assert after.admins[name].custodian == after.users["root"].id


def test_killed_while_changing_several_roles(stage: Stage) -> None:
    for role in ("a", "b", "c"):
        assert stage.do("POST", "/roles", {"role": role}).status == 200
    for number in range(1, 16):
        assert stage.create(f"u{number}").status == 200
        body = {"userId": f"u{number}", "addedRoles": ["a"]}
        assert stage.do("PUT", "/roles", body).status == 200

    def changing(number: int) -> dict[str, object]:
        added = ["b", "c", "admin"]
        return {"userId": f"u{number}", "addedRoles": added, "removedRoles": ["a"]}

    def act(number: int) -> Act:
        return lambda call: call("PUT", "/roles", changing(number), token=stage.tokens["boss"])

    for number in every_kill(stage.settings, act):
        look_at(stage.place, crashed=True)
        assert stage.do("PUT", "/roles", changing(number), by="boss").status == 200
        assert look_at(stage.place).roles_of(f"u{number}") == {"b", "c", "admin"}


def test_killed_while_removing_an_admin_with_charges(stage: Stage) -> None:
    assert stage.do("POST", "/roles", {"role": "dev"}).status == 200
    for number in range(1, 12):
        name, charge = f"u{number}", new_user(f"charge{number}", is_admin=True)
        assert stage.create(name, is_admin=True).status == 200
        body = {"userId": name, "addedRoles": ["dev"]}
        assert stage.do("PUT", "/roles", body).status == 200
        token = stage.call.login(name, PASSWORD)
        assert stage.call("POST", "/users", charge, token=token).status == 200

    def removing(number: int) -> Act:
        return lambda call: call("DELETE", f"/users/u{number}", token=stage.tokens["root"])

    for number in every_kill(stage.settings, removing):
        after = look_at(stage.place, crashed=True)
        assert f"u{number}" in after.users
        assert stage.do("DELETE", f"/users/u{number}").status == 200
        after = look_at(stage.place, crashed=True)
        assert f"u{number}" not in after.users
        assert after.admins[f"charge{number}"].custodian == after.users["root"].id


def test_killed_while_resigning(stage: Stage) -> None:
    tokens: dict[int, str] = {}
    for number in range(1, 12):
        assert stage.create(f"u{number}", is_admin=True).status == 200
        tokens[number] = stage.call.login(f"u{number}", PASSWORD)

    def resigning(number: int) -> Act:
        body = {"userId": f"u{number}", "removedRoles": ["admin"]}
        return lambda call: call("PUT", "/roles", body, token=tokens[number])

    for number in every_kill(stage.settings, resigning):
        after = look_at(stage.place, crashed=True)
        assert f"u{number}" in after.users
        body = {"userId": f"u{number}", "removedRoles": ["admin"]}
        assert stage.do("PUT", "/roles", body).status == 200
        assert f"u{number}" not in look_at(stage.place, crashed=True).admins


def test_killed_while_setting_a_password(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 8):
        assert stage.create(f"u{number}").status == 200
    wanted = {"newPassword": "another horse", "confirmPassword": "another horse"}

    def setting(number: int) -> Act:
        return lambda call: call("PATCH", f"/users/u{number}", wanted, token=stage.tokens["boss"])

    for number in every_kill(stage.settings, setting):
        tried = [
            stage.call("GET", "/login", basic=f"u{number}:{password}").status
            for password in (PASSWORD, "another horse")
        ]
        assert sorted(tried) == [200, 401]
        with monkeypatch.context() as later:  # a minute later, that is
            later.setattr(epochs, "ABANDONED_AFTER_S", -1.0)
            assert stage.do("PATCH", f"/users/u{number}", wanted).status == 200
        assert stage.call.login(f"u{number}", "another horse")
    look_at(stage.place)


def test_killed_while_making_the_first_admin(
    host: Host, tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_login(call: LocalCaller) -> Answer:
        return call("GET", "/login", basic=f"root:{PASSWORD}")

    for number in range(1, MOST_OPERATIONS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with subtree_in(host, tool) as place:
            settings = place.settings(folder)
            killed = kill_before(number, settings, first_login)
            if killed:
                assert look_at(place, crashed=True).admins == {}
            with local(settings) as call:
                # It may not tell at once whether somebody is still about to finish the entry.
                assert first_login(call).status in {200, 401}
                with monkeypatch.context() as later:
                    later.setattr(epochs, "ABANDONED_AFTER_S", -1.0)
                    token = call.login("root", PASSWORD)
                assert call("GET", "/users", token=token).json["list"] == [{"userId": "root"}]
            assert list(look_at(place).admins) == ["root"]
        if not killed:
            assert number > 2
            return
    raise AssertionError("it never finishes")
