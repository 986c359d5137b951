"""What is forwarded to Micro Integrators (MIs), for whom, and what is written about it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import structlog

from mi_ldap.errors import NodeUnavailable
from mi_ldap.micro_integrators.forward import Outcome
from mi_ldap.micro_integrators.resources import RESOURCES, Audience, Body, Operation, Resource
from tests.api.client import Api
from tests.api.forwards import NODES, PORT, Gateway, gateway_over
from tests.icp_tokens import ICP, token
from tests.memory_store import MemoryStore
from tests.sql.stores import sqlite_place

ROWS = [(resource, operation) for resource in RESOURCES for operation in resource.operations]
BODY = {"name": "orders", "status": "inactive"}


@pytest.fixture
def gateway(memory: MemoryStore, tmp_path: Path, opened: ExitStack) -> Gateway:
    return gateway_over(memory, tmp_path, opened)


@pytest.fixture
def database_gateway(tmp_path: Path, opened: ExitStack) -> Gateway:
    """Over a database, which has hybrid roles."""
    place = opened.enter_context(sqlite_place(tmp_path))
    toml = NODES.replace('"night shift"', '"internal/Night shift"')
    return gateway_over(place.open(), tmp_path, opened, toml)


def path_of(resource: Resource) -> str:
    return resource.path.replace("{name}", "hello")


def body_of(operation: Operation) -> object:
    return {Body.JSON: BODY, Body.STREAMED: b"content", Body.NONE: None}[operation.body]


def test_each_row_of_the_table_is_forwarded_for_whom_it_is(gateway: Gateway) -> None:
    for row in ROWS:
        assert_forwarded_for_its_audience(gateway, *row)


def assert_forwarded_for_its_audience(
    gateway: Gateway, resource: Resource, operation: Operation
) -> None:
    path = f"/nodes/mi.2/management{path_of(resource)}"
    people = {Audience.READERS: gateway.user, Audience.OPERATORS: gateway.operator}
    order = [gateway.user, gateway.operator, gateway.admin]
    least = people.get(operation.audience, gateway.admin)
    for somebody in order:
        before = len(gateway.sent)
        status = somebody.ask(operation.method, path, body_of(operation)).status_code
        may = order.index(somebody) >= order.index(least)
        expected = (200, 1) if may else (403, 0)
        assert (status, len(gateway.sent) - before) == expected, (operation.method, path)
    stranger = gateway.user.stranger()
    assert stranger.ask(operation.method, path, body_of(operation)).status_code == 401
    sent = gateway.sent[-1]
    assert (sent.node, sent.method, sent.target) == ("mi.2", operation.method, path_of(resource))
    assert sent.is_write == (operation.method != "GET")
    assert (sent.body is None) == (operation.body is Body.STREAMED)


def test_a_forwarded_request_carries_its_user(gateway: Gateway) -> None:
    for somebody in (gateway.user, gateway.admin, gateway.user):
        somebody("GET", "/apis")
    bob, admin, again = (forward.user for forward in gateway.sent)
    assert bob == again != admin
    assert "" not in (bob, admin)


def test_without_a_node_reading_is_empty_and_writing_is_not_found(light_admin: Api) -> None:
    for row in ROWS:
        assert_empty(light_admin, *row)


def assert_empty(light_admin: Api, resource: Resource, operation: Operation) -> None:
    answer = light_admin(operation.method, path_of(resource), body_of(operation))
    if resource.path == "/server" and not operation.is_write:
        assert "mi_ldap" in answer.json["productName"]  # type: ignore[index]
    elif resource.is_list and not operation.is_write:
        assert answer.status_code == 200
        assert 0 in answer.json.values()  # type: ignore[union-attr]
        if operation.name_key not in ("", "path"):
            assert light_admin("GET", f"{resource.path}?{operation.name_key}=").status_code == 404
    else:
        assert answer.status_code == 404
        assert "no Micro Integrator is configured" in answer.text


def test_what_is_not_in_the_table_is_not_found(gateway: Gateway) -> None:
    for method, path in (
        ("PUT", "/apis"),
        ("POST", "/connectors"),
        ("DELETE", "/server"),
        ("GET", "/apis/hello"),
        ("GET", "/external-vaults/hashicorp"),
        ("GET", "/metadata"),
        ("GET", "/applications/a/b/fault"),
    ):
        assert gateway.admin(method, path).status_code == 404
    assert gateway.sent == []


def test_users_roles_and_sessions_are_answered_here(gateway: Gateway) -> None:
    for prefix in ("", "/nodes/mi-1"):
        for path in ("", "/users", "/users/bob", "/roles", "/rules"):
            assert gateway.admin.ask("GET", f"{prefix}/management{path}").status_code == 200
        assert gateway.user.ask("GET", f"{prefix}/management/users").status_code == 403
    assert gateway.user.ask("GET", "/nodes/mi.2/management/logout").status_code == 200
    assert gateway.user("GET", "/apis").status_code == 401
    assert gateway.sent == []


def test_the_node_is_named_by_path_else_by_port_else_it_is_the_first(gateway: Gateway) -> None:
    gateway.user("GET", "/apis")
    gateway.user("GET", "/apis", SERVER_PORT=PORT)
    gateway.user.ask("GET", "/nodes/mi-1/management/apis", SERVER_PORT=PORT)
    gateway.user("GET", "/apis", headers={"Host": f"localhost:{PORT}", "X-Forwarded-Port": PORT})
    assert [sent.node for sent in gateway.sent] == ["mi-1", "mi.2", "mi-1", "mi-1"]


@pytest.mark.parametrize(
    "path",
    [
        "/nodes/mi-3/management/apis",
        "/nodes/MI-1/management/apis",
        "/nodes/mi-1/management/apis/..",
        "/nodes/mi-1//management/apis",
        "/nodes/mi-1/./management/apis",
        "/nodes/mi-1/managementx",
        "/nodes/mi-1/console",
        "/nodes/mi-1/health",
        "/nodes/mi-1/nodes/mi-1/management/apis",
        "/nodes/mi-1",
        "/nodes//management/apis",
        "/nodes/management/apis",
        "//nodes/mi-1/management/apis",
        "/management/nodes/mi-1/management/apis",
    ],
)
def test_another_path_below_nodes_is_not_found(gateway: Gateway, path: str) -> None:
    assert gateway.admin.ask("GET", path).status_code == 404
    assert gateway.sent == []


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_the_answer_says_that_a_node_is_unknown(gateway: Gateway, method: str) -> None:
    answer = gateway.user.ask(method, "/nodes/mi-3/management/endpoints")
    said = "Requested resource not found. There is no such Micro Integrator."
    assert (answer.status_code, answer.json) == (404, {"Error": said})


@pytest.mark.parametrize(
    "path",
    [
        "//management/apis",
        "///management/apis",
        "/management%2Fapis",
        "/management/apis%2f",
        "/management/registry-resources%2fcontent",
        "/nodes%2Fmi-1/management/apis",
        "/nodes/mi-1%2Fmanagement/apis",
        "/nodes/mi-1/management%2fapis/",
    ],
)
def test_a_path_that_is_another_one_as_sent_is_not_found(gateway: Gateway, path: str) -> None:
    answer = gateway.admin.ask("GET", "/", PATH_INFO=unquote(path), RAW_URI=f"{path}?apiName=a/b")
    assert answer.status_code == 404
    assert gateway.sent == []


def test_the_server_is_this_one_unless_a_node_is_named(gateway: Gateway) -> None:
    assert "mi_ldap" in gateway.user.get("/server")["productName"]
    assert gateway.sent == []
    gateway.user("GET", "/server", SERVER_PORT=PORT)
    gateway.user.ask("GET", "/nodes/mi-1/management/server")
    gateway.admin("PATCH", "/server", {"status": "restart"})
    assert [(sent.node, sent.method) for sent in gateway.sent] == [
        ("mi.2", "GET"),
        ("mi-1", "GET"),
        ("mi-1", "PATCH"),
    ]


def test_a_request_counts_for_its_user_and_waits_for_its_audit_line(
    gateway: Gateway,
) -> None:
    gateway.user("GET", "/apis")
    gateway.user("GET", "/logs?file=a.log")
    gateway.operator("POST", "/apis", BODY)
    store = gateway.admin.services.store
    bob, olga = store.find_user("bob"), store.find_user("olga")
    assert bob
    assert olga
    found = [(sent.user, sent.is_reported) for sent in gateway.sent]
    assert found == [(bob.id, False), (bob.id, True), (olga.id, True)]


def test_a_head_is_a_get_without_a_body(gateway: Gateway) -> None:
    assert gateway.user("HEAD", "/logs?file=a.log").status_code == 200
    assert gateway.sent[0].method == "GET"


def test_only_the_keys_of_the_table_are_forwarded_encoded_anew(gateway: Gateway) -> None:
    gateway.user("GET", "/apis?x=1&apiName=a+b%26c%3D%2F%C3%A9&searchKey=&apiname=z")
    assert gateway.sent[0].target == "/apis?apiName=a%20b%26c%3D%2F%C3%A9&searchKey="


@pytest.mark.parametrize(
    "path",
    [
        "/apis?apiName=a&apiName=b",
        "/apis?apiName=a&%61piName=a",
        "/logs?file=../a",
        "/logs?file=..",
        "/logs?file=a/b",
        "/logs?file=a%5Cb",
        "/logs?file=%252e%252e%252fa",
        "/logs?file=a%00",
        "/apis?apiName=a%00",
        "/apis?searchKey=a%0D%0AX: 1",
        "/registry-resources/content?path=registry/../../etc/passwd",
        "/registry-resources?path=..",
        "/registry-resources/content?path=conf/./secret",
        "/registry-resources?path=%252e%252e/a",
        "/registry-resources?path=//host/a",
        "/registry-resources?path=file:///etc/passwd",
        "/registry-resources?path=file:/etc/passwd",
        "/registry-resources?path=%25252e%25252e/a",
        "/registry-resources?path=a%5C..%5Cb",
        "/registry-resources?path=a%0Ab",
        "/apis?apiName=%ff",
    ],
)
def test_a_query_that_is_ambiguous_or_leaves_its_folder_is_refused(
    gateway: Gateway, path: str
) -> None:
    assert gateway.admin("GET", path).status_code == 400
    assert gateway.sent == []


@pytest.mark.parametrize(
    "name", ["..", ".", "%252e%252e", "a%5Cb", "a%252fb", "a/b", "%00", "a%0D%0AX: 1", "%C2%85"]
)
def test_a_name_that_would_be_another_path_is_not_found(gateway: Gateway, name: str) -> None:
    assert gateway.admin("DELETE", f"/applications/{name}").status_code == 404
    assert gateway.sent == []


def test_paths_in_the_registry_are_forwarded(gateway: Gateway) -> None:
    gateway.user("GET", "/registry-resources/content?path=registry/config/a b..json")
    assert gateway.sent[0].target == (
        "/registry-resources/content?path=registry%2Fconfig%2Fa%20b..json"
    )


@pytest.mark.parametrize(
    "body",
    [
        *(None, b"", b"[]", b"name=a", b'{"name": "a", "name": "b"}', b"{" * 100_000),
        *(b'{"a": NaN,}', b'{"name": "a\\u0000"}', b'{"name": "a\\r\\nX: 1"}'),
        *(b'{"name": {"a": 1}}', b'{"name": ["a"]}'),
    ],
)
def test_a_body_that_is_no_json_object_or_has_an_impossible_name_is_refused(
    gateway: Gateway, body: bytes | None
) -> None:
    assert gateway.operator("POST", "/apis", body).status_code == 400
    assert gateway.sent == []


def test_a_body_that_is_too_large_is_refused_unless_it_is_streamed(gateway: Gateway) -> None:
    large = b'{"name": "' + b"x" * 2_000_000 + b'"}'
    assert gateway.operator("POST", "/apis", large).status_code == 413
    assert gateway.operator("POST", "/applications", large).status_code == 200
    assert [sent.body for sent in gateway.sent] == [None]


def test_a_body_passes_byte_by_byte(gateway: Gateway) -> None:
    body = b' {"name" : "\xc3\xa9\\u00e9", "other": [1.0e2] }\n'
    gateway.operator("POST", "/apis", body, headers={"Content-Type": "text/plain; charset=x"})
    assert gateway.sent[0].body == body
    assert ("content-type", "application/json") in gateway.sent[0].fields


def test_only_harmless_header_fields_are_forwarded(gateway: Gateway) -> None:
    mine = {
        "Accept": "application/octet-stream",
        "Range": "bytes=0-9",
        "If-Range": '"a"',
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "a=1",
        "X-Request-Id": "mine",
    }
    others = {
        "Cookie": "a=b",
        "Host": "mi-1.example.org",
        "X-Forwarded-For": "192.0.2.1",
        "X-HTTP-Method-Override": "DELETE",
        "X-Method-Override": "DELETE",
        "Accept-Encoding": "gzip",
        "Content-Type": "text/plain",
        "Proxy-Authorization": "Basic eDp5",
        "If-Match": "*",
        "Connection": "close",
    }
    answer = gateway.user("GET", "/logs?file=a.log", headers={**mine, **others})
    fields = dict(gateway.sent[0].fields)
    request_id = fields.pop("x-request-id")
    assert request_id == answer.headers["X-Request-Id"]
    assert request_id.startswith("mine.")
    assert fields == {name.lower(): value for name, value in mine.items() if name[0] != "X"}


def test_a_streamed_body_keeps_its_type(gateway: Gateway) -> None:
    kind = "multipart/form-data; boundary=x"
    headers = {"Content-Type": kind, "Range": "bytes=0-1", "Accept": "a/\xfc"}
    gateway.operator("POST", "/applications", b"--x", headers=headers)
    fields = dict(gateway.sent[0].fields)
    del fields["x-request-id"]
    assert fields == {"content-type": kind}


def test_where_the_server_cannot_forward_the_answer_says_so(
    memory: MemoryStore, tmp_path: Path, opened: ExitStack
) -> None:
    gateway = gateway_over(memory, tmp_path, opened)
    app = gateway.user.client.application
    app.wsgi_app = gateway.server._application  # type: ignore[method-assign]
    answer = gateway.user("GET", "/apis")
    assert answer.status_code == 503
    assert "mi-ldap serve" in answer.text
    assert gateway.admin("DELETE", "/applications/a").status_code == 503
    assert gateway.audited == []


# Who may


def test_operators_keep_no_right_when_their_role_is_revoked(gateway: Gateway) -> None:
    assert gateway.operator("POST", "/apis", BODY).status_code == 200
    gateway.admin.do("PUT", "/roles", {"userId": "olga", "removedRoles": ["operators"]})
    answer = gateway.operator("POST", "/apis", BODY)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (403, "operators_only")
    assert answer.text.startswith('{"Error":"403 Forbidden. Only operators and admins')


def test_a_role_of_an_operator_is_compared_as_the_store_compares_names(gateway: Gateway) -> None:
    gateway.admin.add_role("NIGHT Shift", "bob")
    assert gateway.user("POST", "/apis", BODY).status_code == 200


def test_a_hybrid_role_makes_operators(database_gateway: Gateway) -> None:
    gateway = database_gateway
    assert gateway.user("POST", "/apis", BODY).status_code == 403
    gateway.admin.add_role("Internal/night shift", "bob")
    assert gateway.user("POST", "/apis", BODY).status_code == 200


def test_operators_are_no_admins(gateway: Gateway) -> None:
    for method, path in (("GET", "/users"), ("POST", "/users"), ("DELETE", "/roles/operators")):
        assert gateway.operator(method, path).status_code == 403
    answer = gateway.operator("PATCH", "/server", {"status": "restart"})
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (403, "admins_only")


def with_api_settings(more: str) -> str:
    return NODES.replace("[[micro", f"[management_api.authorization_handler]\n{more}\n[[micro", 1)


def test_everybody_may_operate_if_the_settings_say_so(
    memory: MemoryStore, tmp_path: Path, opened: ExitStack
) -> None:
    toml = with_api_settings('operators_are = "everybody"')
    gateway = gateway_over(memory, tmp_path, opened, toml)
    assert gateway.user("POST", "/apis", BODY).status_code == 200
    for method, path in (("PATCH", "/server"), ("GET", "/configs"), ("DELETE", "/users/olga")):
        assert gateway.user(method, path, BODY).status_code == 403


def test_a_reserved_path_is_for_admins(
    memory: MemoryStore, tmp_path: Path, opened: ExitStack
) -> None:
    toml = with_api_settings('resources = ["/logs", "/registry-resources/content", "/users"]')
    gateway = gateway_over(memory, tmp_path, opened, toml)
    for path in ("/logs", "/logs/", "/registry-resources/content?path=a"):
        assert gateway.operator("GET", path).status_code == 403
        assert gateway.admin("GET", path).status_code == 200
    for path in ("//management/logs", "/nodes/mi-1/management/logs", "///management/logs/"):
        assert gateway.operator.ask("GET", "/", PATH_INFO=path).status_code == 403
    assert gateway.operator("PUT", "/registry-resources/content?path=a").status_code == 403
    assert gateway.operator("PUT", "/registry-resources?path=a").status_code == 200
    assert gateway.user("GET", "/apis").status_code == 200


def test_who_must_change_the_password_operates_nothing(
    gateway: Gateway, memory: MemoryStore
) -> None:
    memory.account("olga").must_change = True
    olga = gateway.operator.stranger().logged_in("olga")
    assert olga("GET", "/apis").status_code == 403
    assert olga("POST", "/apis", BODY).status_code == 403
    assert gateway.sent == []


def test_while_the_store_is_down_nothing_is_forwarded(
    gateway: Gateway, memory: MemoryStore
) -> None:
    memory.is_down = True
    assert gateway.admin("GET", "/apis").status_code == 503
    assert gateway.operator("POST", "/apis", BODY).status_code == 503
    assert gateway.sent == []


@pytest.mark.parametrize("account", ["", "admin"])
def test_icp_reads_artifacts_and_operates_none(
    memory: MemoryStore, tmp_path: Path, opened: ExitStack, account: str
) -> None:
    settings = {**ICP, **({"ICP_CONFIG__ACCOUNT": account} if account else {})}
    variables = {f"MI_LDAP_{key}": value for key, value in settings.items()}
    gateway = gateway_over(memory, tmp_path, opened, **variables)
    icp = replace(gateway.user, token=token())
    for path in ("/apis?apiName=a", "/logs", "/registry-resources?path=registry"):
        assert icp("GET", path).status_code == 200
    # The audit log must name somebody who has read a log file.
    assert icp("GET", "/logs?file=a.log").status_code == (200 if account else 403)
    sent = len(gateway.sent)
    for resource, operation in ROWS:
        if operation.is_write or operation.audience is Audience.ADMINS:
            path = path_of(resource)
            assert icp(operation.method, path, body_of(operation)).status_code == 403
    assert len(gateway.sent) == sent
    assert {line[0] for line in gateway.audited} <= {"", account}
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("account", ["", "admin"])
def test_what_is_reserved_for_admins_is_closed_to_icp(
    memory: MemoryStore, tmp_path: Path, opened: ExitStack, account: str
) -> None:
    settings = {**ICP, **({"ICP_CONFIG__ACCOUNT": account} if account else {})}
    variables = {f"MI_LDAP_{key}": value for key, value in settings.items()}
    toml = with_api_settings('resources = ["/logs"]')
    gateway = gateway_over(memory, tmp_path, opened, toml, **variables)
    icp = replace(gateway.user, token=token())
    assert icp("GET", "/logs").status_code == 403
    assert gateway.sent == []
    assert icp("GET", "/apis").status_code == 200
    structlog.contextvars.clear_contextvars()


# The audit log


def outcome(status: int, *, is_effect_known: bool = True, reason: str = "") -> Outcome:
    return Outcome(status, 0, 0, 0.1, is_effect_known, reason)


INFO = {
    "node": "mi-1",
    "method": "POST",
    "resource": "apis",
    "name": "orders",
    "status": "inactive",
}


@pytest.mark.parametrize(
    ("ended", "word", "reason"),
    [
        (outcome(200), "done", ""),
        (outcome(304), "done", ""),
        (outcome(400), "failed", "The Micro Integrator answered 400."),
        (outcome(404), "failed", "The Micro Integrator answered 404."),
        (outcome(302), "failed", "The Micro Integrator answered 302."),
        (outcome(502, reason="It refuses the account."), "failed", "It refuses the account."),
        (outcome(502, is_effect_known=False, reason="It broke off."), "unknown", "It broke off."),
    ],
)
def test_an_operation_has_a_line_before_and_one_after(
    gateway: Gateway, ended: Outcome, word: str, reason: str
) -> None:
    answer = gateway.operator("POST", "/apis", BODY)
    assert gateway.audited == [("olga", "operated", INFO, "pending", "")]
    gateway.sent[0].finished(ended)
    info = {**INFO, "answer": ended.status}
    assert gateway.audited[1:] == [("olga", "operated", info, word, reason)]
    own = {(line["requestId"], line["client"]) for line in gateway.admin.lines[-2:]}
    assert own == {(answer.headers["X-Request-Id"], "127.0.0.1")}


def test_an_operation_that_was_not_sent_is_undone(gateway: Gateway) -> None:
    gateway.operator("POST", "/apis", BODY)
    gateway.sent[0].refused(NodeUnavailable("mi-1 is down."))
    assert gateway.audited[1:] == [("olga", "operated", INFO, "undone", "mi-1 is down.")]


def test_reading_a_log_file_and_configurations_is_audited_and_lists_are_not(
    gateway: Gateway,
) -> None:
    for path in ("/logs", "/apis?apiName=a", "/logs?searchKey=a"):
        gateway.user("GET", path)
        gateway.sent[-1].finished(outcome(200))
    gateway.user("GET", "/logs?file=a.log")
    gateway.admin("GET", "/configs?configName=correlation")
    assert [(line[0], line[1], line[2]["name"]) for line in gateway.audited] == [
        ("bob", "read", "a.log"),
        ("admin", "read", "correlation"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "more"),
    [
        ("DELETE", "/applications/hello", None, {"name": "hello"}),
        ("DELETE", "/logging?loggerName=a", None, {"name": "a"}),
        (
            "PATCH",
            "/logging",
            {"loggerName": "a", "loggingLevel": "DEBUG"},
            {"name": "a", "loggingLevel": "DEBUG"},
        ),
        ("PUT", "/registry-resources/content?path=a/b", b"x", {"name": "a/b"}),
        (
            "DELETE",
            "/registry-resources/properties?path=a&name=p",
            None,
            {"name": "a", "property": "p"},
        ),
        ("POST", "/applications", b"x", {"name": ""}),
        ("PATCH", "/server", {"status": "shutdown"}, {"name": "", "status": "shutdown"}),
        ("POST", "/external-vaults/hashicorp", {"secretId": "secret"}, {"name": ""}),
        ("POST", "/apis?apiName=other", {"name": 5, "trace": "enable"}, {"name": "5"}),
        ("POST", "/templates?type=x", {"name": "a", "type": "sequence"}, {"type": "sequence"}),
    ],
)
def test_a_line_names_what_was_operated(
    gateway: Gateway, method: str, path: str, body: Any, more: dict[str, str]
) -> None:
    assert gateway.admin(method, path, body).status_code == 200
    assert more.items() <= gateway.audited[0][2].items()
    # What the node reads of a body is what was audited.
    assert "?" not in gateway.sent[0].target or not isinstance(body, dict)
    assert "secret" not in str(gateway.audited)


def test_a_name_that_the_audit_log_cannot_hold_is_refused(gateway: Gateway) -> None:
    path = f"/registry-resources/content?path={'a/' * 513}b"
    assert gateway.operator("DELETE", path).status_code == 400
    answer = gateway.operator("POST", "/apis", {"name": "é" * 513, "status": "active"})
    assert answer.status_code == 400
    assert (gateway.sent, gateway.audited) == ([], [])
    gateway.operator("POST", "/apis", {"name": "é" * 512, "status": "y" * 5000})
    info = gateway.audited[0][2]
    assert (info["name"], len(info["status"])) == ("é" * 512, 128)


def test_a_name_that_is_not_unicode_is_forwarded_and_audited(gateway: Gateway) -> None:
    surrogate = b'{"name": "\\ud800"}'
    assert gateway.operator("POST", "/apis", surrogate).status_code == 200
    assert gateway.user("POST", "/apis", surrogate).status_code == 403
    assert [line[2]["name"] for line in gateway.audited] == ["\ud800", "\ud800"]


def test_a_refused_operation_takes_little_of_the_audit_log(gateway: Gateway) -> None:
    keys = ("name", "status", "trace", "statistics", "type", "loggingLevel")
    assert gateway.user("POST", "/apis", dict.fromkeys(keys, "é" * 512)).status_code == 403
    assert len(json.dumps(gateway.admin.lines[-1])) < 1000


def test_refused_operations_are_audited_and_refused_reads_of_lists_are_not(
    gateway: Gateway,
) -> None:
    gateway.user("POST", "/apis", BODY)
    gateway.user("POST", "/apis", b"no JSON")
    gateway.operator("GET", "/configs?configName=a")
    gateway.operator("GET", "/configs")
    gateway.user.stranger()("POST", "/apis", BODY)
    lines = [(line[0], line[1], line[2]["name"], line[3]) for line in gateway.audited]
    assert lines == [
        ("bob", "refused", "orders", "refused"),
        ("bob", "refused", "", "refused"),
        ("olga", "refused", "a", "refused"),
    ]


def test_an_operation_that_cannot_be_audited_is_not_forwarded(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_line: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gateway.admin.services.audit._file, "append", fail)
    for somebody in (gateway.admin, gateway.user):
        answer = somebody("POST", "/apis", BODY)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (503, "audit_unavailable")
    assert gateway.sent == []
    assert gateway.user("GET", "/apis").status_code == 200
    gateway.sent[0].finished(outcome(200))
