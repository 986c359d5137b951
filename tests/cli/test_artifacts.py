"""`mi` with the artifacts and loggers of a Micro Integrator (MI)."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from mi_ldap.cli.kinds import ARTIFACTS, LOGGERS, LOGS, Kind
from mi_ldap.cli.main import run
from mi_ldap.cli.options import Options
from mi_ldap.client.artifacts import ArtifactsApi
from tests.cli.impostors import answering, impostor, in_turn
from tests.cli.terminal import Person
from tests.cli.test_connections import logged_in_at
from tests.cli.test_domains import completed
from tests.micro_integrator import Fault, MicroIntegrator
from tests.micro_integrator.artifacts import NAMES

EVERY = (*ARTIFACTS, LOGS, LOGGERS)
BODIES = {"status": 200, "content_type": "application/json"}


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.command)
def test_every_kind_is_listed_searched_and_shown(operator: Person, kind: Kind) -> None:
    rows = operator.done(kind.command, "show", "--format", "csv").lines
    assert rows[0] == ",".join(kind.columns)
    name = rows[2].split(",")[0]
    found = operator.done(kind.command, "show", "-s", name[3:].upper(), "--format", "csv").lines
    assert rows[2] in found
    assert len(found) < len(rows)
    named = [*kind.types[:1], name]
    assert name in operator.done(kind.command, "show", *named).out
    missing = operator(kind.command, "show", *kind.types[:1], "not there")
    assert (missing.status, "not there" in missing.sentence) == (1, True)


def test_the_names_of_other_command_lines_are_aliases(operator: Person) -> None:
    for name in ("compositeapp", "dataservice", "inboundendpoint", "localentry", "logs"):
        assert operator.done(name, "show").status == 0
    for name in ("messageprocessor", "messagestore", "proxyservice"):
        assert operator.done(name, "show", "OrderService").status == 0


@pytest.mark.parametrize(
    ("kind", "command"),
    [(kind, command) for kind in ARTIFACTS for command in kind.states],
    ids=lambda value: value if isinstance(value, str) else value.command,
)
def test_states_are_changed(
    integrator: MicroIntegrator, operator: Person, kind: Kind, command: str
) -> None:
    integrator.clear()
    said = operator.done(kind.command, command, "50% off").out
    assert said in {
        f"{kind.noun.capitalize()} 50% off was {done}.\n"
        for done in ("activated", "deactivated", "triggered")
    }
    (sent,) = integrator.forwarded
    assert (sent.method, sent.path) == ("POST", f"/management/{kind.resource}")
    assert json.loads(sent.body) == {"name": "50% off", "status": kind.states[command]}
    ran = operator(kind.command, command, "not there")
    assert (ran.status, ran.out, "not there" in ran.sentence) == (1, "", True)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_reaches_the_integrator(operator: Person, name: str) -> None:
    assert operator.done("api", "show", "--format", "json", "--", name).json["name"] == name


def test_details_have_a_line_for_each_value(integrator: MicroIntegrator, operator: Person) -> None:
    text = json.dumps(
        {
            "name": "Orders",
            "isRunning": True,
            "status": "active",
            "Status": 1,
            "wsdl1_1": None,
            "port": -1,
            "methods": ["GET", "POST"],
            "resources": [{"methods": ["GET"], "url": "/x"}],
            "parameters": {"interval": 5, "nested": {"a": [True]}},
            "configuration": "<a>\r\n  <b/>\n</a>",
        }
    )
    integrator.set_mode(Fault.ANSWER, resource="apis", text=text, **BODIES)
    assert operator.done("api", "show", "Orders").lines == [
        "Name           Orders",
        "Is running     yes",
        "Status         active",
        "               1",
        "WSDL 1.1",
        "Port           -1",
        "Methods        GET",
        "               POST",
        "Resources      methods: GET, url: /x",
        "Parameters     interval: 5",
        '               nested: {"a": [true]}',
        "Configuration  <a>",
        "                 <b/>",
        "               </a>",
    ]
    assert operator.done("api", "show", "Orders", "--format", "csv").lines == [
        "name,isRunning,status,Status,wsdl1_1,port,methods,resources,parameters,configuration",
        'Orders,true,active,1,,\'-1,"GET;POST","[{""methods"": [""GET""], ""url"": ""/x""}]",'
        '"{""interval"": 5, ""nested"": {""a"": [true]}}",<a>\\r\\n  <b/>\\n</a>',
    ]
    assert operator.done("api", "show", "Orders", "--format", "json").json == json.loads(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"list": []}', ["NAME  URL  TRACING"]),
        ('{"list": [{"name": "a", "other": 1}]}', ["NAME", "a"]),
        ('{"list": ["a", 7, null]}', ["NAME", "a", "7", ""]),
        (
            '{"list": [{"url": "u"}, {"name": {"b": 1}}]}',
            ["NAME      URL", "          u", '{"b": 1}'],
        ),
        ('{"list": [{"name": "\\u001b[31m\\nx\\ud800"}]}', ["NAME", "\\x1b[31m\\nx\\ud800"]),
    ],
)
def test_lists_of_other_versions_are_shown(
    integrator: MicroIntegrator, operator: Person, text: str, lines: list[str]
) -> None:
    integrator.set_mode(Fault.ANSWER, resource="apis", text=text, **BODIES)
    assert operator.done("api", "show").lines == lines
    for output_format in ("json", "csv"):
        assert "\x1b" not in operator.done("api", "show", "--format", output_format).out


def test_keys_and_headings_cannot_control_the_terminal(
    integrator: MicroIntegrator, operator: Person
) -> None:
    text = '{"TransactionCountData": [["a\\u001b[31m"], ["b\\u001b"], 7], "\\u001b]0;x": "y"}'
    integrator.set_mode(Fault.ANSWER, text=text, **BODIES)
    for command in (["transaction", "report", "2026-01"], ["transaction", "count"]):
        for output_format in ("table", "json", "csv"):
            assert "\x1b" not in operator.done(*command, "--format", output_format).out


@pytest.mark.parametrize(
    ("status", "text", "says"),
    [
        (200, '{"Error": "Invalid type."}', "Invalid type."),
        (200, '{"error": "No statistics."}', "No statistics."),
        (404, "", "The Micro Integrator answered 404 Not Found."),
        (403, '{"Error": "403 Forbidden. Not you."}', "403 Forbidden. Not you."),
        (401, "", "The login to default has ended: log in again with 'mi remote login'."),
        (503, '{"Error": "Node mi-1 is down."}', "Node mi-1 is down."),
    ],
)
def test_errors(
    integrator: MicroIntegrator, operator: Person, status: int, text: str, says: str
) -> None:
    integrator.set_mode(Fault.ANSWER, status=status, text=text, content_type="application/json")
    for command in (["api", "show"], ["api", "show", "x"], ["task", "trigger", "x"]):
        ran = operator(*command)
        assert (ran.status, ran.out, ran.sentence) == (1, "", says)
    ran = operator("log", "download", "x")
    assert (ran.status, ran.out, ran.sentence) == (1, "", says)


@pytest.mark.parametrize("text", ['{"list": {}}', '{"count": 0}', "[]", "<html>"])
def test_an_answer_without_a_list(integrator: MicroIntegrator, operator: Person, text: str) -> None:
    integrator.set_mode(Fault.ANSWER, text=text, **BODIES)
    ran = operator("api", "show")
    assert (ran.status, ran.out, "answered 200 without the JSON" in ran.sentence) == (1, "", True)


@pytest.mark.parametrize("output_format", ["table", "json", "csv"])
def test_an_answer_that_is_nested_too_deeply_to_be_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output_format: str
) -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    api = create_autospec(ArtifactsApi, instance=True)
    api.__enter__.return_value.lists.return_value = {"list": [nested]}
    monkeypatch.setattr(Options, "artifacts", lambda _options: api)
    assert run(["api", "show", "--format", output_format]) == 1
    assert capsys.readouterr().err == "The response is nested too deeply to be shown.\n"


def test_templates_are_named_within_their_type(operator: Person) -> None:
    rows = operator.done("template", "show", "--format", "csv").lines
    assert [row.split(",")[-1] for row in rows[1:]] == ["endpoint"] * 12 + ["sequence"] * 12
    rows = operator.done("template", "show", "sequence", "--format", "csv").lines
    assert rows[1:3] == ["OrderService,sequence", "orders v2,sequence"]
    assert len(rows) == 13
    assert operator("template", "show", "Orders").status == 2


def test_applications_have_a_status(operator: Person) -> None:
    rows = operator.done("application", "show", "--format", "csv").lines
    assert (rows[1], rows[-1]) == ("OrderService,1.0.0,active", "Faulty éxporter,1.0.0,faulty")


def test_levels_are_set_and_loggers_added(operator: Person) -> None:
    said = operator.done("log-level", "update", "synapse-part-3", "debug").out
    assert said == "Logger synapse-part-3 now has level DEBUG.\n"
    level = operator.done("log-level", "show", "synapse-part-3", "--format", "json").json["level"]
    assert level == "DEBUG"
    added = ("log-level", "update", "mine", "TRACE", "org.example.Mine")
    said = operator.done(*added).out
    assert said == "Logger mine was added for org.example.Mine, and has level TRACE.\n"
    assert "try updating the level instead" in operator(*added).sentence
    ran = operator("log-level", "update", "mine", "LOUD")
    assert (ran.status, "'LOUD' is not one of 'OFF'" in ran.sentence) == (2, True)


def test_transactions(integrator: MicroIntegrator, operator: Person) -> None:
    assert operator.done("transaction", "count").lines[0].split() == ["Year", "2026"]
    assert operator.done("transaction", "count", "2025", "3").lines[1].split() == ["Month", "3"]
    assert "MONTH" in operator("transaction", "count", "2025").sentence
    rows = [["NODE", "MONTH", "COUNT"], ["mi-1", "2026-01", "7"], ["mi-1", "2026-02", "=8"]]
    text = json.dumps({"TransactionCountData": rows})
    integrator.clear()
    integrator.set_mode(Fault.ANSWER, resource="transactions/report", text=text, **BODIES)
    report = ("transaction", "report", "2026-01", "2026-02")
    assert operator.done(*report).lines[:2] == ["NODE  MONTH    COUNT", "mi-1  2026-01  7"]
    assert operator.done(*report, "--format", "csv").lines[2] == "mi-1,2026-02,'=8"
    assert operator.done("transaction", "report", "2026-01", "--format", "json").json == json.loads(
        text
    )
    queries = [sent.target.partition("?")[2] for sent in integrator.forwarded]
    assert queries[1:] == ["start=2026-01&end=2026-02", "start=2026-01"]
    assert operator("transaction", "report", "January").status == 2


def test_the_node_is_a_part_of_the_path(newcomer: Person, tmp_path: Path) -> None:
    answers = answering("200 OK", b'{"name": "x", "message": "done", "list": []}')
    commands = (
        ["api", "show"],
        ["api", "show", "x"],
        ["task", "activate", "x"],
        ["log", "show"],
        ["log-level", "update", "x", "INFO"],
        ["transaction", "count"],
    )
    with impostor(tmp_path, answers) as (one, ca):
        person = logged_in_at(one.port, ca, newcomer)
        for command in commands:
            person.done(*command, "--node", "mi/2")
        person("log", "download", "x", "--node", "mi/2")
        person.done("user", "show")
    heads = [heard.split(b"\r\n")[0].split(b" ")[1] for heard in one.heard]
    assert all(head.startswith(b"/nodes/mi%2F2/management/") for head in heads[:-1])
    assert heads[-1] == b"/management/users"
    ran = person("api", "show", "--node", "")
    assert (ran.status, ran.sentence) == (
        2,
        "--node is empty: leave it out. See 'mi api show --help'.",
    )


NODES = b'{"status": "ready", "nodes": {"mi-1": "up", "mi-\\u001b2": "down"}}'


def test_nodes_are_listed_without_a_login(newcomer: Person, tmp_path: Path) -> None:
    answers = in_turn(
        answering("200 OK", NODES),
        answering("200 OK", NODES),
        answering("200 OK", b'{"status": "ready"}'),
        answering("200 OK", b'{"nodes": ["mi-1"]}'),
        answering("503 Service Unavailable", b'{"Error": "The directory is down."}'),
    )
    with impostor(tmp_path, answers) as (one, ca):
        newcomer.done("remote", "update", "default", "localhost", str(one.port), "--ca", str(ca))
        lines = newcomer.done("node", "list").lines
        assert lines == ["NODE      STATE", "mi-1      up", "mi-\\x1b2  down"]
        assert completed(newcomer, "api", "show", "--node", "mi") == ["mi-1"]
        assert newcomer.done("node", "show", "--format", "csv").out == "node,state\n"
        assert "answered 200 without the JSON" in newcomer("node", "show").sentence
        assert newcomer("node", "show").sentence == "The directory is down."
    assert all(heard.startswith(b"GET /ready HTTP/1.1\r\n") for heard in one.heard)
    assert not any(b"authorization" in heard.lower() for heard in one.heard)


def test_names_are_completed(operator: Person) -> None:
    assert completed(operator, "api", "show", "c#") == ["c#sharp"]
    assert completed(operator, "endpoint", "activate", "Order") == ["OrderService"]
    assert completed(operator, "template", "show", "se") == ["sequence"]
    assert completed(operator, "template", "show", "sequence", "Order") == ["OrderService"]
    assert completed(operator, "log", "download", "aud") == ["audit.log"]
    assert completed(operator, "log-level", "update", "root") == ["rootLogger"]
    assert completed(operator, "log-level", "update", "rootLogger", "DE") == ["DEBUG"]
    assert completed(operator, "api", "show", "nothing") == []
