"""Other clients and a Micro Integrator behind the service: `mi` and `apictl mi`, the dashboard.

The Go clients know a host and a port, the dashboard any address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import PASSWORD, Stage
from tests.clients.dashboard_stand_in import Broken, Pages
from tests.clients.test_command_lines import error_of, go
from tests.clients.wire import Wire
from tests.micro_integrator import MicroIntegrator, log_bytes
from tests.service import running

KINDS = {
    "apis": "apiName",
    "endpoints": "endpointName",
    "inbound-endpoints": "inboundEndpointName",
    "local-entries": "name",
    "message-processors": "name",
    "message-stores": "name",
    "proxy-services": "proxyServiceName",
    "sequences": "sequenceName",
    "tasks": "taskName",
    "data-services": "dataServiceName",
}
"""The kinds that both clients list and show, with the query key of a name."""

NAME = "OrderService"
CHANGES = {
    "endpoints": {"name": NAME, "status": "inactive"},
    "message-processors": {"name": NAME, "status": "inactive"},
    "proxy-services": {"name": NAME, "status": "inactive"},
}
"""What `deactivate` sends."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MicroIntegrator]:
    with MicroIntegrator(tmp_path_factory.mktemp("node")) as node:
        node.add_log("wso2carbon.log", 5000)
        yield node


@pytest.fixture(scope="module")
def nodes_stage(tmp_path_factory: pytest.TempPathFactory, node: MicroIntegrator) -> Iterator[Stage]:
    """A service with a node; `root` is an admin, `olga` an operator, `dashboard` neither."""
    folder: Path = tmp_path_factory.mktemp("nodes")
    config = folder / "config.toml"
    config.write_text(
        f"""
        [management_api]
        operator_roles = ["operators"]
        [[micro_integrator]]
        id = "mi-1"
        management_url = "{node.url}"
        username = "{node.username}"
        password = "{node.password}"
        ca_file = "{node.ca_file}"
        """,
        encoding="utf-8",
    )
    own = {"MI_LDAP_CONFIG": str(config), "MI_LDAP_STATE_DIR": str(folder / "state")}
    with running({**own, "MI_LDAP_SERVER__WORKERS": "1"}) as service:
        with service.caller() as call:
            stage = Stage(service, call.login("root", PASSWORD))
        for name in ("olga", "dashboard"):
            stage.create(name)
        stage.do("POST", "/roles", {"role": "operators"})
        stage.do("PUT", "/roles", {"userId": "olga", "addedRoles": ["operators"]})
        yield stage


@pytest.fixture
def node_wire(nodes_stage: Stage) -> Iterator[Wire]:
    with nodes_stage.wire() as wire:
        yield wire


@pytest.mark.parametrize(("kind", "key"), KINDS.items())
def test_the_command_lines_list_search_and_show_artifacts(
    nodes_stage: Stage, node_wire: Wire, kind: str, key: str
) -> None:
    reader = f"Bearer {nodes_stage.login('dashboard')}"
    listed = go(node_wire, "GET", kind, reader).json
    assert listed["count"] == len(listed["list"]) > 1
    found = go(node_wire, "GET", f"{kind}?searchKey={NAME}", reader).json
    assert 0 < found["count"] < listed["count"]
    shown = go(node_wire, "GET", f"{kind}?{key}={NAME}", reader)
    assert (shown.status_line, shown.json["name"]) == ("HTTP/1.1 200 OK", NAME)
    missing = go(node_wire, "GET", f"{kind}?{key}=nowhere", reader)
    assert missing.status_line.startswith("HTTP/1.1 404 ")
    assert error_of(missing)


@pytest.mark.parametrize(("kind", "body"), CHANGES.items())
def test_the_command_lines_deactivate_artifacts_of_operators(
    nodes_stage: Stage, node_wire: Wire, node: MicroIntegrator, kind: str, body: dict[str, str]
) -> None:
    refused = go(
        node_wire, "POST", kind, f"Bearer {nodes_stage.login('dashboard')}", json.dumps(body)
    )
    assert refused.status == 403
    assert error_of(refused).startswith("403 Forbidden")
    assert not [each for each in node.forwarded if each.method == "POST"]
    done = go(node_wire, "POST", kind, f"Bearer {nodes_stage.login('olga')}", json.dumps(body))
    assert done.status_line == "HTTP/1.1 200 OK"
    assert done.string_map["message"]
    node.clear()


def test_the_command_lines_change_the_level_of_a_logger(
    nodes_stage: Stage, node_wire: Wire
) -> None:
    operator = f"Bearer {nodes_stage.login('olga')}"
    body = json.dumps({"loggerName": "AUDIT_LOG", "loggingLevel": "DEBUG"})
    assert go(node_wire, "PATCH", "logging", operator, body).string_map["message"]
    shown = go(node_wire, "GET", "logging?loggerName=AUDIT_LOG", operator).string_map
    assert (shown["loggerName"], shown["level"]) == ("AUDIT_LOG", "DEBUG")


def test_the_command_lines_download_a_log(nodes_stage: Stage, node_wire: Wire) -> None:
    reader = f"Bearer {nodes_stage.login('dashboard')}"
    listed = go(node_wire, "GET", "logs", reader).json
    assert {"FileName", "Size"} <= listed["list"][0].keys()
    answer = go(node_wire, "GET", "logs?file=wso2carbon.log", reader)
    assert (answer.status, answer.body) == (200, log_bytes(5000))
    # They write every 200 to a file of that name, and print the others.
    assert go(node_wire, "GET", "logs?file=none.log", reader).status == 404


def test_the_dashboard_shows_artifacts_with_an_account_without_the_admin_role(
    nodes_stage: Stage,
) -> None:
    url = f"https://localhost:{nodes_stage.service.port}/nodes/mi-1/management/"
    pages = Pages(url, nodes_stage.login("dashboard"))
    for kind in ("apis", "endpoints", "proxy-services", "logs", "logging"):
        assert pages.artifacts(kind)
    assert pages.get("server")["productName"] == "WSO2 Micro Integrator"
    for refused in (
        pages.users,
        pages.roles,
        lambda: pages.add_user("mallory", PASSWORD, is_admin=True),
        lambda: pages.delete("users/root"),
    ):
        with pytest.raises(Broken, match="403"):
            refused()
