"""A service with `[icp_config]`, and a control plane that works with it as the real one does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.clients.conftest import PASSWORD
from tests.clients.icp_stand_in import Broken, ControlPlane, OrgSecret, Pages, listening
from tests.clients.test_dashboard_live import until
from tests.hosts.tls import Certificates
from tests.icp_tokens import KEY, KID, token
from tests.service import Service, running

OLD, NEW = f"{KID}.{KEY}", f"ffee0011.{KEY[::-1]}"
ODD_NAMES = ("anna lee", "Łukasz ä", "a+b*c~d", "semi;colon")


@dataclass(frozen=True, slots=True)
class Scene:
    """A control plane, a service whose secret was rotated, and what came before."""

    plane: ControlPlane
    service: Service
    folder: Path
    early: int
    first_id: str
    first_log: str

    def pages(self, form: str) -> Pages:
        return self.plane.pages(form)

    @property
    def audit(self) -> list[dict[str, Any]]:
        text = (self.folder / "state" / "audit.log").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Started, given an admin and the account, and started again with another secret."""
    folder = tmp_path_factory.mktemp("icp")
    certificates = Certificates(folder / "tls", trustme.CA())
    with listening(ControlPlane(), certificates) as plane:
        with _reporting(folder, plane, certificates, OLD) as service:
            until(lambda: "icp_waiting" in service.log.read_text(encoding="utf-8"))
            early = len(plane.heartbeats)
            with service.caller() as call:
                root = call.login("root", PASSWORD)
                made = {"userId": "icp", "password": PASSWORD, "isAdmin": True}
                assert call("POST", "/users", made, token=root).status == 200
            until(lambda: plane.kinds[-2:] == ["deltaHeartbeat"] * 2)
            first_id, first_log = plane.runtime.body["runtimeId"], service.log
            assert plane.pages().users() == {"icp": True, "root": True}
            said = first_log.read_text(encoding="utf-8")
        key_id, _, key = NEW.partition(".")
        plane.secrets[key_id] = OrgSecret(key, plane.secrets[KID].bound)
        with _reporting(folder, plane, certificates, NEW) as service:
            until(lambda: plane.runtime.kid == key_id)
            del plane.secrets[KID]
            yield Scene(plane, service, folder, early, first_id, said)


@contextmanager
def _reporting(
    folder: Path, plane: ControlPlane, certificates: Certificates, secret: str
) -> Iterator[Service]:
    (folder / "secret").touch(mode=0o600)
    (folder / "secret").write_text(f"{secret}\n", encoding="utf-8")
    settings = {
        "STATE_DIR": folder / "state",
        "SERVER__WORKERS": 1,
        "ICP_CONFIG__ENABLED": "true",
        "ICP_CONFIG__ICP_URL": plane.url,
        "ICP_CONFIG__CA_FILE": certificates.ca_file,
        "ICP_CONFIG__SECRET_FILE": folder / "secret",
        "ICP_CONFIG__ENVIRONMENT": "dev",
        "ICP_CONFIG__ACCOUNT": "icp",
        "ICP_CONFIG__HEARTBEAT_INTERVAL": 1,
    }
    with running({f"MI_LDAP_{key}": str(value) for key, value in settings.items()}) as service:
        yield service
        said = service.log.read_text(encoding="utf-8")
        assert KEY not in said
        assert KEY[::-1] not in said


def test_the_service_waits_for_its_account_and_registers(scene: Scene) -> None:
    assert scene.early == 0
    events = [json.loads(line)["event"] for line in scene.first_log.splitlines() if line[:1] == "{"]
    told = [event for event in events if event.startswith("icp_")]
    assert told == ["icp_waiting", "icp_registered"]
    assert scene.plane.kinds[0] == "heartbeat"


def test_the_runtime_is_the_same_with_a_new_secret(scene: Scene) -> None:
    assert {*scene.plane.runtimes} == {scene.first_id}
    assert scene.plane.runtime.kid == NEW.partition(".")[0]


def test_a_restart_of_icp_is_answered_by_one_full_heartbeat(scene: Scene) -> None:
    before = scene.plane.kinds.count("heartbeat")
    scene.plane.restart()
    until(lambda: scene.plane.kinds.count("heartbeat") > before)
    until(lambda: scene.plane.kinds[-2:] == ["deltaHeartbeat"] * 2)
    assert scene.plane.kinds.count("heartbeat") == before + 1


@pytest.mark.parametrize("form", ["S", "N"])
def test_the_users_page_lists_adds_and_deletes(scene: Scene, form: str) -> None:
    pages = scene.pages(form)
    for name in ODD_NAMES:
        pages.add(name, PASSWORD)
    shown = pages.users()
    assert shown == {"icp": True, "root": True, **dict.fromkeys(ODD_NAMES, False)}
    for name in ODD_NAMES:
        pages.delete(name)
    assert pages.users() == {"icp": True, "root": True}
    line = scene.audit[-1]
    assert (line["performedBy"], line["action"], line["via"]) == ("icp", "deleted", "icp")
    assert (line["kid"], line["client"]) == (NEW.partition(".")[0], "127.0.0.1")


@pytest.mark.parametrize("form", ["S", "N"])
def test_the_page_shows_the_text_of_a_refusal(scene: Scene, form: str) -> None:
    pages = scene.pages(form)
    with pytest.raises(Broken, match="No admin can be created through the Integration Control"):
        pages.add("boss", PASSWORD, is_admin=True)
    with pytest.raises(Broken, match="already exists"):
        pages.add("root", PASSWORD)
    with pytest.raises(Broken, match="Only the creator of admin user 'root' can remove it"):
        pages.delete("root")
    with pytest.raises(Broken, match="Attempt to delete the logged in user"):
        pages.delete("icp")
    with pytest.raises(Broken, match="not found on runtime"):
        pages.delete("nobody")


def test_refused_tokens_open_nothing(scene: Scene) -> None:
    pages, now = scene.pages("S"), int(time.time())
    sent = scene.plane.heartbeats[-1][1]["Authorization"].removeprefix("Bearer ")
    refused = {
        "the heartbeat's own": sent,
        "the old key": token(),
        "replayed": pages.token(iat=now - 400, nbf=now - 400),
        "of a user": pages.token(sub="root"),
        "of another audience": pages.token(aud="other"),
        "malformed": "a.b.c",
    }
    for name, text in refused.items():
        for method, path in (("GET", "/users"), ("GET", "/server"), ("DELETE", "/users/root")):
            status, kind, content = pages.ask(method, path, text)
            assert (status, kind) == (401, "application/json"), name
            assert [*json.loads(content)] == ["Error"]
    for method, path in (("GET", "/roles"), ("PATCH", "/users/root"), ("GET", "/logout")):
        assert pages.ask(method, path, pages.token(), {})[0] == 403
    assert pages.users()["root"] is True
