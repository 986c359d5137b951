"""What is really answered is what the document promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import TestResponse

from mi_ldap.errors import MiLdapError
from mi_ldap.micro_integrators.resources import RESOURCES
from tests.api.client import PASSWORD, Api, Family
from tests.openapi.book import BOOK, ENDPOINTS, assert_by_the_book


@dataclass(frozen=True)
class Checked(Api):
    """The API, whose answers are compared with the document."""

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        **environ: Any,
    ) -> TestResponse:
        answer = super().ask(method, path, body, headers=headers, **environ)
        assert_by_the_book(self.client.application, method, path, answer)
        return answer


@pytest.fixture
def stranger(light_api: Api) -> Api:
    return Checked(light_api.services, light_api.client)


@pytest.fixture
def admin(stranger: Api) -> Api:
    return stranger.logged_in("admin")


def test_responses_without_a_login_match_the_document(stranger: Api) -> None:
    for path in ("/health", "/ready", "/management"):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert stranger.ask(method, path).status_code == 200


def test_responses_of_login_and_logout_match_the_document(stranger: Api) -> None:
    assert stranger("GET", "/login").status_code == 401
    admin = stranger.logged_in("admin")
    assert stranger.login("admin", "wrong").status_code == 401
    assert admin("GET", "/server").status_code == 200
    assert admin("GET", "/logout").status_code == 200
    assert admin("GET", "/server").status_code == 401


def test_throttled_logins_match_the_document(light_api_of: Any) -> None:
    made = light_api_of(MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME="1")
    stranger = Checked(made.services, made.client)
    stranger.logged_in("admin")
    assert [stranger.login("admin", "wrong").status_code for _ in range(2)] == [401, 429]


def test_responses_of_users_match_the_document(admin: Api) -> None:
    admin.add_user("bob")
    admin.add_user("alice", isAdmin="TRUE", domain="")
    admin.add_role("dev", "bob")
    for query in ("", "?pattern=*b*&limit=1", "?role=nobody", "?regex=^a&searchKey=l"):
        assert admin("GET", f"/users{query}").status_code == 200
    for name in ("bob", "alice"):
        assert admin("HEAD", f"/users/{name}").status_code == 200
        assert admin.user(name)["roles"]
    new = {"newPassword": "two builders", "confirmPassword": "two builders"}
    assert admin("PATCH", "/users/bob", new).status_code == 200
    assert admin("DELETE", "/users/bob").status_code == 200


def test_errors_of_users_match_the_document(admin: Api) -> None:
    admin.add_user("bob")
    assert admin("POST", "/users", {"userId": "bob", "password": PASSWORD}).status_code == 400
    assert admin("POST", "/users", "no JSON").status_code == 400
    assert admin("POST", "/users", "x" * 2_000_000).status_code == 413
    assert admin("GET", "/users?limit=0").status_code == 400
    assert admin("GET", "/users/nobody").status_code == 404
    assert admin("GET", "/users/bob?domain=x").status_code == 404
    assert admin("DELETE", "/users/admin").status_code == 403
    bob = admin.stranger().logged_in("bob")
    for method, path in (("GET", "/users"), ("DELETE", "/users/admin"), ("POST", "/users")):
        assert bob(method, path).status_code == 403
        assert admin.stranger()(method, path).status_code == 401


def test_custody_errors_match_the_document(admin: Api) -> None:
    admin.add_user("bob", isAdmin=True)
    bob = admin.stranger().logged_in("bob")
    bob.add_user("alice", isAdmin=True)
    new = {"newPassword": "two builders", "confirmPassword": "two builders"}
    for somebody, name in ((admin, "alice"), (bob, "admin")):
        taken = {"userId": name, "removedRoles": ["admin"]}
        for method, path, body in (
            ("DELETE", f"/users/{name}", None),
            ("PATCH", f"/users/{name}", new),
            ("PUT", "/roles", taken),
        ):
            answer = somebody(method, path, body)
            said = answer.json["Error"].replace("'admin'", "'alice'")  # type: ignore[index]
            assert said in refusals_of(method, path.replace(name, "{id}")), answer.text


def refusals_of(method: str, path: str) -> list[str]:
    """What the document says of 403."""
    response = BOOK["paths"][f"/management{path}"][method.lower()]["responses"]["403"]
    examples = response["content"]["application/json"]["examples"].values()
    return [example["value"]["Error"] for example in examples]


def test_responses_of_roles_match_the_document(admin: Api) -> None:
    admin.add_user("bob")
    for name in ("dev", "Internal/testers"):
        admin.add_role(name, "bob")
    for path in ("/roles", "/roles?limit=1&offset=1", "/roles/dev", "/roles/Internal%2Ftesters"):
        assert admin("GET", path).status_code == 200
    assert admin("GET", "/roles/testers?domain=Internal").status_code == 200
    change = {"userId": "bob", "addedRoles": None, "removedRoles": ["dev"]}
    assert admin("PUT", "/roles/", change).status_code == 200
    assert admin("DELETE", "/roles/dev").status_code == 200


def test_errors_of_roles_match_the_document(admin: Api) -> None:
    admin.add_role("dev")
    assert admin("POST", "/roles", {"role": "dev"}).status_code == 400
    assert admin("PUT", "/roles", {"userId": "admin"}).status_code == 400
    assert admin("PUT", "/roles", {"userId": "nobody", "addedRoles": []}).status_code == 404
    assert admin("DELETE", "/roles/admin").status_code == 403
    assert admin("GET", "/roles/none").status_code == 404


def test_responses_of_artifacts_match_the_document(admin: Api) -> None:
    admin.add_user("bob")
    bob = admin.stranger().logged_in("bob")
    for kind in [each.kind for each in RESOURCES if each.is_list]:
        for path in (f"/{kind}", f"/{kind}/", f"/{kind}?searchKey=x"):
            assert bob("GET", path).status_code == 200
        assert admin.stranger()("GET", f"/{kind}").status_code == 401


def test_a_refused_deletion_matches_the_document(light_api: Api) -> None:
    family = Family(Checked(light_api.services, light_api.client))
    refused = family.boss("DELETE", "/users/admin")
    assert refused.status_code == 403


def test_error_examples_have_the_status_of_their_error() -> None:
    from mi_ldap.web.errors import status_of

    for endpoint in ENDPOINTS:
        for status, errors in endpoint.errors.items():
            for error in errors:
                if isinstance(error, MiLdapError):
                    assert status_of(error) == status
