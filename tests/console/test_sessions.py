"""The console's session: its cookie, its tokens, its forms, and what they are not worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mi_ldap.model import AuthenticationResult, User
from mi_ldap.store import CreateAdminRole
from tests.console.console_client import (
    HERE,
    OURS,
    ConsoleClient,
    assert_sound,
    console_client,
    goes_to,
)
from tests.world import PASSWORD, make_world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[ConsoleClient]:
    """A stranger; `admin` answers for `boss`, `bob` is no admin."""
    with ExitStack() as closing:
        world = make_world(tmp_path / "state")
        closing.callback(world.services.state.close)
        closing.callback(world.services.audit.close)
        world.add_first_admin()
        world.add_admin("boss", "admin")
        world.add("bob")
        yield console_client(world)


def test_the_cookie_is_a_host_cookie(here: ConsoleClient) -> None:
    cookie = here.log_in("admin").headers["Set-Cookie"]
    assert cookie.startswith("__Host-mi-ldap-")
    for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Strict"):
        assert f"; {part}" in cookie
    assert "Domain" not in cookie


def test_each_instance_has_a_cookie_of_its_own(here: ConsoleClient, tmp_path: Path) -> None:
    other = make_world(tmp_path / "other")
    other.add_first_admin()
    names = [
        each.log_in("admin").headers["Set-Cookie"].partition("=")[0]
        for each in (here, console_client(other))
    ]
    other.services.state.close()
    assert len(set(names)) == 2


def test_the_token_of_the_console_is_refused_by_the_api(here: ConsoleClient) -> None:
    here.log_in("admin")
    assert here.api("/users", here.token()) == 401
    cookie_alone = here.client.get("/management/users", base_url=HERE)
    assert cookie_alone.status_code == 401


def test_a_token_of_the_api_is_refused_in_the_cookie(here: ConsoleClient) -> None:
    here.log_in("admin")
    name = here.cookie().key
    login = here.client.get("/management/login", base_url=HERE, auth=("admin", PASSWORD))
    here.client.set_cookie(name, login.json["AccessToken"], domain="localhost")  # type: ignore[index]
    assert goes_to(here.get("/users")).startswith("/login")
    bearer = {"Authorization": f"Bearer {login.json['AccessToken']}"}  # type: ignore[index]
    here.client.delete_cookie(name, domain="localhost")
    assert goes_to(here.get("/users", headers=bearer)).startswith("/login")


def test_logging_out_revokes_the_token(here: ConsoleClient) -> None:
    here.log_in("admin")
    name, token = here.cookie().key, here.token()
    assert goes_to(here.send("/logout")) == "/login"
    here.client.set_cookie(name, token, domain="localhost")
    assert goes_to(here.get("/users")).startswith("/login")
    assert here.world.told("performedBy", "action", "type")[-1] == ("admin", "logout", "session")


def test_logging_out_deletes_the_cookie_without_a_directory(here: ConsoleClient) -> None:
    here.log_in("admin")
    csrf = here.csrf()
    here.world.store.is_down = True
    answer = here.post("/logout", csrf=csrf)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "could not be ended in the service" in answer.text
    assert not here.client._cookies
    here.world.store.is_down = False
    assert goes_to(here.get("/users")).startswith("/login")


FORMS = (
    "/users/add",
    "/user/assign?name=bob",
    "/user/revoke?name=bob",
    "/user/password?name=bob",
    "/user/delete?name=bob",
    "/roles/add",
    "/role/assign?name=admin",
    "/role/delete?name=x",
    "/account/password",
    "/logout",
)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_the_csrf_value_is_refused(here: ConsoleClient, path: str) -> None:
    here.log_in("admin")
    before = here.world.store.content
    for value in ("", "x", "é"):
        assert here.post(path, csrf=value, role="admin").status_code == 403
    assert here.post(path, role="admin").status_code == 403
    assert here.world.store.content == before
    assert here.get("/users").status_code == 200


@pytest.mark.parametrize("path", [*FORMS, "/login"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://localhost:1"},
        {"Origin": "null"},
        {"Origin": "http://localhost"},
        {"Origin": "https://[bad"},
        {"Origin": "https://localhost/x"},
        {"Origin": ""},
    ],
    ids=str,
)
def test_a_cross_site_form_is_refused(
    here: ConsoleClient, path: str, headers: dict[str, str]
) -> None:
    if path != "/login":
        here.log_in("admin")
    csrf = here.csrf() if path != "/login" else ""
    answer = here.post(path, headers=headers, csrf=csrf, name="admin", password=PASSWORD)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_origin_is_checked_where_sec_fetch_site_is_missing(here: ConsoleClient) -> None:
    answer = here.post("/login", headers={"Origin": HERE}, name="admin", password=PASSWORD)
    assert goes_to(answer) == ""


def test_the_origin_behind_a_tls_proxy_is_accepted(tmp_path: Path) -> None:
    world = make_world(tmp_path / "plain", [("SERVER__TLS", "false")])
    origin = {"Origin": HERE, "Host": "localhost"}
    answer = console_client(world).client.post(
        "/console/login",
        base_url="http://localhost",
        headers=origin,
        data={"name": "first", "password": PASSWORD, "confirmed": PASSWORD},
    )
    assert answer.status_code == 303
    world.services.state.close()


@pytest.mark.parametrize(
    "path",
    ["/user/assign?name=bob&role=admin", "/user/password?name=bob", "/logout", "/role/assign"],
)
def test_get_changes_nothing(here: ConsoleClient, path: str) -> None:
    here.log_in("admin")
    assert here.get(path).status_code == 404
    assert not here.world.is_admin("bob")
    for page in ("/user/delete?name=bob", "/user/assign-admin?name=bob", "/user/assign?name=bob"):
        here.get(page)
    assert here.world.exists("bob")
    assert not here.world.is_admin("bob")


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/console/\\evil",
        "///console/users",
        "https:/console/users",
        "javascript:alert(1)",
        "/management/logout",
        "/console/\nx",
        "/consoleX",
        "/console/../management/logout",
        "/console/%2E%2e/management",
    ],
)
def test_the_login_redirects_only_to_the_console(here: ConsoleClient, wanted: str) -> None:
    assert goes_to(here.log_in("admin", next=wanted)) == ""
    assert wanted not in here.get(f"/login?next={wanted}").text


def test_the_login_redirects_to_the_requested_page(here: ConsoleClient) -> None:
    way = goes_to(here.get("/user?name=a%2Fb%26c"))
    assert way == "/login?next=/console/user?name%3Da%252Fb%2526c"
    assert goes_to(here.log_in("admin", next="/console/user?name=bob")) == "/user?name=bob"


@pytest.mark.parametrize("path", ["/users", "/user?name=admin", "/roles", "/role?name=admin"])
def test_admin_pages_are_forbidden_to_other_users(here: ConsoleClient, path: str) -> None:
    here.log_in("bob")
    answer = here.get(path)
    assert answer.status_code == 403
    assert "Only admins may do this." in answer.text
    assert goes_to(here.get("")) == "/account"


def test_a_user_who_is_not_an_admin_cannot_send_admin_forms(here: ConsoleClient) -> None:
    here.log_in("bob")
    for path in FORMS[:-2]:
        assert here.send(path, role="admin", name="x").status_code == 403, path
    assert not here.world.is_admin("bob")


def test_a_user_who_must_change_the_password_sees_only_the_account(here: ConsoleClient) -> None:
    here.world.store.account("admin").must_change = True
    here.log_in("admin")
    assert goes_to(here.get("/users")) == goes_to(here.get("")) == "/account"
    assert 'href="/console/users"' not in here.get("/account").text
    assert "Change your password first." in here.get("/account").text
    assert goes_to(here.send("/user/delete?name=bob")) == "/account"
    assert here.world.exists("bob")


def test_a_notice_is_shown_once_and_cannot_be_injected(here: ConsoleClient) -> None:
    said = "Password changed."
    assert said not in here.get("/login?done=own-password").text
    here.log_in("admin")
    assert "User deleted." not in here.get("/users?done=removed").text
    changed = here.send("/account/password", old=PASSWORD, new="new one", confirmed="new one")
    assert goes_to(changed) == "/login"
    for part in ("__Host-", "; Secure", "; HttpOnly", "; Path=/", "; SameSite=Strict"):
        assert all(part in cookie for cookie in changed.headers.getlist("Set-Cookie")[:1])
    assert said in here.get("/login").text
    assert said not in here.get("/login").text


@pytest.mark.parametrize("name", ["admin", "elder"])
def test_the_reason_why_a_password_cannot_be_set_is_shown(here: ConsoleClient, name: str) -> None:
    here.world.add_admin("elder", None)
    here.log_in("admin")
    sent = here.send(f"/user/password?name={name}", new="new one", confirmed="other")
    assert "The new password and its confirmation differ." in here.get(goes_to(sent)).text
    sent = here.send(f"/user/password?name={name}", new="new one", confirmed="new one")
    assert 'class="banner wrong"' in here.get(goes_to(sent)).text


def test_white_space_in_role_names_is_kept(here: ConsoleClient) -> None:
    here.world.store.create_role("two\tlines\n x")
    here.log_in("admin")
    for page in ("/users", "/user?name=bob", "/users?role=two%09lines%0A+x"):
        assert '<option value="two\tlines\n x"' in here.get(page).text


def test_demotion_ends_the_session_of_the_admin(here: ConsoleClient) -> None:
    here.log_in("boss")
    here.world.demote("admin", "boss")
    assert goes_to(here.get("/users")).startswith("/login")


def test_the_first_login_creates_the_first_admin(tmp_path: Path) -> None:
    world = make_world(tmp_path / "empty")
    stranger = console_client(world)
    assert "No administrator exists yet." in stranger.get("/login").text
    for confirmed in ({}, {"confirmed": ""}, {"confirmed": "a passwort"}):
        way = goes_to(stranger.log_in("first", "a password", **confirmed))
        assert way.startswith("/login?again=")
        page = stranger.get(way).text
        assert ('value="first"' in page, "a passw" in page) == (True, False)
        assert not world.exists("first")
    assert goes_to(stranger.log_in("first", "a password", confirmed="a password")) == ""
    assert world.is_admin("first")
    assert "You are the first administrator." in stranger.get("/users").text
    assert "You are the first administrator." not in stranger.get("/users").text
    other = console_client(world)
    assert "No administrator exists yet." not in other.get("/login").text
    assert 'name="confirmed"' not in other.get("/login").text
    assert goes_to(other.log_in("first", "a password")) == ""
    assert "You are the first administrator." not in other.get("/users").text
    world.services.state.close()


def test_a_configured_first_admin_types_the_password_once(tmp_path: Path) -> None:
    settings = [("BOOTSTRAP__MODE", "configured"), ("SUPER_ADMIN__USERNAME", "first")]
    world = make_world(tmp_path / "new", [*settings, ("SUPER_ADMIN__PASSWORD", "a password")])
    stranger = console_client(world)
    page = stranger.get("/login").text
    assert ("No administrator exists yet." in page, 'name="confirmed"' in page) == (True, False)
    assert goes_to(stranger.log_in("first", "a password")) == ""
    assert "You are the first administrator." in stranger.get("/users").text
    world.services.state.close()


def test_an_unreadable_admin_role_shows_the_usual_login(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path / "down")
    world.store.is_down = True
    assert 'name="confirmed"' not in console_client(world).get("/login").text
    world.services.state.close()


def test_the_loser_of_two_first_logins_gets_no_first_admin_notice(tmp_path: Path) -> None:
    world = make_world(tmp_path / "raced")
    world.add("bob")
    stranger = console_client(world)
    prove = world.store.authenticate

    def meanwhile(user: User, password: str) -> AuthenticationResult:
        if not world.admins():
            world.store.apply(CreateAdminRole(world.add("quicker")))
        return prove(user, password)

    world.store.authenticate = meanwhile  # type: ignore[method-assign]
    assert goes_to(stranger.log_in("bob", PASSWORD, confirmed=PASSWORD)) == ""
    assert world.admins() == ["quicker"]
    assert "You are the first administrator." not in stranger.get("/account").text
    world.services.state.close()


def test_failed_logins_are_throttled_and_audited(here: ConsoleClient) -> None:
    for _ in range(20):
        assert "Invalid credentials." in here.get(goes_to(here.log_in("bob", "wrong"))).text
    assert "Too many failed logins." in here.get(goes_to(here.log_in("bob"))).text
    assert here.world.told("outcome", "reason")[-1] == ("refused", "throttled")


def test_an_unavailable_directory_shows_an_error_page(here: ConsoleClient) -> None:
    here.log_in("admin")
    here.world.store.is_down = True
    answer = here.get("/users?q=x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The directory cannot be reached." in answer.text
    assert 'href="/console/users?q=x"' in answer.text
    login = here.get(goes_to(here.log_in("admin")))
    assert "The directory cannot be reached." in login.text
    assert "Log in to mi_ldap" in login.text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_unknown_paths_show_a_404_page(here: ConsoleClient, method: str) -> None:
    here.log_in("admin")
    answer = here.client.open(
        "/console/nowhere",
        method=method,
        base_url=HERE,
        data={"csrf": here.csrf()},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
    assert "There is no such page." in answer.text
    assert "User: nobody cannot be found." in here.get("/user?name=nobody").text


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "FOO"]),
        ("/", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "FOO"]),
        ("/users", ["PUT", "PROPFIND", "TRACE", "FOO"]),
        ("/nowhere", ["GET", "HEAD", "PROPFIND", "TRACE", "FOO"]),
        ("/a%0Ab", ["GET", "FOO"]),
        ("//x", ["GET", "FOO"]),
        ("/%2Fx", ["GET"]),
        ("/static/a%0Ab/x", ["GET"]),
    ],
)
@pytest.mark.parametrize("somebody", [True, False], ids=["session", "stranger"])
def test_unknown_methods_of_the_console_are_answered_with_pages(
    here: ConsoleClient, path: str, methods: list[str], somebody: bool
) -> None:
    if somebody:
        here.log_in("admin")
    for method in methods:
        answer = here.client.open(f"/console{path}", method=method, base_url=HERE, headers=OURS)
        assert_sound(answer)
        assert (answer.status_code, answer.mimetype) == (404, "text/html"), method
        assert method == "HEAD" or "There is no such page." in answer.text


@pytest.mark.parametrize("body", [b"name=%ff", b"name=\xff", b"x=1&new=%c3", b"%e9=1"])
@pytest.mark.parametrize("path", ["/roles/add", "/login"])
def test_a_form_that_is_not_utf8_is_refused(here: ConsoleClient, path: str, body: bytes) -> None:
    here.log_in("admin")
    before = here.world.store.content
    answer = here.client.post(
        f"/console{path}",
        base_url=HERE,
        headers=OURS,
        data=f"csrf={here.csrf()}&".encode() + body,
        content_type="application/x-www-form-urlencoded; charset=latin-1",
    )
    assert_sound(answer)
    assert (answer.status_code, "not UTF-8" in answer.text) == (400, True)
    assert here.world.store.content == before


def test_a_multipart_form_is_refused(here: ConsoleClient) -> None:
    here.log_in("admin")
    parts = {"csrf": here.csrf(), "name": "x"}
    answer = here.client.post(
        "/console/roles/add",
        base_url=HERE,
        headers=OURS,
        data=parts,
        content_type="multipart/form-data",
    )
    assert answer.status_code == 400
    assert here.world.store.find_role("x") is None


def test_a_field_of_900_kb_is_accepted(here: ConsoleClient) -> None:
    here.log_in("admin")
    answer = here.get(goes_to(here.send("/roles/add", name="x" * 900_000)))
    assert (answer.status_code, "it is longer than 240 bytes" in answer.text) == (200, True)


def test_htmx_requests_are_redirected_to_whole_pages(here: ConsoleClient) -> None:
    asks = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
    assert here.get("/users?q=x", asks).headers["HX-Redirect"].startswith("/console/login?next=")
    sent = here.post("/user/assign?name=bob", asks)
    assert sent.headers["HX-Redirect"].startswith("/console/login?next=/console/user?")
    assert "Your session has ended. Log in to continue." in here.get("/login").text
    here.log_in("admin")
    assert here.get("/users?q=x&size=25", asks).headers["HX-Push-Url"] == "/console/users?q=x"
    here.world.store.is_down = True
    answer = here.get("/users?q=x", asks)
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reselect"]) == ("main", "main")


@pytest.mark.parametrize(
    "name", ["%00", "a%00b", "*", "%28", "PRIMARY%2Fbob%2F", "%F0%9F%A6%8A", ""]
)
def test_odd_names_are_not_found(here: ConsoleClient, name: str) -> None:
    here.log_in("admin")
    for page in ("user", "role", "user/delete", "role/delete", "user/assign-admin"):
        answer = here.get(f"/{page}?name={name}")
        assert answer.status_code == 404
        assert ("a name is needed" in answer.text) == (not name)


def test_invalid_urls_and_large_forms_show_error_pages(here: ConsoleClient) -> None:
    here.log_in("admin")
    assert here.get("/users?q=%ff").status_code == 400
    large = here.send("/roles/add", name="x" * 1_100_000)
    assert (large.status_code, "larger than 1 MB" in large.text) == (413, True)


def test_the_api_still_answers_in_json(here: ConsoleClient) -> None:
    for path in ("/management/nowhere", "/nowhere"):
        assert here.client.get(path, base_url=HERE).mimetype == "application/json"


def test_the_login_page_warns_of_plain_http(tmp_path: Path) -> None:
    world = make_world(tmp_path / "plain", [("SERVER__TLS", "false")])
    stranger = console_client(world)
    assert "plain HTTP" in stranger.get("/login").text
    assert "plain HTTP" not in stranger.get("/login", {"X-Forwarded-Proto": "https"}).text
    world.services.state.close()
