"""Login, logout, server (§2)."""

from __future__ import annotations

import time

import jwt
import pytest
import time_machine

from tests.api.client import PASSWORD, Api, Family, basic
from tests.api.conftest import MakeApi
from tests.api.stores import where_width_is_folded
from tests.api.tokens import KEY, claims_of, signed
from tests.memory_store import MemoryStore

REFUSED = {"Error": "Invalid credentials."}


# Without authentication


@pytest.mark.parametrize("path", ["", "/", "?a=b"])
def test_the_api_says_that_it_is_there(light_api: Api, path: str) -> None:
    answer = light_api("GET", path)
    assert answer.status == "200 OK"
    assert list(answer.json) == ["WSO2 Micro Integrator", "ManagementApi"]  # type: ignore[arg-type]
    assert answer.json["ManagementApi"] == "Active"  # type: ignore[index]


def test_health_and_readiness_need_no_login(api: Api) -> None:
    assert api.ask("GET", "/health").status_code == 200
    assert api.ask("GET", "/ready").status_code == 200


def test_a_store_that_is_down_is_not_ready_but_alive(light_api: Api, memory: MemoryStore) -> None:
    memory.is_down = True
    assert light_api.ask("GET", "/health").status_code == 200
    answer = light_api.ask("GET", "/ready")
    assert answer.status == "503 Service Unavailable"
    assert "directory" in answer.text


# Login


def test_a_login_answers_a_token(admin: Api) -> None:
    for path in ("/login", "/login/", "/login?a=b"):
        answer = admin.stranger()(
            "GET", path, headers={"Authorization": basic(f"admin:{PASSWORD}")}
        )
        assert answer.status == "200 OK"
        assert list(answer.json) == ["AccessToken"]  # type: ignore[arg-type]
        assert answer.json["AccessToken"].count(".") == 2  # type: ignore[index]
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_the_scheme_has_no_case(light_admin: Api, scheme: str) -> None:
    headers = {"Authorization": basic(f"admin:{PASSWORD}", scheme)}
    assert light_admin.stranger()("GET", "/login", headers=headers).status_code == 200


def test_whatever_is_wrong_the_answer_is_the_same(admin: Api) -> None:
    for name, password in [
        ("admin", "wrong"),
        ("nobody", PASSWORD),
        ("admin", ""),
        ("", PASSWORD),
        ("", ""),
    ]:
        answer = admin.stranger().login(name, password)
        assert answer.status == "401 Unauthorized"
        assert answer.json == REFUSED
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="mi_ldap"'


NO_CREDENTIALS = [
    "",
    "Basic",
    "Basic ",
    "Basic !!!",
    "Basic YWRtaW4",
    "Basic YWRtaW4=",
    "Bearer abc",
    "Digest x",
    basic("admin"),
    basic(b"\xff\xfe"),
    basic(":"),
    basic("admin\0:x"),
    basic("x" * 5000 + ":y"),
    basic("*:x"),
    basic("admin)(uid=*:x"),
]


def test_what_is_no_credentials_is_refused(admin: Api) -> None:
    for header in NO_CREDENTIALS:
        answer = admin.stranger().elsewhere()("GET", "/login", headers={"Authorization": header})
        assert answer.status == "401 Unauthorized", header


def test_a_login_without_a_header_is_refused(light_api: Api) -> None:
    assert light_api("GET", "/login").status == "401 Unauthorized"
    assert light_api.services.store.user_names().names == ()


def test_the_first_colon_splits(admin: Api) -> None:
    admin.do("POST", "/users", {"userId": "bob", "password": "a:b:c:d"})
    assert admin.login("bob", "a:b:c:d").status_code == 200


def test_credentials_may_be_latin_1(admin: Api) -> None:
    admin.do("POST", "/users", {"userId": "jürgen", "password": "größer"})
    for encoding in ("utf-8", "latin-1"):
        header = basic("jürgen:größer".encode(encoding))
        answer = admin.stranger()("GET", "/login", headers={"Authorization": header})
        assert answer.status_code == 200


def test_any_spelling_is_the_same_user(admin: Api) -> None:
    for typed in ("ADMIN", " admin", "PRIMARY/admin"):
        again = admin.stranger().logged_in(typed)
        assert again("DELETE", "/users/admin").status_code == 403
        assert again.user("admin")["isAdmin"] is True


@where_width_is_folded
def test_full_width_is_the_same_user(admin: Api) -> None:
    again = admin.stranger().logged_in("ａdmin")
    assert again("DELETE", "/users/admin").status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_a_login_is_a_get(light_api: Api, method: str) -> None:
    answer = light_api(method, "/login", headers={"Authorization": basic("admin:admin")})
    assert answer.status == "404 Not Found"
    assert light_api.services.store.user_names().names == ()


def test_a_locked_account_is_named(light_admin: Api, memory: MemoryStore) -> None:
    light_admin.add_user("bob")
    memory.account("bob").closed = "locked"
    answer = light_admin.login("bob")
    assert answer.status == "401 Unauthorized"
    assert "locked" in answer.text


def test_a_password_that_must_be_changed_opens_only_that(
    light_admin: Api, memory: MemoryStore
) -> None:
    memory.account("admin").must_change = True
    forced = light_admin.stranger().logged_in("admin")
    for method, path in [
        ("GET", "/server"),
        ("GET", "/users"),
        ("POST", "/users"),
        ("GET", "/roles"),
        ("DELETE", "/users/bob"),
        ("GET", "/nowhere"),
    ]:
        answer = forced(method, path, {} if method == "POST" else None)
        assert answer.status_code == 403
        assert answer.json == {"Error": "Change your password first."}
    body = {"newPassword": "another one", "confirmPassword": "another one"}
    assert forced("PATCH", "/users/bob", body).status_code == 403
    body["oldPassword"] = PASSWORD
    assert forced("PATCH", "/users/admin", body).status_code == 200


