"""A service with `[dashboard_config]`, and a dashboard that works with it as the real one does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from mi_ldap.micro_integrators.resources import RESOURCES
from tests.clients.conftest import PASSWORD
from tests.clients.dashboard_stand_in import Broken, Dashboard, Pages, listening
from tests.hosts.tls import Certificates
from tests.service import Service, running

ACCOUNT = ("mi_super_admin", "the dashboard's own")


@dataclass(frozen=True, slots=True)
class Scene:
    """A dashboard, a service that it knows, and what came before."""

    dashboard: Dashboard
    service: Service
    early: int
    first_node_id: str

    @property
    def pages(self) -> Pages:
        return self.dashboard.pages()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Started, given an admin and the dashboard's account, and started again."""
    folder = tmp_path_factory.mktemp("dashboard")
    certificates = Certificates(folder / "tls", trustme.CA())
    with listening(Dashboard(ACCOUNT), certificates) as dashboard:
        with _reporting(folder, dashboard, certificates) as service:
            until(lambda: "dashboard_waiting" in service.log.read_text(encoding="utf-8"))
            early = len(dashboard.heartbeats)  # it waits: what it says is written at a turn
            with service.caller() as call:
                token = call.login("root", PASSWORD)
                until(lambda: bool(dashboard.heartbeats))
                made = {"userId": ACCOUNT[0], "password": ACCOUNT[1], "isAdmin": True}
                assert call("POST", "/users", made, token=token).status == 200
        first_node_id = dashboard.bodies[0]["nodeId"]
        dashboard.nodes.clear()
        with _reporting(folder, dashboard, certificates) as service:
            until(lambda: bool(dashboard.nodes and dashboard.node.server))
            yield Scene(dashboard, service, early, first_node_id)
            heart = heartbeat_process(service)
            service.process.terminate()
            service.process.wait(10)
            until(lambda: not Path(f"/proc/{heart}/exe").exists())  # so nothing can be sent


@contextmanager
def _reporting(folder: Path, dashboard: Dashboard, certificates: Certificates) -> Iterator[Service]:
    settings = {
        "STATE_DIR": folder / "state",
        "SERVER__WORKERS": 2,
        "DASHBOARD_CONFIG__DASHBOARD_URL": dashboard.url,
        "DASHBOARD_CONFIG__GROUP_ID": "users",
        "DASHBOARD_CONFIG__HEARTBEAT_INTERVAL": 1,
        "DASHBOARD_CONFIG__MANAGEMENT_HOSTNAME": "localhost",
        "DASHBOARD_CONFIG__CA_FILE": certificates.ca_file,
    }
    with running({f"MI_LDAP_{key}": str(value) for key, value in settings.items()}) as service:
        yield service


def until(condition: Callable[[], bool], longest_s: float = 15.0) -> None:
    ends_at = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < ends_at, "it took too long"
        time.sleep(0.02)


def children_of(service: Service) -> list[int]:
    pid = service.process.pid
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in listed.split()]


def heartbeat_process(service: Service) -> int:
    """The child that is no slapd and has no children."""
    for child in children_of(service):
        name = Path(f"/proc/{child}/comm").read_text(encoding="ascii")
        grandchildren = Path(f"/proc/{child}/task/{child}/children").read_text(encoding="ascii")
        if "slapd" not in name and not grandchildren:
            return child
    raise AssertionError("there is none")


def test_no_heartbeat_is_sent_before_there_is_an_admin(scene: Scene) -> None:
    assert scene.early == 0


def test_a_heartbeat_says_what_the_dashboard_reads(scene: Scene) -> None:
    _, headers, content = scene.dashboard.heartbeats[-1]
    node_id = scene.first_node_id
    url = f"https://localhost:{scene.service.port}/management/"
    assert content.decode() == (
        f'{{"product":"mi","groupId":"users","nodeId":"{node_id}","interval":1,"mgtApiUrl":"{url}"}}'
    )
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers


def test_the_node_is_the_same_after_a_restart(scene: Scene) -> None:
    assert {body["nodeId"] for body in scene.dashboard.bodies} == {scene.first_node_id}


def test_the_dashboard_logs_in_at_once_and_learns_what_runs_here(scene: Scene) -> None:
    assert scene.dashboard.node.server["productName"].startswith("mi_ldap")


