"""What the monitoring dashboard sends: its pages, its encodings, its re-used connections."""

from __future__ import annotations

import http.client
import json
from urllib.parse import quote

import pytest

from tests.clients.conftest import Client
from tests.service import trusting

JSON = "Content-Type: application/json"
LATIN_JSON = "Content-Type: application/json; charset=ISO-8859-1"


@pytest.fixture(scope="module")
def staffed(admin: Client) -> Client:
    for name in ("anna", "bernd", "Jürgen"):
        body = json.dumps({"userId": name, "password": "password", "isAdmin": False}).encode()
        admin.send("POST /management/users HTTP/1.1", JSON, body=body)
    for role in ("dev", "Internal/team"):
        body = json.dumps({"role": role}).encode()
        admin.send("POST /management/roles HTTP/1.1", JSON, body=body)
    return admin


def test_the_users_page(staffed: Client) -> None:
    listed = staffed.send("GET /management/users HTTP/1.1", "Accept: application/json").json
    assert listed["count"] == len(listed["list"])
    for entry in listed["list"]:
        path = quote(entry["userId"])
        shown = staffed.send(f"GET /management/users/{path} HTTP/1.1").json
        assert shown["userId"] == entry["userId"]
        assert isinstance(shown["isAdmin"], bool)
        assert shown["roles"][0] == "Internal/everyone"


def test_the_roles_page_asks_for_each_role_by_its_raw_name(staffed: Client) -> None:
    listed = staffed.send("GET /management/roles HTTP/1.1").json
    names = [entry["role"] for entry in listed["list"]]
    assert names == ["admin", "dev", "Internal/everyone", "Internal/team"]
    for name in names:
        if name == "Internal/everyone":
            continue
        shown = staffed.send(f"GET /management/roles/{name} HTTP/1.1")
        assert shown.status_line == "HTTP/1.1 200 OK"
        assert isinstance(shown.json["users"], list)
        domain, _, rest = name.rpartition("/")
        by_domain = staffed.send(f"GET /management/roles/{rest}?domain={domain} HTTP/1.1")
        assert by_domain.json == shown.json


def test_a_post_comes_in_latin_1(staffed: Client) -> None:
    body = '{"userId":"Zoë","password":"pässword","isAdmin":"false"}'.encode("latin-1")
    made = staffed.send("POST /management/users HTTP/1.1", LATIN_JSON, body=body)
    assert made.json == {"userId": "Zoë", "status": "Added"}
    assert Client(staffed.service).logged_in("Zoë", "pässword").token
    for lost in (b'{"userId":"???","password":"password"}', b'{"userId":"y","password":"????"}'):
        refused = staffed.send("POST /management/users HTTP/1.1", LATIN_JSON, body=lost)
        assert refused.status_line == "HTTP/1.1 400 Bad Request"
        assert "UTF-8" in refused.strings["Error"]


def test_the_server_is_asked_for_once(staffed: Client) -> None:
    shown = staffed.send("GET /management/server HTTP/1.1").strings
    wanted = {"productName", "productVersion", "carbonHome", "javaHome", "javaVersion"}
    assert wanted | {"javaVendor", "osName", "osVersion"} <= shown.keys()
    assert all(shown.values())


def test_a_failed_delete_says_why_in_its_reason(staffed: Client) -> None:
    refused = staffed.send("DELETE /management/users/admin HTTP/1.1")
    sentence = refused.strings["Error"]
    assert refused.status_line == f"HTTP/1.1 403 {sentence}"
    unknown = staffed.send("DELETE /management/users/nobody HTTP/1.1")
    assert unknown.status_line == "HTTP/1.1 404 Not Found"


@pytest.mark.parametrize("name", ["a%0d%0aX-Evil:%201", "%C3%A9" * 150, "%E2%80%AE%00"])
def test_no_name_gets_into_the_head_of_an_answer(staffed: Client, name: str) -> None:
    for line in (f"DELETE /management/users/{name}", f"DELETE /management/roles/{name}"):
        answer = staffed.send(f"{line} HTTP/1.1")
        assert "X-Evil" not in answer.headers
        assert answer.status_line.isascii()
        assert answer.status_line == "HTTP/1.1 404 Not Found"
    body = json.dumps({"userId": "anna", "addedRoles": ["dev"], "removedRoles": ["dev"]}).encode()
    put = staffed.send("PUT /management/roles/ HTTP/1.1", JSON, body=body)
    assert put.status_line == f"HTTP/1.1 400 {put.strings['Error']}"


def test_connections_are_used_again_and_again(staffed: Client) -> None:
    wire = http.client.HTTPSConnection("127.0.0.1", staffed.service.port, context=trusting())
    headers = {"Authorization": f"Bearer {staffed.token}"}
    wire.connect()
    first = wire.sock
    for _ in range(20):
        wire.request("GET", "/management/users/anna", headers=headers)
        answer = wire.getresponse()
        assert (answer.status, answer.read()[:1]) == (200, b"{")
    assert wire.sock is first
    wire.close()


def test_a_delete_that_is_sent_again_does_no_harm(staffed: Client) -> None:
    body = b'{"userId":"twice","password":"password"}'
    line = "POST /management/users HTTP/1.1"
    assert staffed.send(line, JSON, body=body).status_line == "HTTP/1.1 200 OK"
    assert "already exists" in staffed.send(line, JSON, body=body).strings["Error"]
    gone = "DELETE /management/users/twice HTTP/1.1"
    assert staffed.send(gone).status_line == "HTTP/1.1 200 OK"
    assert staffed.send(gone).status_line == "HTTP/1.1 404 Not Found"
