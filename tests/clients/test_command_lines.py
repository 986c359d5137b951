"""What `mi` and `apictl mi` send (Go, resty), and what they make of the answers.

They put names into the path unescaped, and Go escapes what a URL cannot hold; bodies of writes
are decoded into a `map[string]string`; the status line is printed where the body is empty.
"""

from __future__ import annotations

import json
import ssl

import pytest

from tests.clients.conftest import PASSWORD, Stage
from tests.clients.wire import Wire, WireAnswer, basic

AGENT = "User-Agent: go-resty/2.7.0 (https://github.com/go-resty/resty)"


def go(
    wire: Wire, method: str, path: str, authorization: str, body: str | None = None
) -> WireAnswer:
    """A request with resty's headers, in Go's order."""
    head = [f"{method} /management/{path} HTTP/1.1", "Host: localhost:9164", AGENT]
    if body is None:
        return wire.send(*head, f"Authorization: {authorization}", "Accept-Encoding: gzip")
    content = body.encode()
    head += [f"Content-Length: {len(content)}", f"Authorization: {authorization}"]
    head += ["Content-Type: application/json", "Accept-Encoding: gzip"]
    return wire.send(*head, body=content)


def status_of(answer: WireAnswer) -> str:
    """What the client prints of a write that succeeded: it must be there, and all be strings."""
    assert answer.status_line == "HTTP/1.1 200 OK", answer
    said = answer.string_map
    assert "Error" not in said
    return said["status"]


def error_of(answer: WireAnswer) -> str:
    """What the client prints of a write that failed."""
    said = answer.string_map
    assert set(said) == {"Error"}
    return said["Error"]


def bearer(stage: Stage) -> str:
    return f"Bearer {stage.token}"


def test_login_and_logout(stage: Stage, wire: Wire) -> None:
    answer = go(wire, "GET", "login", f"Basic {basic('root', PASSWORD)}")
    token = answer.string_map["AccessToken"]
    assert answer.status_line == "HTTP/1.1 200 OK"
    assert go(wire, "GET", "users", f"Bearer {token}").status == 200
    answer = go(wire, "GET", "logout", f"Bearer {token}")
    assert (answer.status_line, answer.body) == ("HTTP/1.1 200 OK", b"")
    answer = go(wire, "GET", "users", f"Bearer {token}")
    assert answer.status_line == "HTTP/1.1 401 Unauthorized"


def test_after_a_401_they_log_in_and_send_the_same_again(stage: Stage, wire: Wire) -> None:
    body = json.dumps({"userId": "retried", "password": PASSWORD, "isAdmin": "false"})
    assert go(wire, "POST", "users", "Bearer of.old.times", body).status == 401
    answer = go(wire, "GET", "login", f"Basic {basic('root', PASSWORD)}")
    again = f"Bearer {answer.string_map['AccessToken']}"
    assert status_of(go(wire, "POST", "users", again, body)) == "Added"


@pytest.mark.parametrize("domain", ["", "\r", "primary", None])
def test_add_user_with_is_admin_as_a_string(stage: Stage, wire: Wire, domain: str | None) -> None:
    for number, is_admin in enumerate(("true", "false", "True", "")):
        name = f"added-{repr(domain).encode().hex()}-{number}"
        sent = {"userId": name, "password": PASSWORD, "isAdmin": is_admin}
        body = json.dumps(sent if domain is None else {**sent, "domain": domain})
        assert status_of(go(wire, "POST", "users", bearer(stage), body)) == "Added"
        shown = go(wire, "GET", f"users/{name}", bearer(stage)).json
        assert shown["isAdmin"] is (is_admin.lower() == "true")


def test_add_user_in_a_body_that_was_put_together_by_hand(stage: Stage, wire: Wire) -> None:
    """As `apictl` 3 does: over several lines, with tabs."""
    body = '{\n\t   "userId": "handmade",\n\t   "password": "pass1",\n\t   "isAdmin": "false"\n}'
    assert status_of(go(wire, "POST", "users", bearer(stage), body)) == "Added"
    again = go(wire, "POST", "users", bearer(stage), body)
    assert again.status_line == "HTTP/1.1 400 Bad Request"
    assert error_of(again) == "Error processing the request. User: handmade already exists."


def test_a_name_with_a_quotation_mark_breaks_such_a_body_and_says_so(
    stage: Stage, wire: Wire
) -> None:
    body = '{\n\t   "userId": "a"b",\n\t   "password": "pass1",\n\t   "isAdmin": "false"\n}'
    answer = go(wire, "POST", "users", bearer(stage), body)
    assert (answer.status, "JSON" in error_of(answer)) == (400, True)


UNESCAPED = [
    "a+b",
    "o'neil",
    "(x)",
    "a&b=c",
    "a;b",
    "a,b",
    "a@example.org",
    "a!$*~_-.b",
    "=",
    "a=b",
]


