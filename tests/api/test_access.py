"""Every route has the access that is declared beside it; a route without one is for admins."""

from __future__ import annotations

import pytest
from flask import Flask, Response, jsonify

from mi_ldap.web.access import Access, declared_access
from tests.api.client import Api
from tests.api.conftest import MakeApi
from tests.memory_store import MemoryStore

ANYBODY, SELF, LOGGED_IN = Access.ANYBODY, Access.SELF, Access.LOGGED_IN
READER, OPERATOR = Access.READER, Access.OPERATOR
BY_DEFAULT, ADMIN = Access.ADMIN_BY_DEFAULT, Access.ADMIN

CHANGED = (
    *("proxy-services", "endpoints", "apis", "sequences", "tasks", "inbound-endpoints"),
    *("message-processors", "templates"),
)
READ = ("local-entries", "message-stores", "connectors", "data-services", "data-sources")

ROUTES: dict[tuple[str, str], Access] = {
    ("GET", "/health"): ANYBODY,
    ("GET", "/ready"): ANYBODY,
    ("GET", "/openapi.json"): ANYBODY,
    ("GET", "/docs"): ANYBODY,
    ("GET", "/docs/<name>"): ANYBODY,
    ("GET", "/management"): ANYBODY,
    ("GET", "/management/login"): ANYBODY,
    ("GET", "/management/logout"): SELF,
    ("GET", "/metrics"): ANYBODY,
    ("GET", "/management/server"): READER,
    ("PATCH", "/management/server"): ADMIN,
    ("GET", "/management/rules"): LOGGED_IN,
    ("GET", "/management/applications"): READER,
    ("POST", "/management/applications"): OPERATOR,
    ("GET", "/management/applications/<name>"): READER,
    ("DELETE", "/management/applications/<name>"): OPERATOR,
    ("GET", "/management/applications/<name>/fault"): READER,
    ("GET", "/management/data-services/<name>/fault"): READER,
    ("GET", "/management/logs"): READER,
    ("GET", "/management/logging"): READER,
    ("PATCH", "/management/logging"): OPERATOR,
    ("DELETE", "/management/logging"): OPERATOR,
    ("GET", "/management/transactions/count"): READER,
    ("GET", "/management/transactions/report"): READER,
    ("GET", "/management/configs"): ADMIN,
    ("PUT", "/management/configs"): ADMIN,
    ("POST", "/management/external-vaults/hashicorp"): ADMIN,
    **{("GET", f"/management/{kind}"): READER for kind in (*CHANGED, *READ)},
    **{("POST", f"/management/{kind}"): OPERATOR for kind in CHANGED},
    **{
        (method, f"/management/registry-resources{part}"): OPERATOR if method != "GET" else READER
        for part in ("", "/content", "/properties", "/metadata")
        for method in ("GET", "POST", "PUT", "DELETE")
    },
    ("GET", "/management/users"): BY_DEFAULT,
    ("POST", "/management/users"): ADMIN,
    ("GET", "/management/users/<name>"): BY_DEFAULT,
    ("DELETE", "/management/users/<name>"): ADMIN,
    ("PATCH", "/management/users/<name>"): SELF,
    ("GET", "/management/roles"): BY_DEFAULT,
    ("POST", "/management/roles"): ADMIN,
    ("PUT", "/management/roles"): ADMIN,
    ("GET", "/management/roles/<name>"): BY_DEFAULT,
    ("DELETE", "/management/roles/<name>"): ADMIN,
    ("GET", "/console"): SELF,
    ("GET", "/console/login"): ANYBODY,
    ("POST", "/console/login"): ANYBODY,
    ("POST", "/console/logout"): SELF,
    ("GET", "/console/static/<digest>/<name>"): ANYBODY,
    ("GET", "/console/account"): SELF,
    ("POST", "/console/account/password"): SELF,
    ("GET", "/console/users"): ADMIN,
    ("GET", "/console/users/add"): ADMIN,
    ("POST", "/console/users/add"): ADMIN,
    ("GET", "/console/user"): ADMIN,
    ("POST", "/console/user/password"): ADMIN,
    ("GET", "/console/user/assign-admin"): ADMIN,
    ("POST", "/console/user/assign"): ADMIN,
    ("GET", "/console/user/revoke-admin"): ADMIN,
    ("POST", "/console/user/revoke"): ADMIN,
    ("GET", "/console/user/delete"): ADMIN,
    ("POST", "/console/user/delete"): ADMIN,
    ("GET", "/console/roles"): ADMIN,
    ("GET", "/console/roles/add"): ADMIN,
    ("POST", "/console/roles/add"): ADMIN,
    ("GET", "/console/role"): ADMIN,
    ("POST", "/console/role/assign"): ADMIN,
    ("GET", "/console/role/delete"): ADMIN,
    ("POST", "/console/role/delete"): ADMIN,
    ("GET", "/console/nodes"): READER,
    ("GET", "/console/nodes/<node>"): READER,
    ("GET", "/console/nodes/<node>/<kind>"): READER,
    ("GET", "/console/nodes/<node>/<kind>/details"): READER,
    ("GET", "/console/nodes/<node>/<kind>/change"): OPERATOR,
    ("POST", "/console/nodes/<node>/<kind>/change"): OPERATOR,
    ("GET", "/console/nodes/<node>/logs/file"): READER,
    ("GET", "/console/nodes/<node>/logs/file/part"): READER,
    ("GET", "/console/nodes/<node>/logs/file/download"): READER,
    # The 404 of an unknown node.
    **dict.fromkeys(
        (
            (method, "/nodes/<id>/management/<rest>")
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        ),
        ANYBODY,
    ),
    ("ANY", "/console"): ANYBODY,  # the console's 404
    ("ANY", "/console/<rest>"): ANYBODY,
}


