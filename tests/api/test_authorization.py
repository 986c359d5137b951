"""Who may call what, and in which order it is told (§1, §3)."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.client import PASSWORD, Api, Family
from tests.api.conftest import MakeApi

BY_ROLE = '{"Error":"403 Forbidden. '

GUARDED = [
    ("GET", "/users"),
    ("POST", "/users"),
    ("GET", "/users/admin"),
    ("GET", "/users/nobody"),
    ("DELETE", "/users/nobody"),
    ("PUT", "/users/nobody"),
    ("TRACE", "/users"),
    ("GET", "/users/nobody/more"),
    ("GET", "/roles"),
    ("POST", "/roles"),
    ("PUT", "/roles"),
    ("GET", "/roles/nothing"),
    ("DELETE", "/roles/nothing"),
    ("PATCH", "/roles/nothing"),
    ("GET", "/%75sers"),
    ("GET", "/u%73ers/admin"),
    ("GET", "/users/"),
    ("GET", "//users"),
    ("GET", "/users//"),
    ("GET", "/roles/../server"),
    ("BREW", "/users"),
]


def test_requests_without_a_login_are_answered_with_401(light_admin: Api) -> None:
    for method, path in GUARDED:
        assert light_admin.stranger()(method, path, "{").status == "401 Unauthorized", path


def test_403_by_role_comes_before_404_and_400(light_admin: Api) -> None:
    light_admin.add_user("bob")
    bob = light_admin.stranger().logged_in("bob")
    for method, path in GUARDED:
        answer = bob(method, path, "{")
        assert answer.status == "403 Forbidden", path
        assert answer.text.startswith(BY_ROLE)


def test_an_unknown_path_is_401_and_then_404(light_admin: Api) -> None:
    for path in ("/nowhere", "/usersx", "/user", "/server/x", "/a/b"):
        assert light_admin.stranger()("GET", path).status == "401 Unauthorized"
        assert light_admin("GET", path).status == "404 Not Found"
    assert light_admin("GET", "/login/x").status == "404 Not Found"


UNKNOWN = [
    ("PUT", "/users"),
    ("DELETE", "/users"),
    ("PATCH", "/users"),
    ("POST", "/users/bob"),
    ("PUT", "/users/bob"),
    ("PATCH", "/roles"),
    ("DELETE", "/roles"),
    ("PUT", "/roles/dev"),
    ("POST", "/roles/dev"),
    ("POST", "/logout"),
    ("DELETE", "/server"),
    ("TRACE", "/users"),
    ("BREW", "/users"),
    ("PROPFIND", "/"),
]


def test_an_unknown_method_is_404_and_never_405(light_admin: Api) -> None:
    for method, path in UNKNOWN:
        assert light_admin(method, path).status == "404 Not Found", (method, path)


def test_paths_outside_of_management_are_404(light_api: Api) -> None:
    for path in ("/", "/other", "/managementx", "/management2/users", "/nodes"):
        assert light_api.ask("GET", path).status == "404 Not Found"


def test_400_for_the_body_comes_before_404_and_403(
    family: Family,
) -> None:
    bad, good = "{", {"newPassword": "another one", "confirmPassword": "another one"}
    assert family.admin("PATCH", "/users/nobody", bad).status_code == 400
    assert family.admin("PATCH", "/users/nobody", good).status_code == 404
    assert family.admin("PATCH", "/users/carl", bad).status_code == 400
    assert family.admin("PATCH", "/users/carl", good).status_code == 403


def test_custody_comes_before_the_other_mistakes(family: Family) -> None:
    body = {"userId": "carl", "removedRoles": ["admin"], "addedRoles": ["nope"]}
    assert family.admin("PUT", "/roles", body).status_code == 404
    body = {"userId": "carl", "removedRoles": ["admin"], "addedRoles": []}
    assert family.admin("PUT", "/roles", body).status_code == 403


def test_options_needs_no_login(light_api: Api) -> None:
    for path in ("", "/login", "/users", "/roles/x", "/nowhere", "/logout"):
        answer = light_api("OPTIONS", path)
        assert (answer.status, answer.data) == ("200 OK", b"")


def test_head_needs_the_same_access_as_get(light_admin: Api) -> None:
    for path in ("/users", "/users/admin", "/roles", "/roles/admin", "/server"):
        assert light_admin("HEAD", path).status == "200 OK"
        assert light_admin.stranger()("HEAD", path).status == "401 Unauthorized"


def test_other_resources_need_only_a_login(family: Family) -> None:
    assert family.bob("GET", "/server").status_code == 200
    assert family.bob("GET", "/logout").status_code == 200


# management_api.authorization_handler


HANDLER = "MANAGEMENT_API__AUTHORIZATION_HANDLER__"


@pytest.mark.parametrize(
    ("setting", "readable"),
    [
        ({f"{HANDLER}ENABLE": "false"}, ["/users", "/roles", "/users/admin", "/roles/admin"]),
        ({f"{HANDLER}RESOURCES": "/users"}, ["/roles", "/roles/admin"]),
        ({f"{HANDLER}RESOURCES": "/roles"}, ["/users", "/users/admin"]),
        ({f"{HANDLER}RESOURCES": "/users,/roles"}, []),
        ({}, []),
    ],
)
def test_settings_can_open_reading_but_not_writing(
    light_api_of: MakeApi, setting: dict[str, str], readable: list[str]
) -> None:
    api = light_api_of(**setting)
    admin = api.logged_in("admin")
    admin.add_user("bob")
    bob = api.logged_in("bob")
    for path in ("/users", "/users/admin", "/roles", "/roles/admin"):
        assert bob("GET", path).status_code == (200 if path in readable else 403)
    for method, path, body in [
        ("POST", "/users", {"userId": "dora", "password": PASSWORD}),
        ("DELETE", "/users/admin", None),
        ("POST", "/roles", {"role": "dev"}),
        ("PUT", "/roles", {"userId": "bob", "addedRoles": ["admin"]}),
        ("DELETE", "/roles/admin", None),
    ]:
        answer = bob(method, path, body)
        assert answer.status == "403 Forbidden"
        assert answer.text.startswith(BY_ROLE)
    assert api.stranger()("GET", "/users").status_code == 401


# CORS


CORS = "MANAGEMENT_API__CORS__"


def allowed(api: Api, origin: str, method: str = "OPTIONS") -> str | None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    return api(method, "/users", headers=headers).headers.get("Access-Control-Allow-Origin")


def test_cors_allows_no_origin_by_default(light_api: Api) -> None:
    for method in ("OPTIONS", "GET"):
        assert allowed(light_api, "https://evil.example", method) is None


def test_cors_allows_listed_origins(light_api_of: MakeApi) -> None:
    api = light_api_of(
        **{
            f"{CORS}ALLOWED_ORIGINS": "https://a.example, https://b.example",
            f"{CORS}ALLOWED_HEADERS": "Authorization, X-Mine",
        }
    )
    assert allowed(api, "https://b.example") == "https://b.example"
    assert allowed(api, "https://b.example", "GET") == "https://b.example"
    assert allowed(api, "https://b.example.evil") is None
    assert allowed(api, "https://B.EXAMPLE") is None
    answer = api("OPTIONS", "/users", headers={"Origin": "https://a.example"})
    methods = answer.headers["Access-Control-Allow-Methods"]
    assert methods == "GET, POST, PUT, DELETE, OPTIONS, PATCH"
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization, X-Mine"
    assert "Origin" in answer.headers["Vary"]


def test_every_origin_may_where_the_settings_say_so(light_api_of: MakeApi) -> None:
    api = light_api_of(**{f"{CORS}ALLOWED_ORIGINS": "*"})
    assert allowed(api, "https://any.example") == "*"
    assert "Access-Control-Allow-Credentials" not in api("OPTIONS", "/users").headers


def test_the_console_is_never_for_other_origins(light_api_of: MakeApi) -> None:
    api = light_api_of(**{f"{CORS}ALLOWED_ORIGINS": "*"})
    for path in ("/console", "/console/nowhere", "/docs"):
        answer = api.client.get(path, headers={"Origin": "https://any.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_cors_may_be_off(light_api_of: MakeApi) -> None:
    api = light_api_of(**{f"{CORS}ALLOWED_ORIGINS": "*", f"{CORS}ENABLE": "false"})
    assert allowed(api, "https://any.example") is None


def test_a_quoted_name_cannot_slip_past_the_guard(light_admin: Api) -> None:
    light_admin.add_user("bob")
    bob = light_admin.stranger().logged_in("bob")
    for char in "usersroles":
        path = f"/{quote('users').replace(char, f'%{ord(char):02x}')}"
        assert bob("GET", path).status_code == 403