@pytest.mark.parametrize("name", UNESCAPED)
def test_names_stand_in_the_path_as_they_are(stage: Stage, wire: Wire, name: str) -> None:
    body = json.dumps({"userId": name, "password": PASSWORD, "isAdmin": "false"})
    assert status_of(go(wire, "POST", "users", bearer(stage), body)) == "Added"
    assert go(wire, "GET", f"users/{name}", bearer(stage)).json["userId"] == name
    assert status_of(go(wire, "DELETE", f"users/{name}", bearer(stage))) == "Deleted"
    answer = go(wire, "DELETE", f"users/{name}", bearer(stage))
    assert answer.status_line == "HTTP/1.1 404 Not Found"
    assert error_of(answer) == f"Requested resource not found. User: {name} cannot be found."


@pytest.mark.parametrize(
    ("name", "as_go_writes_it"),
    [
        ("Jürgen Müller", "J%C3%BCrgen%20M%C3%BCller"),
        ("山田", "%E5%B1%B1%E7%94%B0"),
    ],
)
def test_go_escapes_what_a_path_cannot_hold(
    stage: Stage, wire: Wire, name: str, as_go_writes_it: str
) -> None:
    body = json.dumps(
        {"userId": name, "password": PASSWORD, "isAdmin": "false"}, ensure_ascii=False
    )
    assert status_of(go(wire, "POST", "users", bearer(stage), body)) == "Added"
    shown = go(wire, "GET", f"users/{as_go_writes_it}", bearer(stage)).json
    assert shown == {"userId": name, "isAdmin": False, "roles": ["Internal/everyone"]}
    assert status_of(go(wire, "DELETE", f"users/{as_go_writes_it}", bearer(stage))) == "Deleted"


@pytest.mark.parametrize("name", ["c#sharp", "what?", "50%", "a\\b"])
def test_no_name_is_created_that_means_another_one_in_a_raw_path(
    stage: Stage, wire: Wire, name: str
) -> None:
    for path, body in (
        ("users", {"userId": name, "password": PASSWORD, "isAdmin": "false"}),
        ("roles", {"role": name}),
    ):
        answer = go(wire, "POST", path, bearer(stage), json.dumps(body))
        assert answer.status_line == "HTTP/1.1 400 Bad Request"
        assert "user_store.allow_any_name" in error_of(answer)


def test_a_role_with_a_space_is_created_with_a_warning_in_a_map_of_strings(
    stage: Stage, wire: Wire
) -> None:
    answer = go(wire, "POST", "roles", bearer(stage), json.dumps({"role": "release managers"}))
    assert status_of(answer) == "Added"
    assert list(answer.string_map) == ["role", "status", "warning"]
    assert "contains a space" in answer.string_map["warning"]


NAMED = (
    "apis?apiName=x",
    "endpoints?endpointName=x",
    "proxy-services?proxyServiceName=x",
    "sequences?sequenceName=x",
    "tasks?taskName=x",
    "inbound-endpoints?inboundEndpointName=x",
    "data-services?dataServiceName=x",
    "applications?carbonAppName=x",
    "message-processors?name=x",
    "message-stores?name=x",
    "local-entries?name=x",
    "data-sources?name=x",
    "templates?type=endpoint&name=x",
    "logging?loggerName=x",
    "logs?file=wso2carbon.log",
    "logs?file=",
)


@pytest.mark.parametrize("path", NAMED)
def test_an_artifact_that_is_named_is_not_found(stage: Stage, wire: Wire, path: str) -> None:
    answer = go(wire, "GET", path, bearer(stage))
    assert answer.status_line == "HTTP/1.1 404 Not Found"
    assert "no Micro Integrator is configured" in error_of(answer)
    assert go(wire, "GET", path.partition("?")[0], "Bearer none").status == 401


def test_artifacts_that_are_searched_are_an_empty_list(stage: Stage, wire: Wire) -> None:
    for path in ("apis", "apis?searchKey=x", "templates?type=sequence", "logs", "logging"):
        answer = go(wire, "GET", path, bearer(stage))
        assert (answer.status, answer.json) == (200, {"count": 0, "list": []})


@pytest.mark.parametrize("raw", ["a b", "ü", "a\x01"])
def test_what_http_does_not_allow_in_a_path_is_refused_in_the_same_form(
    stage: Stage, wire: Wire, raw: str
) -> None:
    answer = go(wire, "GET", f"users/{raw}", bearer(stage))
    assert answer.status_line == "HTTP/1.1 400 Bad Request"
    assert error_of(answer)


def test_lists_with_the_query_as_go_encodes_it(stage: Stage, wire: Wire) -> None:
    for name in ("listed one", "listed two", "unlisted"):
        stage.create(name)
    found = go(wire, "GET", "users?pattern=listed%2A", bearer(stage)).json
    names = [{"userId": "listed one"}, {"userId": "listed two"}]
    assert found == {"count": 2, "list": names}
    found = go(wire, "GET", "users?pattern=root&role=admin", bearer(stage)).json
    assert found == {"count": 1, "list": [{"userId": "root"}]}


