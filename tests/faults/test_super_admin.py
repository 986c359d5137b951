"""The super admin of a running service: pinned at its start, or never."""

from __future__ import annotations

import time
from pathlib import Path

from tests.service import Caller, Environment, environment, running
from tests.subtree import Subtree
from tests.until import until

PASSWORD = "correct horse"


def settings(folder: Path, place: Subtree, **more: object) -> Environment:
    given = {"super_admin__username": "root", "super_admin__can_remove_admins": True}
    return environment(folder, place, **given, **more)


def add_admin(call: Caller, name: str, token: str) -> str:
    body = {"userId": name, "password": PASSWORD, "isAdmin": True}
    assert call("POST", "/users", body, token=token).status == 200
    return call.login(name, PASSWORD)


def remove(call: Caller, name: str, token: str) -> int:
    return call("DELETE", f"/users/{name}", token=token).status


def test_the_first_admin_of_that_name_is_it_at_once(tmp_path: Path, subtree: Subtree) -> None:
    with running(settings(tmp_path, subtree)) as service, service.caller() as call:
        root = call.login("root", PASSWORD)
        boss = add_admin(call, "boss", root)
        add_admin(call, "carl", boss)
        assert remove(call, "carl", root) == 200


def test_one_that_is_there_at_the_start_is_it(tmp_path: Path, subtree: Subtree) -> None:
    for name in ("root", "boss"):
        subtree.add_user(name, PASSWORD)
    subtree.add_group("admin", *(subtree.user_dn(name) for name in ("root", "boss")))
    with running(settings(tmp_path, subtree)) as service, service.caller() as call:
        root, boss = (call.login(name, PASSWORD) for name in ("root", "boss"))
        add_admin(call, "carl", boss)
        until(lambda: remove(call, "carl", root) == 200)


def test_one_that_comes_later_is_not(tmp_path: Path, subtree: Subtree) -> None:
    subtree.add_user("boss", PASSWORD)
    subtree.add_group("admin", subtree.user_dn("boss"))
    with running(settings(tmp_path, subtree)) as service, service.caller() as call:
        boss = call.login("boss", PASSWORD)
        add_admin(call, "carl", boss)
        subtree.add_user("root", PASSWORD)
        subtree.add_member("admin", subtree.user_dn("root"))
        root = call.login("root", PASSWORD)
        for _ in range(10):
            assert remove(call, "carl", root) == 403
            time.sleep(0.1)
    with running(settings(tmp_path, subtree)) as service, service.caller() as call:
        root = call.login("root", PASSWORD)
        until(lambda: remove(call, "carl", root) == 200)


def test_one_that_was_made_by_an_admin_never_is(tmp_path: Path, subtree: Subtree) -> None:
    with running(settings(tmp_path, subtree)) as service, service.caller() as call:
        boss = call.login("boss", PASSWORD)
        add_admin(call, "carl", boss)
        root = add_admin(call, "root", boss)
        resigned = {"userId": "root", "removedRoles": ["admin"]}
        assert call("PUT", "/roles", resigned, token=root).status == 200
    subtree.add_member("admin", subtree.user_dn("root"))
    for machine in (tmp_path, tmp_path / "another"):
        with running(settings(machine, subtree)) as service, service.caller() as call:
            root = call.login("root", PASSWORD)
            for _ in range(10):  # longer than the service takes to pin somebody
                assert remove(call, "carl", root) == 403
                time.sleep(0.1)
