"""What the `mi` command and `apictl mi` send, byte by byte, and what they make of the answers."""

from __future__ import annotations

import json

import pytest

from tests.clients.conftest import Client, basic

JSON = "Content-Type: application/json"


def test_login_is_a_get_with_a_json_type_and_no_body(stranger: Client, admin: Client) -> None:
    assert admin.token
    answer = stranger.send(
        "GET /management/login HTTP/1.1",
        JSON,
        "User-Agent: Go-http-client/1.1",
        "Accept-Encoding: gzip",
        basic("admin", "admin"),
    )
    assert answer.strings["AccessToken"].count(".") == 2


@pytest.mark.parametrize("scheme", ["basic", "BASIC"])
def test_the_scheme_has_no_case(stranger: Client, admin: Client, scheme: str) -> None:
    header = basic("admin", "admin").replace("Basic", scheme)
    answer = stranger.send("GET /management/login HTTP/1.1", header)
    assert answer.status_line == "HTTP/1.1 200 OK"
    users = stranger.send("GET /management/users HTTP/1.1", f"authorization: {scheme.swapcase()} x")
    assert users.status_line == "HTTP/1.1 401 Unauthorized"
    bearer = f"Authorization: {'bearer' if scheme == 'basic' else 'BEARER'} {admin.token}"
    assert stranger.send("GET /management/users HTTP/1.1", bearer).json["count"] >= 1


def test_status_lines_are_what_the_clients_print(stranger: Client, admin: Client) -> None:
    refused = stranger.send("GET /management/login HTTP/1.1", basic("admin", "wrong"))
    assert refused.status_line == "HTTP/1.1 401 Unauthorized"
    assert set(refused.strings) == {"Error"}
    missing = admin.send("GET /management/users/nobody HTTP/1.1", JSON)
    assert missing.status_line == "HTTP/1.1 404 Not Found"
    add(admin, "plain")
    plain = stranger.logged_in("plain", "password")
    forbidden = plain.send("GET /management/users HTTP/1.1", JSON)
    assert forbidden.status_line == "HTTP/1.1 403 Forbidden"
    assert forbidden.strings["Error"].startswith("403 Forbidden")


def add(client: Client, name: str, **more: object) -> dict[str, str]:
    body = json.dumps({"userId": name, "password": "password", **more}).encode()
    answer = client.send("POST /management/users HTTP/1.1", JSON, body=body)
    assert answer.status_line == "HTTP/1.1 200 OK", answer
    return answer.strings


@pytest.mark.parametrize(
    ("name", "sent", "is_admin"),
    [("go1", "true", True), ("go2", "false", False), ("go3", "True", True), ("go4", "", False)],
)
def test_is_admin_comes_as_a_string(admin: Client, name: str, sent: str, is_admin: bool) -> None:
    assert add(admin, name, isAdmin=sent) == {"userId": name, "status": "Added"}
    shown = admin.send(f"GET /management/users/{name} HTTP/1.1", JSON).json
    assert shown["isAdmin"] is is_admin


@pytest.mark.parametrize("domain", ["", "\r", "primary"])
def test_the_domain_comes_empty_or_from_windows(admin: Client, domain: str) -> None:
    name = f"from{len(domain)}"
    assert add(admin, name, isAdmin="false", domain=domain)["status"] == "Added"
    gone = admin.send(f"DELETE /management/users/{name}?domain= HTTP/1.1", JSON)
    assert gone.strings == {"userId": name, "status": "Deleted"}


def test_names_come_unescaped_in_paths(admin: Client) -> None:
    for name in ("a+b@example.org", "o'brien", "x&y=z", "semi;colon", "50%25"):
        stored = name.replace("%25", "%")
        add(admin, stored)
        shown = admin.send(f"GET /management/users/{name} HTTP/1.1", JSON)
        assert shown.json["userId"] == stored
        gone = admin.send(f"DELETE /management/users/{name} HTTP/1.1", JSON)
        assert gone.strings["status"] == "Deleted"


def test_roles_are_put_to_an_address_with_a_slash(admin: Client) -> None:
    add(admin, "roly")
    made = admin.send("POST /management/roles HTTP/1.1", JSON, body=b'{"role":"ops","domain":""}')
    assert made.strings == {"role": "ops", "status": "Added"}
    body = b'{"userId":"roly","addedRoles":["ops"],"removedRoles":null,"domain":""}'
    for _ in range(2):  # a repeated write is harmless
        put = admin.send("PUT /management/roles/ HTTP/1.1", JSON, body=body)
        assert put.status_line == "HTTP/1.1 200 OK"
        assert put.strings == {"userId": "roly", "status": "Added/removed the roles"}
    shown = admin.send("GET /management/roles/ops?domain= HTTP/1.1", JSON)
    assert shown.json == {"role": "ops", "users": ["roly"]}
    gone = admin.send("DELETE /management/roles/ops HTTP/1.1", JSON)
    assert gone.strings == {"role": "ops", "status": "Deleted"}


def test_a_failure_is_never_taken_for_a_success(admin: Client) -> None:
    for line, body in (
        ("POST /management/users", b'{"userId":"x"}'),
        ("POST /management/users", b"{"),
        ("PUT /management/roles", b'{"userId":"nobody","addedRoles":["x"]}'),
        ("DELETE /management/users/nobody", b""),
    ):
        answer = admin.send(f"{line} HTTP/1.1", JSON, body=body)
        assert " 200 " not in answer.status_line
        assert "status" not in answer.strings


def test_logout_answers_with_nothing(stranger: Client) -> None:
    client = stranger.logged_in()
    answer = client.send("GET /management/logout HTTP/1.1", JSON)
    assert (answer.status_line, answer.body) == ("HTTP/1.1 200 OK", b"")
    again = client.send("GET /management/users HTTP/1.1", JSON)
    assert again.status_line == "HTTP/1.1 401 Unauthorized"
