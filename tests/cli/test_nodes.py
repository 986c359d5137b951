"""`mi` with a service and the two Micro Integrators behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi_ldap.cli.kinds import ARTIFACTS, LOGGERS, LOGS
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.micro_integrators.resources import RESOURCES
from tests.cli.conftest import PASSWORD
from tests.cli.nodes import with_node
from tests.cli.terminal import Person
from tests.cli.test_domains import completed
from tests.micro_integrator import MicroIntegrator, log_bytes
from tests.service import environment, running
from tests.subtree import Tool, host_of, subtree_in

SETTINGS = """
[management_api]
operator_roles = ["operators"]
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The nodes, and people: an admin, and two others, one of whom is an operator."""

    nodes: dict[str, MicroIntegrator]
    admin: Person
    operator: Person
    reader: Person


@pytest.fixture(scope="module")
def fleet(embedded: EmbeddedDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    host = host_of(embedded)
    tool = Tool(host.url, *host.tool)
    with ExitStack() as closing:
        closing.callback(tool.close)
        nodes = {}
        for each in ("mi-1", "mi-2"):
            (folder / each).mkdir()
            nodes[each] = closing.enter_context(MicroIntegrator(folder / each))
        config = folder / "config.toml"
        tables = (with_node(each, node) for each, node in nodes.items())
        config.write_text("".join([SETTINGS, *tables]), encoding="utf-8")
        env = environment(folder / "state", closing.enter_context(subtree_in(host, tool)))
        service = closing.enter_context(running({**env, "MI_LDAP_CONFIG": str(config)}))
        admin = logged_in(folder / "admin", "admin", service.port)
        admin.done("role", "create", "operators")
        for each in ("ola", "rita"):
            admin.done("user", "create", each, PASSWORD, "no")
        admin.done("role", "assign", "ola", "operators")
        operator = logged_in(folder / "ola", "ola", service.port)
        yield Fleet(nodes, admin, operator, logged_in(folder / "rita", "rita", service.port))


def logged_in(home: Path, name: str, port: int) -> Person:
    home.mkdir()
    person = Person(home)
    person.done("remote", "update", "default", "localhost", str(port))
    person.done("remote", "trust", "--yes")
    person.done("remote", "login", name, given=f"{PASSWORD}\n")
    return person


def test_a_node_is_chosen(fleet: Fleet) -> None:
    said = fleet.operator.done("endpoint", "deactivate", "a+b", "--node", "mi-2").out
    assert said == "Endpoint a+b was deactivated.\n"
    show = ("endpoint", "show", "a+b", "--format", "json")
    assert fleet.reader.done(*show, "--node", "mi-2").json["status"] == "inactive"
    assert fleet.reader.done(*show, "--node", "mi-1").json["status"] == "active"
    assert fleet.reader.done(*show).json["status"] == "active"
    assert completed(fleet.reader, "api", "show", "--node", "") == ["mi-1", "mi-2"]
    assert completed(fleet.reader, "api", "show", "--node", "mi-2", "c#") == ["c#sharp"]
    ran = fleet.reader(*show, "--node", "mi-3")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)


def test_operators_change_artifacts_and_others_read_them(fleet: Fleet) -> None:
    for change in (
        ("task", "trigger", "orders v2"),
        ("proxy-service", "activate", "it's/odd"),
        ("log-level", "update", "synapse-part-1", "DEBUG"),
    ):
        assert fleet.reader(*change).sentence.startswith("403 Forbidden.")
        fleet.operator.done(*change)
        fleet.admin.done(*change)
    for reading in (("api", "show"), ("log-level", "show"), ("transaction", "count")):
        fleet.reader.done(*reading)


def test_a_log_file_is_downloaded_through_the_service(fleet: Fleet) -> None:
    size = 5_000_000
    fleet.nodes["mi-2"].add_log("big.log", size)
    fleet.reader.done("log", "download", "big.log", "--node", "mi-2")
    assert (fleet.reader.home / "big.log").read_bytes() == log_bytes(size)
    ran = fleet.reader("log", "download", "big.log", "-p", "other.log")
    assert (ran.status, "big.log" in ran.sentence) == (1, True)
    assert not (fleet.reader.home / "other.log").exists()


def test_a_node_that_is_down(fleet: Fleet) -> None:
    assert fleet.reader.done("node", "show").lines == ["NODE  STATE", "mi-1  up", "mi-2  up"]
    fleet.nodes["mi-2"].stop()
    try:
        ran = fleet.reader("api", "show", "--node", "mi-2")
        assert (ran.status, ran.out, "mi-2" in ran.sentence) == (1, "", True)
        fleet.reader.done("api", "show")
    finally:
        fleet.nodes["mi-2"].start()


def test_every_kind_is_forwarded() -> None:
    forwarded = {each.path: each for each in RESOURCES}
    for kind in (*ARTIFACTS, LOGS, LOGGERS):
        resource = forwarded[f"/{kind.resource}"]
        assert {kind.query_key or "searchKey", "searchKey"} <= set(resource.query), kind.command
        assert ("type" in resource.query) is bool(kind.types), kind.command
        methods = {operation.method for operation in resource.operations}
        assert {"GET", *(["POST"] if kind.states else [])} <= methods, kind.command
