"""The stand-in's resources answer as those of a Micro Integrator."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.micro_integrator.artifacts import KINDS, NAMES
from tests.micro_integrator.client import Client, basic
from tests.micro_integrator.instance import MicroIntegrator
from tests.micro_integrator.tokens import MOST_TOKENS

_NAMED = {name: kind for name, kind in KINDS.items() if kind.name_key}


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_counts_its_items(client: Client, kind: str) -> None:
    answer = client.get(kind)
    assert answer["count"] == len(answer["list"]) == len(NAMES)
    assert [item["name"] for item in answer["list"]] == list(NAMES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_key_filters_without_case(client: Client, kind: str) -> None:
    found = client.get(f"{kind}?searchKey=ORDER")["list"]
    assert [item["name"] for item in found] == ["OrderService", "orders v2"]


@pytest.mark.parametrize("kind", _NAMED)
def test_an_artifact_has_a_name_and_an_unknown_one_is_404(client: Client, kind: str) -> None:
    for name in NAMES:
        assert client.get(f"{kind}?{KINDS[kind].name_key}={quote(name, safe='')}")["name"] == name
    answer = client.ask("GET", f"{kind}?{KINDS[kind].name_key}=nobody")
    assert answer.status == 404
    assert list(answer.json) == ["Error"]


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.switches])
def test_a_switch_changes_what_a_get_shows(client: Client, kind: str) -> None:
    shown = {"trace": "tracing", "statistics": "stats", "status": "status"}
    for switch in KINDS[kind].switches:
        value = "inactive" if switch == "status" else "enable"
        sent = {"name": "it's/odd", switch: value}
        assert client.ask("POST", kind, sent).status == 200
        after = client.get(f"{kind}?{KINDS[kind].name_key}=it%27s/odd")
        assert after[shown[switch]] == {"enable": "enabled"}.get(value, value)


def test_templates_have_two_types(client: Client) -> None:
    both = client.get("templates")
    assert {key: len(found) for key, found in both.items()} == {
        "sequenceTemplateList": len(NAMES),
        "endpointTemplateList": len(NAMES),
    }
    assert client.get("templates?type=endpoint&name=a%2Bb")["name"] == "a+b"
    assert client.ask("GET", "templates?type=endpoint&name=x").status == 404
    sent = {"name": "a+b", "type": "sequence", "trace": "enable"}
    assert client.ask("POST", "templates", sent).status == 200
    assert client.get("templates?type=sequence&name=a%2Bb")["tracing"] == "enabled"


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        ("apis?force=true", {"name": "a+b", "trace": "enable"}),
        ("apis", {"trace": "enable"}),
        ("apis", {"name": "a+b"}),
        ("apis", {"name": "a+b", "trace": "on"}),
        ("apis", {"name": "a+b", "trace": "enable", "color": "red"}),
        ("apis", {"name": "a+b", "status": "active"}),
        ("endpoints", {"name": "a+b", "status": "running"}),
        ("apis", ["a+b"]),
        ("apis", b"{"),
        ("apis", b""),
    ],
)
def test_a_write_that_is_not_understood_is_400(client: Client, resource: str, body: object) -> None:
    answer = client.ask("POST", resource, body)
    assert answer.status == 400
    assert list(answer.json) == ["Error"]


def test_a_write_that_is_not_json_is_400(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "text/plain"}
    sent = b'{"name": "a+b", "trace": "enable"}'
    assert client.ask("POST", "apis", sent, headers).status == 400


def test_what_there_is_not_is_404_and_a_wrong_method_405(client: Client) -> None:
    for resource in ("nonsense", "apis/x", "users/x/y", "../apis", "external-vaults/other"):
        assert client.ask("GET", resource).status == 404, resource
    for method, resource in (("DELETE", "apis"), ("POST", "local-entries"), ("PUT", "server")):
        assert client.ask(method, resource).status == 405, resource
    answer = client.exchange(client.head("HEAD", "apis", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"\r\n\r\n")


def test_a_login_needs_the_account(mi: MicroIntegrator, client: Client) -> None:
    assert mi.logins == 1
    for wrong in ("Basic eDp5", "Basic ???", basic(mi)[:-4], "Bearer x"):
        answer = client.ask("GET", "login", headers={"Authorization": wrong})
        assert (answer.status, answer.body) == (401, b"")
    assert mi.logins == 1


def test_a_request_without_a_known_token_is_401_without_a_body(client: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": f"token={client.token}"}):
        answer = client.ask("GET", "apis", headers=headers)
        assert (answer.status, answer.body) == (401, b"")
    assert client.ask("GET", "apis", headers={}).headers["WWW-Authenticate"] == "Basic"


def test_the_oldest_of_more_than_200_tokens_is_forgotten(
    mi: MicroIntegrator, client: Client
) -> None:
    first = client.token
    for _ in range(MOST_TOKENS - 1):
        client.log_in()
    bearer = {"Authorization": f"Bearer {first}"}
    assert client.ask("GET", "server", headers=bearer).status == 200
    client.log_in()
    assert client.ask("GET", "server", headers=bearer).status == 401
    assert client.ask("GET", "server").status == 200
    assert (mi.logins, mi.state["tokens"]) == (MOST_TOKENS + 1, MOST_TOKENS)


def test_a_logout_ends_the_token(client: Client) -> None:
    assert client.ask("GET", "logout").status == 200
    assert client.ask("GET", "server").status == 401


def test_loggers_are_added_changed_and_removed(client: Client) -> None:
    new = {"loggerName": "new", "loggerClass": "org.example", "loggingLevel": "DEBUG"}
    assert client.ask("PATCH", "logging", new).status == 200
    assert client.ask("PATCH", "logging", new).status == 400
    changed = {"loggerName": "new", "loggingLevel": "WARN"}
    assert client.ask("PATCH", "logging", changed).status == 200
    assert client.get("logging?loggerName=new") == {
        "loggerName": "new",
        "componentName": "org.example",
        "level": "WARN",
    }
    assert client.get("logging?searchKey=NEW")["count"] == 1
    assert client.ask("DELETE", "logging?loggerName=new").status == 200
    assert client.ask("GET", "logging?loggerName=new").status == 400
    assert client.ask("PATCH", "logging", {**changed, "loggingLevel": "LOUD"}).status == 400


def test_configs_are_read_and_set(client: Client) -> None:
    sent = {"configName": "correlation", "configs": {"enabled": True}}
    assert client.ask("PUT", "configs", sent).status == 200
    assert client.get("configs?configName=correlation") == sent
    assert client.ask("GET", "configs").status == 400


def test_a_registry_resource_is_added_changed_and_deleted(client: Client) -> None:
    at = f"path={quote('registry/governance/new ä.json')}"
    content = f"registry-resources/content?{at}"
    assert client.ask("POST", f"{content}&mediaType=application/json", b"\x00\xff").status == 200
    assert client.ask("POST", content, b"").status == 400
    assert client.ask("GET", content).body == b"\x00\xff"
    assert client.get(f"registry-resources/metadata?{at}")["mediaType"] == "application/json"
    assert client.ask("PUT", content, b"other").status == 200
    assert client.ask("GET", content).body == b"other"
    properties = f"registry-resources/properties?{at}"
    assert client.ask("POST", properties, [{"name": "a", "value": "ü"}]).status == 200
    assert client.get(properties)["list"] == [{"name": "a", "value": "ü"}]
    assert client.ask("DELETE", f"{properties}&name=a").status == 200
    assert client.get(properties)["count"] == 0
    assert client.ask("DELETE", content).status == 200
    assert client.ask("GET", content).status == 400


def test_the_registry_is_listed_by_steps_or_as_a_whole(client: Client) -> None:
    children = client.get("registry-resources?path=registry")["list"]
    assert [item["name"] for item in children] == ["config", "governance"]
    whole = client.get("registry-resources?path=registry&expand=true")["list"]
    assert "governance/Bestell übersicht.xml" in [item["name"] for item in whole]
    for path in ("etc", "registry/../conf", "registry/nowhere"):
        assert client.ask("GET", f"registry-resources?path={path}").status == 400, path


def test_an_application_is_shown_downloaded_and_deleted(client: Client) -> None:
    name = quote(NAMES[3], safe="")
    assert client.get(f"applications?carbonAppName={name}")["name"] == NAMES[3]
    accept = {"Authorization": f"Bearer {client.token}", "Accept": "application/octet-stream"}
    file = client.ask("GET", f"applications?carbonAppName={name}", headers=accept)
    assert file.body.startswith(b"PK\x03\x04")
    before = client.get("applications")
    assert before["totalCount"] == before["activeCount"] + before["faultyCount"]
    assert client.ask("DELETE", f"applications/{name}").status == 200
    assert client.ask("DELETE", f"applications/{name}").status == 404
    assert client.get("applications")["activeCount"] == before["activeCount"] - 1


def test_the_rest_of_the_api_answers(mi: MicroIntegrator, client: Client) -> None:
    assert client.ask("GET", "", headers={}).json["ManagementApi"] == "Active"
    assert client.get("server")["productName"] == "WSO2 Micro Integrator"
    assert client.ask("PATCH", "server", {"status": "restartGracefully"}).status == 200
    assert mi.state["asked_state"] == "restartGracefully"
    assert client.ask("PATCH", "server", {"status": "explode"}).status == 400
    assert client.ask("POST", "external-vaults/hashicorp", {"secretId": "s"}).status == 200
    assert client.ask("POST", "external-vaults/hashicorp", {}).status == 400
    assert client.get("transactions/count?year=2026&month=5")["Month"] == 5
    assert client.ask("GET", "transactions/count?year=2026").status == 400
    report = client.get("transactions/report?start=2026-01&end=2026-02")["TransactionCountData"]
    assert [line[0] for line in report] == ["TIME_STAMP", "2026-01-01", "2026-02-01"]
