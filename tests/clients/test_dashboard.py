"""What the monitoring dashboard sends (Java, Apache HttpClient), and what it makes of the answers.

It keeps connections open, and sends a write again when one breaks; it counts 200 alone as success,
and shows the reason phrase of a DELETE or PUT that failed.
"""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.clients.conftest import PASSWORD, Stage
from tests.clients.wire import Wire, WireAnswer, basic

TAIL = (
    "Host: localhost:9164",
    "Connection: Keep-Alive",
    "User-Agent: Apache-HttpClient/4.5.13 (Java/11.0.19)",
    "Accept-Encoding: gzip,deflate",
)


def java(
    wire: Wire, method: str, path: str, token: str, payload: object = None, encoding: str = "utf-8"
) -> WireAnswer:
    """A request with HttpClient's headers, in its order; Gson leaves every character as it is."""
    head = [f"{method} /management/{path} HTTP/1.1", "Accept: application/json"]
    content = b""
    if payload is not None:
        content = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(
            encoding, errors="replace"
        )
        head += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return wire.send(*head, f"Authorization: Bearer {token}", *TAIL, body=content)


def test_the_pages_of_users_and_roles_load_over_one_connection(stage: Stage, wire: Wire) -> None:
    for name in ("shown one", "shown,two", "shown/three".replace("/", "-"), "gezeigt ü"):
        stage.create(name)
    for role in ("shown role", "x&y", "Internal/shown"):
        stage.do("POST", "/roles", {"role": role})
    answer = wire.send(
        "GET /management/login HTTP/1.1",
        "Accept: application/json",
        f"Authorization: Basic {basic('root', PASSWORD)}",
        *TAIL,
    )
    token = answer.string_map["AccessToken"]
    server = java(wire, "GET", "server", token).string_map
    assert {"productName", "productVersion", "carbonHome", "javaHome", "osName"} <= set(server)
    assert_users_load(wire, token)
    assert_roles_load(wire, token)


def assert_users_load(wire: Wire, token: str) -> None:
    users = java(wire, "GET", "users", token).json
    names = [user["userId"] for user in users["list"]]
    assert len(names) == users["count"]
    assert {"root", "shown one", "gezeigt ü"} <= set(names)
    for name in names:
        shown = java(wire, "GET", f"users/{quote(name, safe='')}", token).json
        assert shown["userId"] == name
        assert isinstance(shown["isAdmin"], bool)
        assert shown["roles"][0] == "Internal/everyone"


def assert_roles_load(wire: Wire, token: str) -> None:
    """One that fails would break the whole page."""
    roles = [role["role"] for role in java(wire, "GET", "roles", token).json["list"]]
    assert {"admin", "Internal/everyone", "Internal/shown", "x&y"} <= set(roles)
    for role in roles:
        if role != "Internal/everyone":
            raw = role.replace(" ", "%20")
            shown = java(wire, "GET", f"roles/{raw}", token).json
            assert shown["role"] == role
            domain, _, rest = raw.rpartition("/")
            assert java(wire, "GET", f"roles/{rest}?domain={domain}", token).json == shown


def test_a_post_in_iso_8859_1_under_the_json_type(stage: Stage, wire: Wire) -> None:
    for name in ("Björn", "Zoë"):
        payload = {"userId": name, "password": "pässwörd", "isAdmin": False, "domain": ""}
        answer = java(wire, "POST", "users", stage.token, payload, "latin-1")
        assert (answer.status, answer.string_map["userId"]) == (200, name)
        assert stage.login(name, "pässwörd")


def test_what_iso_8859_1_cannot_say_arrives_as_question_marks_and_is_refused(
    stage: Stage, wire: Wire
) -> None:
    for payload in (
        {"userId": "山田", "password": PASSWORD, "isAdmin": False},
        {"userId": "yamada", "password": "合言葉", "isAdmin": False},
    ):
        answer = java(wire, "POST", "users", stage.token, payload, "latin-1")
        assert answer.status == 400
        assert "UTF-8" in answer.string_map["Error"]


def test_roles_are_put_with_a_slash_at_the_end(stage: Stage, wire: Wire) -> None:
    stage.create("slashed")
    stage.do("POST", "/roles", {"role": "slashes"})
    payload = {"userId": "slashed", "addedRoles": ["slashes"], "removedRoles": []}
    answer = java(wire, "PUT", "roles/", stage.token, payload)
    assert (answer.status_line, "location" in answer.headers) == ("HTTP/1.1 200 OK", False)
    assert java(wire, "GET", "roles/slashes", stage.token).json["users"] == ["slashed"]