def test_one_process_sends_heartbeats_and_is_started_again(scene: Scene) -> None:
    before = len(scene.dashboard.heartbeats)
    since_s = time.monotonic()
    until(lambda: len(scene.dashboard.heartbeats) >= before + 3)
    assert time.monotonic() - since_s > 1.5  # one process: three would be heard of in a second
    os.kill(heartbeat_process(scene.service), signal.SIGKILL)
    beaten = len(scene.dashboard.heartbeats)
    until(lambda: len(scene.dashboard.heartbeats) >= beaten + 2)
    assert "heartbeat_process_died" in scene.service.log.read_text(encoding="utf-8")


def test_it_shares_nothing_that_is_open_with_the_service(scene: Scene) -> None:
    state = [each for each in open_files(scene.service.process.pid) if "state.sqlite" in each]
    assert state == []
    until(lambda: "state.sqlite" in " ".join(open_files(heartbeat_process(scene.service))))
    own = [each for each in open_files(heartbeat_process(scene.service)) if ".sqlite" in each]
    assert len(own) == len(set(own)), own


def open_files(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(each.readlink()))
    return found


def test_the_users_page(scene: Scene) -> None:
    pages = scene.pages
    for name in ("anna lee", "annabel", "Björn"):
        pages.add_user(name, PASSWORD, is_admin=False)
    shown = {user["userId"]: user for user in pages.users()}
    assert {"root", ACCOUNT[0], "anna lee", "annabel", "Björn"} <= set(shown)
    assert shown["root"]["isAdmin"]
    assert [user["userId"] for user in pages.users("NNA")] == ["anna lee", "annabel"]
    assert pages.users("no such user") == []
    pages.delete("users/anna%20lee")
    assert [user["userId"] for user in pages.users("nna")] == ["annabel"]


def test_the_roles_page(scene: Scene) -> None:
    pages = scene.pages
    pages.add_user("rolf", PASSWORD, is_admin=False)
    for role in ("on call", "x&y", "Internal/shown"):
        pages.add_role(role)
    pages.put_roles("rolf", ["on call", "Internal/shown"], None)
    assert pages.roles()["on call"] == ["rolf"]
    assert pages.roles()["Internal/shown"] == ["rolf"]
    pages.put_roles("rolf", None, ["on call"])
    assert pages.roles()["on call"] == []
    pages.delete("roles/x&y")
    assert "x&y" not in pages.roles()


def test_a_password_is_set_and_changed(scene: Scene) -> None:
    pages = scene.pages
    pages.add_user("paula", PASSWORD, is_admin=False)
    pages.set_password("paula", "another horse")
    pages.set_password("paula", "a third horse", "another horse")
    with scene.service.caller() as call:
        assert call.login("paula", "a third horse")


def test_who_is_made_an_admin_through_the_dashboard_is_its_accounts(scene: Scene) -> None:
    pages = scene.pages
    pages.add_user("clara", PASSWORD, is_admin=True)
    assert pages.get("users/clara")["createdBy"] == ACCOUNT[0]
    with scene.service.caller() as call:
        token = call.login("root", PASSWORD)
        assert call("DELETE", "/users/clara", token=token).status == 403
    with pytest.raises(Broken, match="creator"):
        pages.delete("users/root")
    pages.delete("users/clara")


def test_what_fails_is_shown_and_never_empty(scene: Scene) -> None:
    pages = scene.pages
    with pytest.raises(Broken, match="404 Not Found"):
        pages.delete("users/nobody")
    with pytest.raises(Broken, match="403 Attempt to delete the logged in user"):
        pages.delete(f"users/{ACCOUNT[0]}")
    with pytest.raises(Broken, match="already exists"):
        pages.add_user("root", PASSWORD, is_admin=False)
    with pytest.raises(Broken, match="404 Not Found"):
        pages.put_roles("root", ["no such role"], None)


def test_the_pages_of_artifacts_are_empty(scene: Scene) -> None:
    kinds = {each.kind for each in RESOURCES if each.is_list} - {"applications"}
    for kind in kinds:
        assert scene.pages.artifacts(kind) == []
    assert scene.pages.get("applications") == {
        "totalCount": 0,
        "activeCount": 0,
        "activeList": [],
        "faultyCount": 0,
        "faultyList": [],
    }


def test_a_dashboard_that_starts_anew_gets_the_node_back(scene: Scene) -> None:
    registrations = scene.dashboard.registrations
    scene.dashboard.nodes.clear()
    until(lambda: bool(scene.dashboard.nodes and scene.dashboard.node.server))
    assert scene.dashboard.registrations == registrations + 1
