"""What the Integration Control Plane may do, and what nobody may do with its key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
import structlog
from flask import Response, jsonify
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from mi_ldap.errors import AmbiguousName, ConfigurationError
from mi_ldap.icp_tokens import issue
from mi_ldap.micro_integrators.resources import RESOURCES, Audience
from mi_ldap.model import User
from mi_ldap.web.access import Access, allow
from mi_ldap.web.context import current_performer
from tests.api.client import PASSWORD, Api
from tests.api.conftest import MakeApi
from tests.api.tokens import claims_of, signed
from tests.icp_tokens import ICP, KEY, KID, SECRET, token
from tests.memory_store import MemoryStore
from tests.subtree import Subtree

ACCOUNT = {"ICP_CONFIG__ACCOUNT": "icp"}
BOB = {"userId": "bob", "password": PASSWORD, "isAdmin": False}

READ = [
    each.path.replace("{", "<").replace("}", ">")
    for each in RESOURCES
    if each.operations[0].audience is Audience.READERS
]
OPEN = {
    *(("GET", f"/management{path}") for path in READ),
    ("GET", "/management/rules"),
    ("GET", "/management/server"),
    ("GET", "/management/users"),
    ("GET", "/management/users/<name>"),
    ("POST", "/management/users"),
    ("DELETE", "/management/users/<name>"),
}
"""All that a token of ICP opens, except for what needs no token."""


@pytest.fixture(autouse=True)
def no_context_left() -> Iterator[None]:
    """Other tests of this process find no context of a request of ICP."""
    yield
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def admin(light_api_of: MakeApi) -> Api:
    """The first admin of a service with the account `icp`, who is an admin."""
    admin = light_api_of(**ICP, **ACCOUNT).logged_in("admin")
    admin.add_user("icp", isAdmin=True)
    return admin


def as_icp(api: Api, **edits: Any) -> Api:
    """The API as ICP sees it."""
    return replace(api, token=token(**edits))


def error_of(answer: TestResponse) -> str:
    return str(answer.json["Error"])  # type: ignore[index]


def test_icp_lists_shows_creates_and_deletes_users(admin: Api) -> None:
    icp = as_icp(admin)
    icp.do("POST", "/users", {**BOB, "domain": "primary"})
    assert icp.names() == ["admin", "bob", "icp"]
    assert icp.user("bob") == {"userId": "bob", "isAdmin": False, "roles": ["Internal/everyone"]}
    assert icp.user("icp")["isAdmin"] is True
    icp.do("DELETE", "/users/bob")
    assert not admin.exists("bob")


@pytest.mark.parametrize("api_of", ["directory", "sqlite"], indirect=True)
def test_the_account_is_read_from_a_real_store(api_of: MakeApi) -> None:
    admin = api_of(**ICP, **ACCOUNT, ICP_CONFIG__ALLOW_ADMINS="true").logged_in("admin")
    icp = as_icp(admin)
    assert icp("GET", "/users").status_code == 403
    admin.add_user("icp", isAdmin=True)
    icp.do("POST", "/users", {**BOB, "isAdmin": True})
    assert icp.user("bob")["createdBy"] == "icp"
    icp.do("DELETE", "/users/bob")
    admin.do("PUT", "/roles", {"userId": "icp", "removedRoles": ["admin"]})
    assert icp("DELETE", "/users/admin").status_code == 403


def test_an_account_that_is_renamed_or_ambiguous_shuts_icp_out(
    directory_api_of: MakeApi, subtree: Subtree
) -> None:
    either = "(&(objectClass=inetOrgPerson)(|(uid=?)(mail=?)))"
    api = directory_api_of(**ICP, **ACCOUNT, USER_STORE__USER_NAME_SEARCH_FILTER=either)
    admin = api.logged_in("admin")
    admin.add_user("icp", isAdmin=True)
    icp = as_icp(admin)
    assert icp.names() == ["admin", "icp"]

    def assert_shut_out() -> None:
        for method, path in (("GET", "/users"), ("POST", "/users"), ("GET", "/server")):
            answer = icp(method, path, BOB if method == "POST" else None)
            assert answer.status_code == 403
            assert "does not exist in this service, or is disabled" in error_of(answer)

    other = subtree.add_user("other", PASSWORD, mail="icp")
    with capture_logs() as lines:
        assert_shut_out()
    assert {line["account"] for line in lines if line["event"] == "icp_account_ambiguous"} == {
        "icp"
    }
    subtree.tool.delete(other)
    assert icp.names() == ["admin", "icp"]
    subtree.tool.rename(subtree.user_dn("icp"), "uid=renamed")
    assert_shut_out()


def test_icp_reads_what_every_user_may_read(admin: Api) -> None:
    icp = as_icp(admin)
    assert icp.get("/server")["productName"].startswith("mi_ldap")
    kinds = {each.kind for each in RESOURCES if each.is_list} - {"applications"}
    assert all(icp.get(f"/{kind}")["list"] == [] for kind in kinds)
    assert icp("GET", "/apis?apiName=x").status_code == 404
    assert icp("GET", "/nowhere").status_code == 404
    assert icp("HEAD", "/server").status_code == 200


def test_a_token_of_icp_opens_no_other_route(admin: Api) -> None:
    icp, opened = as_icp(admin), set()
    for rule in admin.client.application.url_map.iter_rules():
        path = "".join(f"<{text}>" if dyn else text for dyn, text in rule._trace if text != "|")
        if not path.startswith("/management") or path == "/management":
            continue
        url = path.replace("<name>", "nobody")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = icp.ask(method, url, {})
            if answer.status_code == 403:
                assert "can only list, show, create and delete users" in error_of(answer)
            elif answer.status_code != 401:
                opened.add((method, path))
    assert opened == OPEN


def test_the_login_and_the_console_take_no_token_of_icp(admin: Api) -> None:
    icp = as_icp(admin)
    assert icp("GET", "/login").status_code == 401
    with admin.client.application.test_client() as browser:
        cookie = admin.client.application.config["JWT_ACCESS_COOKIE_NAME"]
        browser.set_cookie(cookie, icp.token, domain="localhost", secure=True)
        headers = {"Authorization": f"Bearer {icp.token}"}
        answer = browser.get("/console/users", base_url="https://localhost", headers=headers)
        assert (answer.status_code, answer.location[:14]) == (303, "/console/login")


@pytest.mark.parametrize("access", list(Access))
def test_a_new_route_is_closed_to_icp(light_api_of: MakeApi, access: Access) -> None:
    api = light_api_of(**ICP, **ACCOUNT)

    @allow(access)
    def view() -> Response:
        return jsonify(status="done")

    def undeclared() -> Response:
        return jsonify(status="done")

    app = api.client.application
    app.add_url_rule("/management/new", "new", view, methods=["GET", "POST"])
    app.add_url_rule("/management/newer", "newer", undeclared, methods=["GET", "POST"])
    app.add_url_rule("/outside", "outside", view)
    api.logged_in("admin").add_user("icp", isAdmin=True)
    icp = as_icp(api)
    is_open = access in (Access.ANYBODY, Access.LOGGED_IN, Access.READER)
    assert icp("GET", "/new").status_code == (200 if is_open else 403)
    assert icp("POST", "/new").status_code == (200 if access is Access.ANYBODY else 403)
    assert icp.ask("GET", "/outside").status_code == (200 if access is Access.ANYBODY else 403)
    for method, path in (("GET", "/newer"), ("POST", "/newer"), ("PATCH", "/users"), ("PUT", "/x")):
        assert icp(method, path).status_code == 403


def test_the_role_of_the_account_is_read_at_each_request(admin: Api) -> None:
    icp = as_icp(admin)
    icp.do("POST", "/users", BOB)
    admin.do("PUT", "/roles", {"userId": "icp", "removedRoles": ["admin"]})
    for method, path in (("GET", "/users"), ("GET", "/users/bob"), ("DELETE", "/users/bob")):
        answer = icp(method, path)
        assert answer.status_code == 403
        assert error_of(answer) == "403 Forbidden. Only admins may do this."
    assert icp.get("/server")
    admin.give("icp", "admin")
    assert icp.names() == ["admin", "bob", "icp"]


def test_an_account_that_is_deleted_or_disabled_shuts_icp_out(
    admin: Api, memory: MemoryStore
) -> None:
    icp = as_icp(admin)
    memory.account("icp").enabled = False
    for method, path in (("GET", "/users"), ("POST", "/users"), ("GET", "/server")):
        answer = icp(method, path, BOB if method == "POST" else None)
        assert answer.status_code == 403
        assert "does not exist in this service, or is disabled" in error_of(answer)
    memory.account("icp").enabled = True
    assert icp.names() == ["admin", "icp"]
    admin.do("DELETE", "/users/icp")
    answer = icp("GET", "/users")
    assert "does not exist in this service, or is disabled" in error_of(answer)
    admin.add_user("icp")  # another user, without the role
    assert error_of(icp("GET", "/users")) == "403 Forbidden. Only admins may do this."


def test_an_ambiguous_name_is_no_account(
    admin: Api, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = memory.find_user

    def find_user(name: str) -> User | None:
        if name == "icp":
            raise AmbiguousName("user", name)
        return find(name)

    monkeypatch.setattr(memory, "find_user", find_user)
    answer = as_icp(admin)("GET", "/users")
    assert answer.status_code == 403
    assert "does not exist in this service, or is disabled" in error_of(answer)


def test_the_account_cannot_delete_itself(admin: Api) -> None:
    answer = as_icp(admin)("DELETE", "/users/icp")
    assert answer.status_code == 403
    assert "Attempt to delete the logged in user" in error_of(answer)


def test_without_an_account_icp_only_reads(light_api_of: MakeApi) -> None:
    admin = light_api_of(**ICP).logged_in("admin")
    admin.do("POST", "/users", BOB)
    icp = as_icp(admin)
    assert icp.names() == ["admin", "bob"]
    assert icp.user("admin")["isAdmin"] is True
    assert icp.get("/logs")["list"] == []
    for method, path in (("POST", "/users"), ("DELETE", "/users/bob")):
        answer = icp(method, path, BOB)
        assert answer.status_code == 403
        assert "has no account for it (icp_config.account)" in error_of(answer)
    assert icp("GET", "/roles").status_code == 403
    assert admin.names() == ["admin", "bob"]
    assert not [line for line in admin.lines if "via" in line]


def test_a_view_that_needs_a_user_refuses_icp_without_an_account(light_api_of: MakeApi) -> None:
    @allow(Access.LOGGED_IN)
    def view() -> Response:
        return jsonify(name=current_performer().name)

    api = light_api_of(**ICP)
    api.client.application.add_url_rule("/management/new", "new", view)
    assert as_icp(api)("GET", "/new").status_code == 403
    assert api.logged_in("admin").get("/new") == {"name": "admin"}


def test_no_admin_is_created_through_icp_unless_that_is_allowed(admin: Api) -> None:
    answer = as_icp(admin)("POST", "/users", {**BOB, "isAdmin": True})
    assert answer.status_code == 403
    assert error_of(answer).startswith("No admin can be created through the Integration Control")
    assert not admin.exists("bob")
    line = admin.lines[-1]
    assert (line["action"], line["type"], line["outcome"]) == ("refused", "admin", "refused")
    assert (line["performedBy"], line["via"]) == ("icp", "icp")
    long = {**BOB, "userId": "x" * 500_000, "isAdmin": True}
    assert as_icp(admin)("POST", "/users", long).status_code == 400
    assert admin.lines[-1] == line


def test_an_admin_of_icp_is_a_dependent_of_its_account(light_api_of: MakeApi) -> None:
    admin = light_api_of(**ICP, **ACCOUNT, ICP_CONFIG__ALLOW_ADMINS="true").logged_in("admin")
    admin.add_user("icp", isAdmin=True)
    admin.add_user("carl", isAdmin=True)
    icp = as_icp(admin)
    icp.do("POST", "/users", {**BOB, "isAdmin": True})
    assert icp.user("bob")["createdBy"] == "icp"
    refused = icp("DELETE", "/users/carl")
    assert refused.status_code == 403
    assert "Only the creator of admin user 'carl'" in error_of(refused)
    assert admin("DELETE", "/users/bob").status_code == 403
    icp.do("DELETE", "/users/bob")
    assert admin.exists("carl")


def test_the_audit_log_names_account_key_and_address(admin: Api) -> None:
    icp = as_icp(admin).elsewhere()
    icp.do("POST", "/users", BOB)
    created = admin.lines[-1]
    icp.do("DELETE", "/users/bob")
    deleted = admin.lines[-1]
    for line, action in ((created, "created"), (deleted, "deleted")):
        assert (line["performedBy"], line["action"]) == ("icp", action)
        assert (line["via"], line["kid"], line["client"]) == ("icp", KID, "192.0.2.7")
    admin.do("POST", "/users", BOB)
    assert "via" not in admin.lines[-1]


def test_a_change_is_authorized_by_the_directory_and_fails_with_it(
    admin: Api, memory: MemoryStore
) -> None:
    memory.is_down = True
    assert as_icp(admin)("GET", "/users").status_code == 503
    memory.is_down = False
    assert as_icp(admin).names() == ["admin", "icp"]


REFUSED: dict[str, Callable[[], str]] = {
    "another key": lambda: token(key=KEY[::-1]),
    "the decoded key": lambda: token(key="\0" * 32),
    "another subject": lambda: token(sub="admin"),
    "no issue time": lambda: token(iat=None),
    "issued long ago": lambda: token(iat=1),
    "expired": lambda: token(exp=1),
    "huge": lambda: token(exp=10**400),
    "not yet": lambda: token(nbf=99999999999),
    "no object": lambda: token()[:-1] + "!",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_that_is_not_valid_is_401_everywhere(admin: Api, name: str) -> None:
    icp = replace(admin, token=REFUSED[name]())
    for method, path in (("GET", "/users"), ("GET", "/server"), ("GET", "/roles"), ("GET", "/x")):
        answer = icp(method, path)
        assert answer.status_code == 401, answer.text
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    # An expired token of ours may log out; one of ICP has no session.
    assert icp("GET", "/logout").status_code == 401


def test_a_wrong_clock_is_in_the_log_and_no_token(admin: Api) -> None:
    icp = as_icp(admin, iat=int(time.time()) + 700, nbf=int(time.time()) + 700)
    with capture_logs() as lines:
        answer = icp("GET", "/users")
    assert error_of(answer).endswith("Compare the clocks of both machines.")
    (line,) = [line for line in lines if line["event"] == "icp_token_refused"]
    assert line["reason"].startswith("its clock differs by ")
    assert icp.token not in str(lines)
    assert icp.token.rpartition(".")[2] not in str(lines)


def test_the_own_token_of_the_heartbeat_is_refused(admin: Api) -> None:
    own = replace(admin, token=issue(admin.services.settings.icp_config))
    assert own("GET", "/users").status_code == 401
    assert own("GET", "/server").status_code == 401


def test_the_key_id_alone_decides_whose_rules_apply(admin: Api) -> None:
    own = claims_of(admin)
    # A token of a user that is signed with ICP's key, under either key id.
    for kid in (KID, admin.services.keys.current):
        forged = replace(admin, token=signed(admin, own, key=KEY, kid=kid))
        assert forged("GET", "/server").status_code == 401
    # A token of ICP that is signed with our key, under either key id.
    for kid in (KID, admin.services.keys.current):
        forged = as_icp(admin, key=admin.services.keys.signing_key, kid=kid)
        assert forged("GET", "/server").status_code == 401
    assert as_icp(admin, kid=f"{KID} ")("GET", "/server").status_code == 401
    assert as_icp(admin, kid=KID.upper())("GET", "/server").status_code == 401
    assert admin("GET", "/server").status_code == 200


def test_a_token_of_icp_is_nothing_where_icp_is_not_enabled(light_api_of: MakeApi) -> None:
    admin = light_api_of(**{**ICP, "ICP_CONFIG__ENABLED": "false"}).logged_in("admin")
    answer = as_icp(admin)("GET", "/server")
    assert error_of(answer) == "The token's key is not known. Log in again."


def test_without_a_secret_the_empty_key_opens_nothing(light_api_of: MakeApi) -> None:
    admin = light_api_of().logged_in("admin")
    unsigned = replace(admin, token=token(kid="", key=""))
    for path in ("/server", "/users"):
        answer = unsigned("GET", path)
        assert (answer.status_code, error_of(answer)) == (
            401,
            "The token's key is not known. Log in again.",
        )


def test_a_token_of_a_user_works_beside_icp(admin: Api) -> None:
    admin.do("POST", "/users", BOB)
    bob = admin.stranger().logged_in("bob")
    assert bob("GET", "/users").status_code == 403
    assert bob("GET", "/logout").status_code == 200
    assert bob("GET", "/server").status_code == 401
    assert jwt.get_unverified_header(admin.token)["kid"] != KID


def test_a_token_of_icp_is_not_used_up(admin: Api) -> None:
    # ICP 2.1 signs two calls of one second with the same text.
    icp = as_icp(admin)
    assert [icp("GET", "/users").status_code for _ in range(3)] == [200, 200, 200]


def test_a_key_id_of_the_service_stops_the_start(light_api_of: MakeApi) -> None:
    with pytest.raises(ConfigurationError, match="has the id of a signing key of this service"):
        light_api_of(**{**ICP, "ICP_CONFIG__SECRET": f"1.{KEY}"})


@pytest.mark.parametrize("text", [KEY, SECRET])
def test_a_key_of_the_service_stops_the_start(
    light_api_of: MakeApi, tmp_path: Path, text: str
) -> None:
    (tmp_path / "signing-keys").mkdir()
    (tmp_path / "signing-keys" / "1.key").write_text(text)
    with pytest.raises(ConfigurationError, match="is a signing key of this service"):
        light_api_of(**ICP)