def test_writes_that_are_sent_again_do_no_harm(stage: Stage, wire: Wire) -> None:
    user = {"userId": "twice", "password": PASSWORD, "isAdmin": True}
    change = {"userId": "twice", "addedRoles": ["twices"], "removedRoles": ["admin"]}
    password = {"newPassword": "another horse", "confirmPassword": "another horse"}
    requests: list[tuple[str, str, object, list[int]]] = [
        ("POST", "users", user, [200, 400]),
        ("POST", "roles", {"role": "twices"}, [200, 400]),
        ("PUT", "roles/", change, [200, 200]),
        ("PATCH", "users/twice", password, [200, 200]),
        ("DELETE", "roles/twices", None, [200, 404]),
        ("DELETE", "users/twice", None, [200, 404]),
    ]
    for method, path, payload, wanted in requests:
        got = [java(wire, method, path, stage.token, payload).status for _ in wanted]
        assert got == wanted, (method, path)


def test_a_write_whose_answer_was_lost_is_there_when_it_is_sent_again(stage: Stage) -> None:
    payload = json.dumps({"userId": "lost", "password": PASSWORD}).encode()
    with stage.wire() as wire:
        head = ["POST /management/users HTTP/1.1", f"Authorization: Bearer {stage.token}", *TAIL]
        lines = [*head, "Content-Type: application/json", f"Content-Length: {len(payload)}", "", ""]
        wire.socket.sendall("\r\n".join(lines).encode() + payload)
    with stage.wire() as wire:
        answer = java(wire, "POST", "users", stage.token, json.loads(payload))
        assert answer.status in {200, 400}, answer
        assert java(wire, "GET", "users/lost", stage.token).status == 200
        assert stage.login("lost")


def test_the_reason_phrase_of_a_failure_says_what_is_wrong(stage: Stage, wire: Wire) -> None:
    stage.create("keeper", is_admin=True)
    stage.create("kept", is_admin=True)
    keeper = stage.login("keeper")
    answer = java(wire, "DELETE", "users/kept", keeper)
    assert answer.status == 403
    assert answer.reason.startswith("Only the creator of admin user 'kept' can remove it.")
    answer = java(wire, "DELETE", "users/keeper", keeper)
    assert answer.reason.startswith("Attempt to delete the logged in user.")
    answer = java(wire, "PUT", "roles/", keeper, {"userId": "kept", "removedRoles": ["admin"]})
    assert "creator" in answer.reason
    assert java(wire, "DELETE", "roles/admin", keeper).reason.startswith("The admin role")
    both = {"userId": "kept", "addedRoles": ["admin"], "removedRoles": ["admin"]}
    answer = java(wire, "PUT", "roles/", keeper, both)
    assert (answer.status, answer.reason) == (400, answer.string_map["Error"])
    assert java(wire, "DELETE", "users/nobody", keeper).reason == "Not Found"


HOSTILE = [
    "x\r\nInjected: yes",
    "x\nHTTP/1.1 200 OK",
    "\r\n\r\n{}",
    "ü" * 60,
    "山田" * 40,
    "a" * 200,
    "\x00",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "'; DROP",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_does_not_get_into_the_head(stage: Stage, wire: Wire, name: str) -> None:
    change = {"userId": name, "addedRoles": [name], "removedRoles": []}
    for answer in (
        java(wire, "DELETE", f"users/{quote(name, safe='')}", stage.token),
        java(wire, "DELETE", f"roles/{quote(name, safe='')}", stage.token),
        java(wire, "PUT", "roles/", stage.token, change),
    ):
        assert answer.status in {400, 404}, answer
        assert "injected" not in answer.headers
        assert_is_one_ascii_line(answer.reason)
        assert set(answer.string_map) == {"Error"}


@pytest.mark.parametrize("name", ["café \N{BLACK STAR}", "quote'\"", "long " + "n" * 150])
def test_a_refusal_by_custody_names_the_admin_in_one_ascii_line(
    stage: Stage, wire: Wire, name: str
) -> None:
    stage.create(name, is_admin=True)
    stage.create(f"stranger to {name[:40]}", is_admin=True)
    stranger = stage.login(f"stranger to {name[:40]}")
    answer = java(wire, "DELETE", f"users/{quote(name, safe='')}", stranger)
    assert answer.status == 403
    assert_is_one_ascii_line(answer.reason)
    assert answer.reason.startswith("Only the creator of admin user")
    assert name in answer.string_map["Error"]
    stage.do("DELETE", f"/users/{quote(name, safe='')}")


def assert_is_one_ascii_line(reason: str) -> None:
    assert 0 < len(reason) <= 120
    assert all(" " <= char <= "~" for char in reason)
