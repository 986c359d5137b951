"""Errors carry their code in a header, and MI's sentences in the body."""

from __future__ import annotations

import pytest

from mi_ldap.errors import (
    AdminsOnly,
    BadRequest,
    CustodyRefused,
    DomainNotFound,
    MiLdapError,
    PolicyRefused,
    ReadOnlyStore,
    RoleExists,
    RoleNotFound,
    SelfDeletion,
    UserExists,
    UserNotFound,
    WrongOldPassword,
)
from mi_ldap.web.errors import sentence_of
from tests.api.client import PASSWORD, Api

SENTENCES: list[tuple[MiLdapError, str]] = [
    (AdminsOnly(), "403 Forbidden. Only admins may do this."),
    (UserNotFound("x"), "Requested resource not found. User: x cannot be found."),
    (RoleNotFound("x"), "Requested resource not found. Role: x cannot be found."),
    (DomainNotFound("X"), "Could not find a user-store for the given domain X"),
    (UserExists("x"), "Error processing the request. User: x already exists."),
    (RoleExists("r"), "The role : r already exists"),
    (ReadOnlyStore(), "Invalid operation. User store is read only"),
    (BadRequest("No."), "Error processing the request. No."),
    (PolicyRefused("No."), "Error processing the request. No."),
    (WrongOldPassword(), "Error processing the request. 'oldPassword' is wrong."),
    (
        SelfDeletion(),
        "Attempt to delete the logged in user. Operation not allowed. "
        "Please login from another user.",
    ),
    (
        CustodyRefused("x", "remove it", "That is y."),
        "Only the creator of admin user 'x' can remove it. That is y.",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES, ids=lambda each: str(each)[:20])
def test_the_api_uses_the_words_of_mi(error: MiLdapError, sentence: str) -> None:
    assert sentence_of(error) == sentence


def test_an_error_carries_its_code_in_a_header_and_nothing_more_in_its_body(
    light_admin: Api,
) -> None:
    light_admin.add_user("bob")
    bob = light_admin.stranger().logged_in("bob")
    again = {"userId": "bob", "password": PASSWORD}
    for api, method, path, body, code in (
        (light_admin.stranger(), "GET", "/users", None, "not_authenticated"),
        (light_admin.stranger(), "GET", "/login", None, "login_refused"),
        (bob, "GET", "/users", None, "admins_only"),
        (light_admin, "POST", "/users", again, "user_exists"),
        (light_admin, "POST", "/users", {}, "bad_request"),
        (light_admin, "GET", "/users/nobody", None, "user_not_found"),
        (light_admin, "GET", "/users/bob?domain=x", None, "domain_not_found"),
        (light_admin, "GET", "/roles/none", None, "role_not_found"),
        (light_admin, "DELETE", "/users/admin", None, "self_deletion"),
    ):
        answer = api(method, path, body)
        assert answer.headers["X-Error-Code"] == code
        assert list(answer.json or ()) == ["Error"]