def declared(app: Flask) -> dict[tuple[str, str], Access]:
    """The access of each route; HEAD and OPTIONS are added by Flask to every GET."""
    found = {}
    for rule in app.url_map.iter_rules():
        path = "".join(
            f"<{text}>" if is_dynamic else text for is_dynamic, text in rule._trace if text != "|"
        )
        for method in (rule.methods or {"ANY"}) - {"HEAD", "OPTIONS"}:
            found[method, path] = declared_access(app.view_functions[rule.endpoint])
    return found


def test_every_route_has_the_access_of_this_table(light_api: Api) -> None:
    assert declared(light_api.client.application) == ROUTES


@pytest.mark.parametrize("path", ["/management/undeclared", "/management/x/<y>", "/undeclared"])
@pytest.mark.parametrize("handler", ["true", "false"])
def test_a_route_without_a_declaration_is_for_admins(
    light_api_of: MakeApi, path: str, handler: str
) -> None:
    api = light_api_of(MANAGEMENT_API__AUTHORIZATION_HANDLER__ENABLE=handler)
    add_undeclared(api.client.application, path)
    admin = api.logged_in("admin")
    admin.add_user("bob")
    bob = api.logged_in("bob")
    url = path.replace("<y>", "z")
    for method in ("GET", "HEAD", "POST"):
        assert api.ask(method, url).status_code == 401
        assert bob.ask(method, url).status_code == 403
        assert admin.ask(method, url).status_code == 200


def test_another_method_of_a_route_without_a_declaration_is_for_admins(light_api: Api) -> None:
    add_undeclared(light_api.client.application, "/management/undeclared")
    admin = light_api.logged_in("admin")
    admin.add_user("bob")
    bob = light_api.logged_in("bob")
    for path in ("/management/undeclared", "/management//undeclared", "/management/%75ndeclared/x"):
        assert light_api.ask("PUT", path).status_code == 401
        assert bob.ask("PUT", path).status_code == 403
        assert admin.ask("PUT", path).status_code == 404


def test_a_route_of_the_console_without_a_declaration_is_for_admins(light_api: Api) -> None:
    app = light_api.client.application
    add_undeclared(app, "/console/undeclared", endpoint="console.undeclared")
    admin = light_api.logged_in("admin")
    admin.add_user("bob")
    with app.test_client() as browser:
        answer = browser.get("/console/undeclared", base_url="https://localhost")
        assert (answer.status_code, answer.location[:14]) == (303, "/console/login")
        for name, status in (("bob", 403), ("admin", 200)):
            form = {"name": name, "password": "correct horse"}
            browser.post("/console/login", base_url="https://localhost", data=form)
            answer = browser.get("/console/undeclared", base_url="https://localhost")
            assert answer.status_code == status


def test_a_token_for_changing_the_password_is_refused_for_methods_without_a_view(
    light_admin: Api, memory: MemoryStore
) -> None:
    light_admin.add_user("bob")
    memory.account("bob").must_change = True
    bob = light_admin.stranger().logged_in("bob")
    for method, path in (("POST", "/logout"), ("PATCH", "/users"), ("GET", "/nowhere")):
        assert bob(method, path).status_code == 403
    assert bob("GET", "/logout").status_code == 200


def add_undeclared(app: Flask, path: str, endpoint: str | None = None) -> None:
    def undeclared(**_path: str) -> Response:
        return jsonify(status="done")

    app.add_url_rule(path, endpoint, undeclared, methods=["GET", "POST"])
