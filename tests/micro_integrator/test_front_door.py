"""The whole service in front of a stand-in: every row of the table, and what users see of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mi_ldap.micro_integrators.resources import RESOURCES
from tests.micro_integrator.instance import MicroIntegrator
from tests.micro_integrator.log_content import log_bytes
from tests.micro_integrator.modes import Fault
from tests.service import Answer, Caller, Environment, Service, free_port, running
from tests.until import until

PASSWORD = "correct horse"
USER, OPERATOR, ADMIN = "bob", "olga", "admin"
ORDER = (USER, OPERATOR, ADMIN)
CAR = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="new.car"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\nPK\x03\x04\r\n--x--\r\n"
)
ENTRY = "registry/config/orders.json"
SWITCH = {"name": "OrderService", "trace": "enable"}
STATUS = {"name": "OrderService", "status": "inactive"}

ROWS: list[tuple[str, str, object, str]] = [
    *(
        ("GET", f"/{kind}?{key}=OrderService", None, USER)
        for kind, key in {
            "proxy-services": "proxyServiceName",
            "endpoints": "endpointName",
            "inbound-endpoints": "inboundEndpointName",
            "message-stores": "name",
            "message-processors": "name",
            "apis": "apiName",
            "sequences": "sequenceName",
            "tasks": "taskName",
            "local-entries": "name",
            "data-services": "dataServiceName",
            "data-sources": "name",
        }.items()
    ),
    ("GET", "/connectors?searchKey=50%25%20off", None, USER),
    ("GET", "/templates?type=endpoint&name=Tom%20%26%20Jerry", None, USER),
    ("GET", "/data-services/OrderService/fault", None, USER),
    ("GET", "/applications?carbonAppName=a%2Bb", None, USER),
    ("GET", "/applications/what%3F", None, USER),
    ("GET", "/applications/OrderService/fault", None, USER),
    ("GET", "/logs?file=small.log", None, USER),
    ("GET", "/logging?loggerName=AUDIT_LOG", None, USER),
    ("GET", "/registry-resources?path=registry&expand=true", None, USER),
    *(
        ("GET", f"/registry-resources/{part}?path={ENTRY}", None, USER)
        for part in ("content", "properties", "metadata")
    ),
    ("GET", "/transactions/count?year=2026&month=11", None, USER),
    ("GET", "/transactions/report?start=2026-01&end=2026-02", None, USER),
    ("GET", "/server", None, USER),
    *(
        ("POST", f"/{kind}", SWITCH, OPERATOR)
        for kind in ("proxy-services", "endpoints", "inbound-endpoints", "apis", "sequences")
    ),
    ("POST", "/tasks", STATUS, OPERATOR),
    ("POST", "/message-processors", STATUS, OPERATOR),
    ("POST", "/templates", {**SWITCH, "type": "endpoint"}, OPERATOR),
    ("POST", "/applications", CAR, OPERATOR),
    ("DELETE", "/applications/c%23sharp", None, OPERATOR),
    ("PATCH", "/logging", {"loggerName": "AUDIT_LOG", "loggingLevel": "DEBUG"}, OPERATOR),
    ("DELETE", "/logging?loggerName=synapse-part-1", None, OPERATOR),
    *(
        (method, f"/registry-resources{part}?path=registry/config/new.txt", b"text", OPERATOR)
        for part in ("", "/content", "/properties", "/metadata")
        for method in ("POST", "PUT", "DELETE")
    ),
    ("GET", "/configs?configName=correlation", None, ADMIN),
    ("PUT", "/configs", {"configName": "correlation", "configs": {"enabled": True}}, ADMIN),
    ("POST", "/external-vaults/hashicorp", {"secretId": "very secret"}, ADMIN),
    ("PATCH", "/server", {"status": "restartGracefully"}, ADMIN),
]


@dataclass(frozen=True)
class Door:
    """A service in front of the stand-in `mi-1` and of `mi-2`, where nothing listens."""

    service: Service
    port_of_mi_1: int
    tokens: dict[str, str]

    def ask(self, who: str, method: str, path: str, body: object = None) -> Answer:
        with self.service.caller() as call:
            return call.ask(method, path, body, token=self.tokens.get(who))

    def audited(self) -> list[dict[str, Any]]:
        """The lines about artifacts."""
        content = (self.service.log.parent / "audit.log").read_text("utf-8")
        lines = [json.loads(line) for line in content.splitlines()]
        return [line for line in lines if line["type"] == "artifact"]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, node: MicroIntegrator) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    port = free_port()
    with running(_environment(folder, node, port)) as service, service.caller() as call:
        tokens = {ADMIN: call.login(ADMIN, PASSWORD)}
        for name in (USER, OPERATOR):
            _write(call, tokens[ADMIN], "POST", "/users", {"userId": name, "password": PASSWORD})
            tokens[name] = call.login(name, PASSWORD)
        _write(call, tokens[ADMIN], "POST", "/roles", {"role": "operators"})
        roles = {"userId": OPERATOR, "addedRoles": ["operators"]}
        _write(call, tokens[ADMIN], "PUT", "/roles", roles)
        yield Door(service, port, tokens)


def _environment(folder: Path, node: MicroIntegrator, port: int) -> Environment:
    config = folder / "door.toml"
    config.write_text(
        f"""
        [management_api]
        operator_roles = ["operators"]
        [[micro_integrator]]
        id = "mi-1"
        management_url = "{node.url}"
        username = "{node.username}"
        ca_file = "{node.ca_file}"
        port = {port}
        [[micro_integrator]]
        id = "mi-2"
        management_url = "http://127.0.0.1:{free_port()}/management"
        username = "door"
        password = "x"
        timeout_s = 1
        """,
        encoding="utf-8",
    )
    return {
        "MI_LDAP_CONFIG": str(config),
        "MI_LDAP_STATE_DIR": str(folder / "state"),
        "MI_LDAP_SERVER__WORKERS": "1",
        "MI_LDAP_MICRO_INTEGRATOR__MI_1__PASSWORD": node.password,
    }


def _write(call: Caller, token: str, method: str, path: str, body: object) -> None:
    assert call(method, path, body, token=token).status == 200


def test_the_rows_here_are_those_of_the_table() -> None:
    asked = {(method, path.partition("?")[0]) for method, path, _, _ in ROWS}
    listed = {
        (operation.method, resource.path)
        for resource in RESOURCES
        for operation in resource.operations
    }
    names = ("OrderService", "what%3F", "c%23sharp")
    templated = {
        (method, next((path.replace(name, "{name}") for name in names if name in path), path))
        for method, path in asked
    }
    assert templated == listed


def test_every_row_reaches_the_node_for_those_who_may(door: Door, mi: MicroIntegrator) -> None:
    mi.add_log("small.log", 5000)
    for method, path, body, least in ROWS:
        for who in ("nobody", *ORDER):
            mi.clear()
            answer = door.ask(who, method, f"/nodes/mi-1/management{path}", body)
            place = f"{who} {method} {path}"
            if who == "nobody" or ORDER.index(who) < ORDER.index(least):
                assert answer.status == (401 if who == "nobody" else 403), place
                assert mi.forwarded == [], place
                continue
            (received,) = mi.forwarded
            target = f"/management{path.replace('registry/', 'registry%2F')}"
            target = target.replace("config/", "config%2F")
            assert (received.method, received.target) == (method, target), place
            assert answer.status == received.status, place
            assert received.body == _sent(body, method), place
            authorization = received.header("authorization") or ""
            assert not any(token in authorization for token in door.tokens.values())
            assert received.header("x-request-id") == answer.headers["X-Request-Id"]
    assert mi.violations == []


def _sent(body: object, method: str) -> bytes:
    if method == "DELETE" or body is None:
        return b""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def test_answers_pass_as_the_node_gave_them(door: Door, mi: MicroIntegrator) -> None:
    mi.add_log("some.log", 300_000)
    path = "/management/logs?file=some.log"
    assert door.ask(USER, "GET", path).body == log_bytes(300_000)
    missing = door.ask(USER, "GET", "/management/apis?apiName=nowhere")
    assert (missing.status, missing.json) == (404, {"Error": "API ('nowhere') not found"})
    for answer in (missing, door.ask(USER, "HEAD", path)):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    listed = door.ask(USER, "GET", "/management/apis?searchKey=order").json
    assert listed["count"] == len(listed["list"]) > 0


def test_a_node_is_reached_by_its_own_port_and_described_there(
    door: Door, mi: MicroIntegrator
) -> None:
    with Caller(door.port_of_mi_1) as call:
        token = call.login(USER, PASSWORD)
        assert call("GET", "/server", token=token).json["productName"] == "WSO2 Micro Integrator"
        assert call("GET", "/users", token=token).status == 403
    assert "mi_ldap" in door.ask(USER, "GET", "/management/server").json["productName"]
    assert len(mi.forwarded) == 1


def test_a_node_that_is_down_is_named_and_does_no_harm(door: Door, mi: MicroIntegrator) -> None:
    for _ in range(4):
        answer = door.ask(USER, "GET", "/nodes/mi-2/management/apis")
        assert answer.status == 503
        assert "mi-2" in answer.json["Error"]
        assert answer.headers["Retry-After"]
    ready = door.ask("nobody", "GET", "/ready")
    assert ready.status == 200
    assert ready.json["nodes"] == {"mi-1": "up", "mi-2": "down"}
    assert door.ask(ADMIN, "GET", "/nodes/mi-2/management/users").status == 200
    assert door.ask(USER, "GET", "/management/apis").status == 200
    metrics = dict(
        line.rsplit(" ", 1)
        for line in door.ask("nobody", "GET", "/metrics").body.decode().splitlines()
        if not line.startswith("#")
    )
    assert float(metrics['mi_ldap_node_errors_total{node="mi-2"}']) >= 3
    assert float(metrics['mi_ldap_node_requests_total{node="mi-1"}']) >= 1
    assert metrics['mi_ldap_node_up{node="mi-2"}'] == "0"


def test_the_audit_log_has_the_person_and_the_outcome(door: Door, mi: MicroIntegrator) -> None:
    before = len(door.audited())
    path = "/management/applications/OrderService"
    assert door.ask(OPERATOR, "DELETE", path).status in (200, 404)
    mi.set_mode(Fault.CLOSE_AFTER_WRITE, method="POST", times=1)
    broken = door.ask(ADMIN, "POST", "/management/apis", SWITCH)
    assert broken.status == 502
    assert "check whether the change was made" in broken.json["Error"]
    door.ask(USER, "POST", "/management/apis", SWITCH)
    until(lambda: len(door.audited()) >= before + 5)
    lines = [
        (line["performedBy"], line["action"], json.loads(line["info"])["name"], line["outcome"])
        for line in door.audited()[before:]
    ]
    assert lines == [
        (OPERATOR, "operated", "OrderService", "pending"),
        (OPERATOR, "operated", "OrderService", "done"),
        (ADMIN, "operated", "OrderService", "pending"),
        (ADMIN, "operated", "OrderService", "unknown"),
        (USER, "refused", "OrderService", "refused"),
    ]
    said = door.service.log.read_text("utf-8") + str(door.audited())
    assert mi.password not in said
    assert "very secret" not in said


def test_a_connection_serves_requests_to_nodes_and_others_in_turn(
    door: Door, mi: MicroIntegrator
) -> None:
    token = door.tokens[USER]
    with door.service.caller(timeout_s=10) as call:
        for path in ("/apis", "/server", "/apis?apiName=nowhere", "/rules", "/logging", "/apis"):
            assert call("GET", path, token=token).status in (200, 404)
    assert len(mi.forwarded) == 4