def test_roles_with_an_empty_domain(stage: Stage, wire: Wire) -> None:
    body = json.dumps({"role": "developers", "domain": ""})
    assert status_of(go(wire, "POST", "roles", bearer(stage), body)) == "Added"
    answer = go(wire, "POST", "roles", bearer(stage), body)
    assert error_of(answer) == "The role : developers already exists"
    stage.create("developer")
    change = {
        "userId": "developer",
        "domain": "",
        "addedRoles": ["developers"],
        "removedRoles": None,
    }
    answer = go(wire, "PUT", "roles", bearer(stage), json.dumps(change))
    assert status_of(answer) == "Added/removed the roles"
    shown = go(wire, "GET", "roles/developers", bearer(stage)).json
    assert shown == {"role": "developers", "users": ["developer"]}
    assert status_of(go(wire, "DELETE", "roles/developers?domain=", bearer(stage))) == "Deleted"


def test_internal_roles_by_path_and_by_domain(stage: Stage, wire: Wire) -> None:
    body = json.dumps({"role": "testers", "domain": "Internal"})
    assert status_of(go(wire, "POST", "roles", bearer(stage), body)) == "Added"
    for path in ("roles/Internal/testers", "roles/testers?domain=Internal"):
        shown = go(wire, "GET", path, bearer(stage)).json
        assert shown == {"role": "Internal/testers", "users": []}
    answer = go(wire, "DELETE", "roles/testers?domain=Internal", bearer(stage))
    assert status_of(answer) == "Deleted"


def test_who_is_no_admin_sees_403_forbidden(stage: Stage, wire: Wire) -> None:
    """The clients' own tests look for these words, in the body or in the status line."""
    stage.create("plain")
    token = f"Bearer {stage.login('plain')}"
    for method, path, body in (
        ("GET", "users", None),
        ("GET", "users/nobody", None),
        ("POST", "users", "{}"),
        ("DELETE", "users/root", None),
        ("GET", "roles", None),
        ("PUT", "roles", "{}"),
    ):
        answer = go(wire, method, path, token, body)
        assert answer.status_line == "HTTP/1.1 403 Forbidden"
        assert error_of(answer).startswith("403 Forbidden")


def test_a_failure_is_never_taken_for_a_success(stage: Stage, wire: Wire) -> None:
    for method, path, body in (
        ("POST", "users", '{"userId":"x"}'),
        ("POST", "users", "[]"),
        ("PUT", "roles", '{"userId":"nobody","addedRoles":["x"]}'),
        ("PUT", "roles", '{"userId":"root"}'),
        ("DELETE", "users/nobody?domain=", None),
        ("DELETE", "roles/admin?domain=", None),
    ):
        answer = go(wire, method, path, bearer(stage), body)
        assert answer.status != 200
        assert error_of(answer)


def test_reason_phrases_stand_on_the_wire_in_canonical_case(stage: Stage, wire: Wire) -> None:
    wrong = f"Basic {basic('root', 'wrong')}"
    assert go(wire, "GET", "login", wrong).status_line == "HTTP/1.1 401 Unauthorized"
    answer = go(wire, "GET", "users/nobody", bearer(stage))
    assert answer.status_line == "HTTP/1.1 404 Not Found"
    answer = go(wire, "GET", "nothing/here", bearer(stage))
    assert answer.status_line == "HTTP/1.1 404 Not Found"
    answer = go(wire, "POST", "users", bearer(stage), "{")
    assert answer.status_line == "HTTP/1.1 400 Bad Request"


def test_a_get_may_carry_a_json_type_and_no_body(stage: Stage, wire: Wire) -> None:
    for path in ("users", "users/root", "roles", "server"):
        answer = wire.send(
            f"GET /management/{path} HTTP/1.1",
            "Host: localhost:9164",
            f"Authorization: {bearer(stage)}",
            "Content-Type: application/json",
        )
        assert answer.status == 200, answer
    answer = wire.send(
        "GET /management/login HTTP/1.1",
        "Host: localhost:9164",
        f"Authorization: Basic {basic('root', PASSWORD)}",
        "Content-Type: application/json",
        "Content-Length: 0",
    )
    assert answer.status == 200


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "Basic"])
def test_the_scheme_of_a_login_is_read_without_case(stage: Stage, wire: Wire, scheme: str) -> None:
    assert go(wire, "GET", "login", f"{scheme} {basic('root', PASSWORD)}").status == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_of_a_token_is_read_without_case(stage: Stage, wire: Wire, scheme: str) -> None:
    assert go(wire, "GET", "users", f"{scheme} {stage.token}").status == 200


def test_credentials_in_iso_8859_1_are_read(stage: Stage, wire: Wire) -> None:
    stage.create("jürgen")
    for encoding in ("utf-8", "latin-1"):
        credentials = basic("jürgen", PASSWORD, encoding)
        assert go(wire, "GET", "login", f"Basic {credentials}").status == 200


def test_a_client_that_would_speak_http_2_is_content_with_http_1(stage: Stage) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with stage.service.dial(context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