def test_a_forced_user_may_log_out(light_admin: Api, memory: MemoryStore) -> None:
    memory.account("admin").must_change = True
    assert light_admin.stranger().logged_in("admin")("GET", "/logout").status_code == 200


# The throttle


def test_too_many_failures_are_told_when_to_come_back(api_of: MakeApi) -> None:
    api = api_of(MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME="2")
    admin = api.logged_in("admin")
    away = api.elsewhere()
    for typed in ("admin", "ADMIN"):
        assert away.login(typed, "wrong").status_code == 401
    answer = away.login("admin")
    assert answer.status == "429 Too Many Requests"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert api.login("admin").status_code == 200
    assert admin.elsewhere()("GET", "/users").status_code == 200
    with time_machine.travel(time.time() + 61):
        assert away.login("admin").status_code == 200


def test_a_whole_address_may_be_closed(light_api_of: MakeApi) -> None:
    api = light_api_of(MANAGEMENT_API__THROTTLE__FAILURES_PER_ADDRESS="3")
    api.logged_in("admin")
    for number in range(3):
        assert api.elsewhere().login(f"ghost{number}").status_code == 401
    assert api.elsewhere().login("admin").status_code == 429
    assert api.login("admin").status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "who"),
    [
        ("", "203.0.113.1", "192.0.2.7"),
        ("192.0.2.0/24", "203.0.113.1", "203.0.113.1"),
        ("192.0.2.0/24", "203.0.113.9, 203.0.113.1", "203.0.113.1"),
        ("192.0.2.0/24,203.0.113.1", "203.0.113.9, 203.0.113.1", "203.0.113.9"),
        ("192.0.2.0/24", "rubbish", "unknown"),
        ("192.0.2.0/24", "", "192.0.2.7"),
    ],
)
def test_only_a_trusted_proxy_says_who_asks(
    light_api_of: MakeApi, proxies: str, forwarded: str, who: str
) -> None:
    api = light_api_of(SERVER__TRUSTED_PROXIES=proxies)
    api.logged_in("admin")
    header = {"Authorization": basic("admin:wrong"), "X-Forwarded-For": forwarded}
    api.elsewhere()("GET", "/login", headers=header)
    assert api.lines[-1]["client"] == who


# Logout


def test_a_logged_out_token_is_dead_and_others_live(family: Family) -> None:
    second = family.stranger.logged_in("bob")
    answer = family.bob("GET", "/logout")
    assert (answer.status, answer.data) == ("200 OK", b"")
    refused = family.bob("GET", "/server")
    assert refused.status == "401 Unauthorized"
    assert family.bob("GET", "/logout").status_code == 401
    assert second("GET", "/server").status_code == 200


def test_a_logout_holds_in_every_worker(light_api_of: MakeApi) -> None:
    one, other = light_api_of(), light_api_of()
    admin = one.logged_in("admin")
    elsewhere = Api(other.services, other.client, admin.token)
    assert elsewhere("GET", "/server").status_code == 200
    admin("GET", "/logout")
    assert elsewhere("GET", "/server").status_code == 401


def test_an_expired_token_is_logged_out_of(light_admin: Api, memory: MemoryStore) -> None:
    """WSO2's command line keeps a login until its logout is answered with 200."""
    with time_machine.travel(time.time() + 3700):
        assert light_admin("GET", "/server").status_code == 401
        lines = len(light_admin.lines)
        for path in ("/logout", "/logout/"):
            answer = light_admin("GET", path)
            assert (answer.status, answer.data) == ("200 OK", b"")
        memory.is_down = True
        assert light_admin("GET", "/logout").status_code == 200
        assert len(light_admin.lines) == lines
        assert light_admin("GET", "/logoutx").status_code == 401


def test_only_an_authentic_expired_token_is_logged_out_of(light_admin: Api) -> None:
    claims = claims_of(light_admin)
    past = {**claims, "exp": int(time.time()) - 10, "iat": int(time.time()) - 100, "nbf": 1}
    header = f"Bearer {signed(light_admin, past)}"
    assert logout_with(light_admin, header) == 200
    forged = [
        signed(light_admin, past, key=KEY),
        signed(light_admin, {**past, "iss": "another"}),
        signed(light_admin, {**past, "use": "console"}),
        signed(light_admin, {**past, "uid": ""}),
        signed(light_admin, {**past, "jti": None}),
        signed(light_admin, past, kid="another"),
        signed(light_admin, past, alg="HS512"),
        signed(light_admin, past)[:-2] + "xx",
    ]
    for token in forged:
        assert logout_with(light_admin, f"Bearer {token}") == 401, jwt.decode(
            token, options={"verify_signature": False}
        )
    for header in ("", "Bearer", "Basic YTpi", f"Basic {forged[0]}"):
        assert logout_with(light_admin, header) == 401


def logout_with(api: Api, header: str) -> int:
    return api.stranger()("GET", "/logout", headers={"Authorization": header}).status_code


def test_a_token_outlives_a_restart(api_of: MakeApi) -> None:
    admin = api_of().logged_in("admin")
    restarted = api_of()
    again = Api(restarted.services, restarted.client, admin.token)
    assert again.names() == ["admin"]


# Server


def test_the_server_says_what_it_is_in_strings(family: Family) -> None:
    shown = family.bob.get("/server")
    assert {
        "productName",
        "productVersion",
        "carbonHome",
        "javaHome",
        "javaVersion",
        "javaVendor",
        "osName",
        "osVersion",
    } <= set(shown)
    assert all(isinstance(value, str) and value for value in shown.values())
