"""Bodies, paths, headers: what HTTP itself may do to us (§1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.client import PASSWORD, Api

BODY = {"userId": "dora", "password": PASSWORD}

WRITES = [
    ("POST", "/users"),
    ("PATCH", "/users/admin"),
    ("POST", "/roles"),
    ("PUT", "/roles"),
]


# Bodies


NO_OBJECTS = [
    b"",
    b" ",
    b"{",
    b"null",
    b"5",
    b'"text"',
    b"[]",
    b'[{"userId":"x"}]',
    b"NaN",
    b"{'userId': 'x'}",
    b'{"userId": "x",}',
    b"\xff\xfe{}",
    b"\x00",
    b"userId=x&password=y",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"userId":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"userId":' + b"9" * 50_000 + b"}",
]


def test_what_is_no_json_object_of_ours_is_a_bad_request(light_admin: Api) -> None:
    for body in NO_OBJECTS:
        for method, path in WRITES:
            answer = light_admin(method, path, body)
            assert answer.status_code == 400, body[:20]
            assert answer.text.startswith('{"Error":"Error processing the request. ')


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_a_body_is_utf_8_or_latin_1(light_admin: Api, encoding: str) -> None:
    body = json.dumps({**BODY, "userId": "jürgen"}, ensure_ascii=False).encode(encoding)
    light_admin.do("POST", "/users", body)
    assert light_admin.names() == ["admin", "jürgen"]


@pytest.mark.parametrize("field", ["userId", "password"])
def test_what_latin_1_lost_is_told(light_admin: Api, field: str) -> None:
    answer = light_admin("POST", "/users", {**BODY, field: "????"})
    assert answer.status_code == 400
    assert "UTF-8" in answer.text


@pytest.mark.parametrize("field", ["userId", "password"])
def test_half_a_character_is_refused(light_admin: Api, field: str) -> None:
    body = json.dumps({**BODY, field: "a\ud800b"}).encode()
    assert light_admin("POST", "/users", body).status_code == 400


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=ISO-8859-1", "text/plain", "", "rubbish/;;"],
)
def test_the_content_type_of_a_write_is_not_asked(light_admin: Api, content_type: str) -> None:
    answer = light_admin("POST", "/users", BODY, headers={"Content-Type": content_type})
    assert answer.status == "200 OK"


@pytest.mark.parametrize("body", [None, b"", b"{", b"rubbish"])
def test_a_body_where_none_belongs_is_never_parsed(light_admin: Api, body: bytes | None) -> None:
    light_admin.add_user("bob")
    for method, path in [
        ("GET", "/users"),
        ("GET", "/roles/admin"),
        ("DELETE", "/users/bob"),
        ("GET", "/logout"),
    ]:
        answer = light_admin(method, path, body, headers={"Content-Type": "application/json"})
        assert answer.status == "200 OK"


def test_a_body_of_more_than_a_megabyte_is_refused(light_admin: Api) -> None:
    frame = len(json.dumps({**BODY, "padding": ""}))
    fits = {**BODY, "padding": "x" * (1024 * 1024 - frame)}
    light_admin.do("POST", "/users", fits)
    answer = light_admin("POST", "/users", {**fits, "padding": fits["padding"] + "x"})
    assert answer.status.startswith("413 ")
    assert "1 MB" in answer.text


def test_a_repeated_key_is_read_like_everywhere(light_admin: Api) -> None:
    body = b'{"userId":"first","userId":"second","password":"correct horse"}'
    light_admin.do("POST", "/users", body)
    assert light_admin.names() == ["admin", "second"]


# Paths


def test_a_trailing_slash_changes_nothing(light_admin: Api) -> None:
    for path in ("/users/", "/users/admin/", "/roles/", "/roles/admin/", "/server/", "/"):
        with_slash, without = light_admin("GET", path), light_admin("GET", path.removesuffix("/"))
        assert with_slash.status == "200 OK"
        assert with_slash.json == without.json


@pytest.mark.parametrize(
    "path",
    [
        "//management/users",
        "/management//users",
        "/management/users//admin",
        "/management/roles//x",
        "//",
        "/management///",
    ],
)
def test_double_slashes_never_redirect(light_admin: Api, path: str) -> None:
    answer = light_admin.ask("GET", "/", PATH_INFO=path)
    assert answer.status_code in (200, 404)


@pytest.mark.parametrize("resource", ["users", "roles"])
def test_dots_are_names_that_nobody_has(light_admin: Api, resource: str) -> None:
    for name in (".", "..", "a/../b", "./admin", "../roles"):
        answer = light_admin.ask("GET", "/", PATH_INFO=f"/management/{resource}/{name}")
        assert answer.status_code == 404


@pytest.mark.parametrize("raw", ["/management/users/%ff", "/management/roles/a%c3(", "/%ff"])
def test_a_path_that_is_no_utf_8_is_refused(light_admin: Api, raw: str) -> None:
    path = raw.replace("%ff", "\xff").replace("%c3(", "\xc3(")
    answer = light_admin.ask("GET", "/", PATH_INFO=path)
    assert answer.status_code == 400
    assert "UTF-8" in answer.text


@pytest.mark.parametrize("query", ["pattern=%ff", "%ff=x", "domain=%c3%28", "a=\xff"])
def test_a_query_that_is_no_utf_8_is_refused(light_admin: Api, query: str) -> None:
    answer = light_admin.ask("GET", "/management/users", QUERY_STRING=query)
    assert answer.status_code == 400


@pytest.mark.parametrize("query", ["pattern=%", "pattern=%zz", "&&&", "=", "a" * 5000, "limit=1;2"])
def test_an_odd_query_is_no_fault_of_ours(light_admin: Api, query: str) -> None:
    answer = light_admin.ask("GET", "/management/users", QUERY_STRING=query)
    assert answer.status_code in (200, 400)


def test_an_odd_name_in_a_path_finds_nothing(admin: Api) -> None:
    for name in [
        "nul\0name",
        "new\nline",
        "\u202eadmin",
        "*",
        "admin)(cn=*",
        "x" * 5000,
        "' OR ''='",
        "<script>",
        "\ufffd",
        "%",
        "a, b+c",
    ]:
        for resource in ("users", "roles"):
            path_info = f"/management/{resource}/{name}".encode().decode("latin-1")
            for method in ("GET", "DELETE"):
                assert admin.ask(method, "/", PATH_INFO=path_info).status_code == 404
    assert admin.names() == ["admin"]


def test_an_escaped_slash_is_part_of_the_name(light_admin: Api) -> None:
    answer = light_admin("GET", "/users/a%2Fb")
    assert answer.json == {"Error": "Requested resource not found. User: a/b cannot be found."}


# Headers


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("abc-123._X", True),
        ("", False),
        ("x" * 64, True),
        ("x" * 65, False),
        ("a b", False),
        ("<script>", False),
        ("ü", False),
    ],
)
def test_a_decent_request_id_leads_our_own(light_api: Api, sent: str, kept: bool) -> None:
    first, second = (light_api("GET", "", headers={"X-Request-Id": sent}) for _ in "ab")
    assert first.headers["X-Request-Id"].startswith(f"{sent}.") is kept
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]


def test_an_answer_is_never_stored(light_admin: Api) -> None:
    for path in ("", "/users", "/nowhere"):
        assert light_admin("GET", path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", None, "404 Not Found"),
        ("GET", "/users/x", None, "404 Not Found"),
        ("DELETE", "/users/x", None, "404 Not Found"),
        ("POST", "/users", "{", "400 Bad Request"),
        ("PATCH", "/users/x", "{", "400 Bad Request"),
        (
            "PUT",
            "/roles",
            "{",
            "400 Error processing the request. The payload must be a JSON object.",
        ),
    ],
)
def test_reason_phrases(
    light_admin: Api, method: str, path: str, body: str | None, status: str
) -> None:
    assert light_admin(method, path, body).status == status


def test_no_name_breaks_the_reason_phrase(light_admin: Api) -> None:
    for role in ("new\r\nSet-Cookie: a=b", "日本語", "x" * 200, "tab\t", "\x7f", "😀" * 50):
        body: dict[str, Any] = {"userId": "admin", "addedRoles": ["a"], "domain": role}
        assert light_admin("PUT", "/roles", body).status_code == 404
        created = light_admin("POST", "/roles", {"role": role})
        if created.status_code == 200:
            body = {"userId": "admin", "addedRoles": [role], "removedRoles": [role]}
            assert light_admin("PUT", "/roles", body).status_code == 400
