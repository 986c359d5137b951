"""The same clients where roles are hybrid: on a database, and on a directory that is read-only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.clients.dashboard_stand_in import Broken, Pages
from tests.clients.dashboard_stand_in import login as login_of_dashboard
from tests.clients.test_command_lines import error_of, go, status_of
from tests.clients.test_dashboard import java
from tests.clients.wire import Wire, basic
from tests.mixed_stores import HYBRID_ADMIN_ROLE, PASSWORD, database, read_only_directory
from tests.service import Service, running

READ_ONLY = "Invalid operation. User store is read only"


@dataclass(frozen=True, slots=True)
class HybridStage:
    """A service with `admin`, `alice`, `bob` and the roles `developers` and `Internal/testers`."""

    service: Service
    token: str
    admin_role: str
    is_read_only: bool

    def url(self) -> str:
        return f"https://localhost:{self.service.port}/management/"

    def pages(self) -> Pages:
        """The dashboard, logged in as `admin`."""
        return Pages(self.url(), login_of_dashboard(self.url(), "admin", PASSWORD))


@pytest.fixture(scope="module", params=["database", "read-only directory"])
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HybridStage]:
    folder = tmp_path_factory.mktemp("hybrid")
    if request.param == "database":
        with running(database(folder)) as service:
            yield staged(service, "admin", is_read_only=False)
        return
    with read_only_directory(folder) as env, running(env) as service:
        yield staged(service, HYBRID_ADMIN_ROLE, is_read_only=True)


def staged(service: Service, admin_role: str, *, is_read_only: bool) -> HybridStage:
    with service.caller() as call:
        token = call.login("admin", PASSWORD)
        bodies: list[tuple[str, dict[str, object]]] = [("/roles", {"role": "Internal/testers"})]
        if not is_read_only:
            bodies += [("/roles", {"role": "developers"})]
            bodies += [("/users", {"userId": n, "password": PASSWORD}) for n in ("alice", "bob")]
        for path, body in bodies:
            assert call("POST", path, body, token=token).status == 200
    return HybridStage(service, token, admin_role, is_read_only)


@pytest.fixture
def wire(stage: HybridStage) -> Iterator[Wire]:
    with Wire(stage.service) as wire:
        yield wire


def test_the_command_line_assigns_and_revokes_hybrid_roles(stage: HybridStage, wire: Wire) -> None:
    answer = go(wire, "GET", "login", f"Basic {basic('admin', PASSWORD)}")
    bearer = f"Bearer {answer.string_map['AccessToken']}"
    body = json.dumps({"role": "shop", "domain": "Application"})
    assert status_of(go(wire, "POST", "roles", bearer, body)) == "Added"
    change = {"userId": "bob", "domain": "", "addedRoles": ["Internal/testers", "Application/shop"]}
    answer = go(wire, "PUT", "roles", bearer, json.dumps({**change, "removedRoles": None}))
    assert status_of(answer) == "Added/removed the roles"
    for path in ("roles/Internal/testers", "roles/testers?domain=Internal"):
        shown = go(wire, "GET", path, bearer).json
        assert shown == {"role": "Internal/testers", "users": ["bob"]}
    roles = go(wire, "GET", "users/bob", bearer).json["roles"]
    assert {"Internal/everyone", "Internal/testers", "Application/shop"} <= set(roles)
    change = {"userId": "bob", "domain": "", "removedRoles": ["Internal/testers"]}
    assert status_of(go(wire, "PUT", "roles", bearer, json.dumps(change)))
    assert status_of(go(wire, "DELETE", "roles/shop?domain=Application", bearer)) == "Deleted"
    roles = go(wire, "GET", "users/bob", bearer).json["roles"]
    assert not {"Internal/testers", "Application/shop"} & set(roles)


def test_the_command_line_prints_why_nothing_was_changed(stage: HybridStage, wire: Wire) -> None:
    bearer = f"Bearer {stage.token}"
    user = json.dumps({"userId": "dora", "password": PASSWORD, "isAdmin": "false", "domain": ""})
    change = json.dumps({"userId": "alice", "domain": "", "addedRoles": ["developers"]})
    requests = [
        ("POST", "users", user),
        ("PUT", "roles", change),
        ("POST", "roles", json.dumps({"role": "new", "domain": ""})),
        ("DELETE", "roles/new?domain=", None),
        ("DELETE", "users/dora?domain=", None),
    ]
    for method, path, body in requests[: 3 if stage.is_read_only else None]:
        answer = go(wire, method, path, bearer, body)
        if stage.is_read_only:
            assert answer.status_line.startswith("HTTP/1.1 403 ")
            assert error_of(answer) == READ_ONLY
        else:
            assert status_of(answer)


def test_the_pages_of_the_dashboard_load(stage: HybridStage) -> None:
    pages = stage.pages()
    pages.put_roles("bob", ["Internal/testers"], None)
    shown = {user["userId"]: user for user in pages.users()}
    assert shown["admin"]["isAdmin"] is True
    assert stage.admin_role in shown["admin"]["roles"]
    assert "Internal/testers" in shown["bob"]["roles"]
    roles = pages.roles()
    assert roles["Internal/testers"] == ["bob"]
    assert roles[stage.admin_role] == ["admin"]
    pages.put_roles("bob", None, ["Internal/testers"])
    assert pages.roles()["Internal/testers"] == []


def test_the_dashboard_makes_an_admin_whom_only_its_creator_removes(
    stage: HybridStage, wire: Wire
) -> None:
    pages = stage.pages()
    for name in ("alice", "bob"):
        pages.put_roles(name, [stage.admin_role], [])
    alice = login_of_dashboard(stage.url(), "alice", PASSWORD)
    change = {"userId": "bob", "addedRoles": None, "removedRoles": [stage.admin_role]}
    answer = java(wire, "PUT", "roles/", alice, change)
    assert answer.status == 403
    assert answer.reason.startswith("Only the creator of admin user 'bob' can remove it.")
    for name in ("alice", "bob"):
        pages.put_roles(name, None, [stage.admin_role])
    assert pages.roles()[stage.admin_role] == ["admin"]


def test_the_dashboard_shows_why_a_user_is_not_deleted(stage: HybridStage) -> None:
    pages = stage.pages()
    if stage.is_read_only:
        for path in ("users/bob", "roles/developers"):
            with pytest.raises(Broken, match=f"^403 {READ_ONLY}$"):
                pages.delete(path)
        return
    pages.add_user("dora", PASSWORD, is_admin=True)
    pages.put_roles("dora", ["Internal/testers", "developers"], None)
    pages.delete("users/dora")
    assert pages.roles()["Internal/testers"] == []
