"""`/management/users`: making, showing, removing (§4)."""

from __future__ import annotations

import json
from urllib.parse import quote

from tests.api.client import PASSWORD, Api
from tests.api.conftest import MakeApi
from tests.api.stores import where_there_is_a_policy
from tests.store_contract import ODD_NAMES

BODY = {"userId": "dora", "password": PASSWORD}


def error_of(api: Api, method: str, path: str, body: object = None) -> tuple[int, str]:
    answer = api(method, path, body)
    return answer.status_code, answer.json["Error"]  # type: ignore[index]


# Making


def test_a_user_is_added_and_shown(admin: Api) -> None:
    assert admin.do("POST", "/users", BODY) == {"userId": "dora", "status": "Added"}
    assert admin.user("dora") == {
        "userId": "dora",
        "isAdmin": False,
        "roles": ["Internal/everyone"],
    }
    assert admin.login("dora").status_code == 200


def test_an_admin_is_added_and_shown(admin: Api) -> None:
    admin.add_user("dora", isAdmin=True)
    assert admin.user("dora") == {
        "userId": "dora",
        "isAdmin": True,
        "roles": ["Internal/everyone", "admin"],
        "createdBy": "admin",
    }


def test_the_name_is_answered_as_sent_and_stored_as_meant(admin: Api) -> None:
    for sent in (" dora ", "PRIMARY/emil"):
        assert admin.do("POST", "/users", {**BODY, "userId": sent})["userId"] == sent
    assert admin.names() == ["admin", "dora", "emil"]


def test_true_in_any_spelling_makes_an_admin(light_admin: Api) -> None:
    for at, flag in enumerate([True, "true", "TRUE", "True", "tRuE"]):
        light_admin.add_user(f"dora{at}", isAdmin=flag)
        assert light_admin.user(f"dora{at}")["isAdmin"] is True


def test_false_in_any_spelling_makes_none(light_admin: Api) -> None:
    for at, flag in enumerate([False, "false", "FALSE", "", None]):
        light_admin.add_user(f"dora{at}", isAdmin=flag)
        assert light_admin.user(f"dora{at}")["isAdmin"] is False


def test_any_other_flag_is_refused(light_admin: Api) -> None:
    flags: list[object] = ["yes", "1", "on", " true", 1, 0, 1.0, [], {}, ["true"]]
    for flag in flags:
        code, error = error_of(light_admin, "POST", "/users", {**BODY, "isAdmin": flag})
        assert (code, "'isAdmin' must be true or false" in error) == (400, True)
    assert not light_admin.exists("dora")


def test_a_missing_field_is_named_as_mi_names_it(light_admin: Api) -> None:
    bodies: list[dict[str, object]] = [
        {},
        {"userId": "dora"},
        {"password": PASSWORD},
        {"userId": None, "password": PASSWORD},
        {"userId": "dora", "password": None},
    ]
    for body in bodies:
        assert error_of(light_admin, "POST", "/users", body) == (
            400,
            "Error processing the request. Missing one or more of the fields, "
            "'userId', 'password' in the payload.",
        )


def test_a_field_of_a_wrong_type_is_refused(light_admin: Api) -> None:
    values: list[object] = [5, True, 1.5, [], {}, ["dora"]]
    for key in ("userId", "password", "domain"):
        for value in values:
            code, error = error_of(light_admin, "POST", "/users", {**BODY, key: value})
            expected = f"Error processing the request. '{key}' must be a string."
            assert (code, error) == (400, expected)


def test_unknown_keys_are_ignored(light_admin: Api) -> None:
    light_admin.do("POST", "/users", {**BODY, "roles": ["admin"], "x": {"y": [None]}})
    assert light_admin.user("dora")["isAdmin"] is False


def test_a_user_that_exists_is_refused(admin: Api) -> None:
    admin.add_user("dora")
    assert error_of(admin, "POST", "/users", BODY) == (
        400,
        "Error processing the request. User: dora already exists.",
    )
    assert error_of(admin, "POST", "/users", {**BODY, "userId": "DORA"})[0] == 400


def test_a_name_that_the_rules_forbid_is_refused(light_admin: Api) -> None:
    bad = ["", " ", ".", "..", "a:b", "a/b", "admin\u200b", "a\0b", "a\ufffdb", "???", "x" * 241]
    for name in bad:
        code, error = error_of(light_admin, "POST", "/users", {**BODY, "userId": name})
        assert code == 400
        assert "user name is not allowed" in error
    assert light_admin.names() == ["admin"]


def test_a_password_that_the_rules_forbid_is_refused(light_admin: Api) -> None:
    for password in ("", "a\nb", "x" * 1025, "???"):
        code, error = error_of(light_admin, "POST", "/users", {**BODY, "password": password})
        assert code == 400
        assert "password is not allowed" in error


@where_there_is_a_policy
def test_a_password_that_the_policy_refuses_leaves_nothing(admin: Api) -> None:
    code, error = error_of(admin, "POST", "/users", {**BODY, "password": "abc", "isAdmin": True})
    assert code == 400
    assert "too short" in error
    assert not admin.exists("dora")


def test_a_long_name_is_taken_or_refused_but_never_an_outage(admin: Api) -> None:
    for name in ('"' * 81, "," * 100, "é" * 120, "x" * 240):
        answer = admin("POST", "/users", {**BODY, "userId": name})
        assert answer.status_code in (200, 400)
        assert admin.exists(name) == (answer.status_code == 200)


def live_a_whole_life(admin: Api, name: str) -> None:
    admin.add_user(name)
    path = f"/users/{quote(name, safe='')}"
    assert admin.get(path)["userId"] == name
    assert name in admin.names()
    changed = {"newPassword": "another one", "confirmPassword": "another one"}
    assert admin.do("PATCH", path, changed)["userId"] == name
    assert admin.login(name, "another one").status_code == 200
    assert admin.do("DELETE", path) == {"userId": name, "status": "Deleted"}
    assert admin.names() == ["admin"]


def test_an_odd_name_lives_a_whole_life(light_api_of: MakeApi) -> None:
    admin = light_api_of(USER_STORE__ALLOW_ANY_NAME="true").logged_in("admin")
    for name in ODD_NAMES:
        live_a_whole_life(admin, name)


def test_an_odd_name_lives_a_whole_life_in_a_directory(directory_api_of: MakeApi) -> None:
    admin = directory_api_of(USER_STORE__ALLOW_ANY_NAME="true").logged_in("admin")
    for name in ODD_NAMES[::3]:
        live_a_whole_life(admin, name)


# Showing


def test_a_user_is_shown_under_its_stored_name(admin: Api) -> None:
    admin.add_user("dora")
    for typed in ("dora", "DORA", " dora", "PRIMARY%2Fdora", "primary/dora"):
        assert admin.get(f"/users/{typed}")["userId"] == "dora"


def test_roles_are_shown_with_everyone_first_and_then_sorted(admin: Api) -> None:
    admin.add_user("dora", isAdmin=True)
    for role in ("zeta", "Beta", "Internal/x"):
        admin.add_role(role, "dora")
    assert admin.user("dora")["roles"] == [
        "Internal/everyone",
        "admin",
        "Beta",
        "Internal/x",
        "zeta",
    ]


def test_who_is_not_there_is_not_found(admin: Api) -> None:
    for method in ("GET", "DELETE"):
        assert error_of(admin, method, "/users/x") == (
            404,
            "Requested resource not found. User: x cannot be found.",
        )


def test_a_password_of_nobody_is_not_found(admin: Api) -> None:
    body = {"newPassword": "another one", "confirmPassword": "another one"}
    for more in ({}, {"oldPassword": "guess"}):
        assert error_of(admin, "PATCH", "/users/x", {**body, **more})[0] == 404


# Removing


def test_a_user_is_deleted(admin: Api) -> None:
    admin.add_user("dora")
    admin.add_role("dev", "dora")
    assert admin.do("DELETE", "/users/DORA") == {"userId": "dora", "status": "Deleted"}
    assert not admin.exists("dora")
    assert admin.login("dora").status_code == 401
    assert admin.get("/roles/dev") == {"role": "dev", "users": []}


def test_a_deleted_users_token_is_dead_and_a_namesake_does_not_revive_it(admin: Api) -> None:
    admin.add_user("dora")
    dora = admin.stranger().logged_in("dora")
    admin.do("DELETE", "/users/dora")
    assert dora("GET", "/server").status_code == 401
    admin.add_user("dora")
    assert dora("GET", "/server").status_code == 401


def test_a_failed_delete_carries_its_sentence_in_the_reason(admin: Api) -> None:
    answer = admin("DELETE", "/users/admin")
    assert answer.status == (
        "403 Attempt to delete the logged in user. Operation not allowed. "
        "Please login from another user."
    )
    assert answer.json == {"Error": answer.status.removeprefix("403 ")}


# Domains (§6)


def test_these_domains_are_the_primary_store(light_admin: Api) -> None:
    for domain in ("", "primary", "PRIMARY", " Primary ", "\r", "\t", None):
        light_admin.do("POST", "/users", {**BODY, "domain": domain})
        query = f"?domain={quote(domain or '')}"
        assert light_admin.get(f"/users/dora{query}")["userId"] == "dora"
        light_admin.do("DELETE", f"/users/dora{query}")
        assert not light_admin.exists("dora")


def test_another_domain_is_not_found(light_admin: Api) -> None:
    expected = (404, "Could not find a user-store for the given domain LDAP2")
    passwords = {"newPassword": "another one", "confirmPassword": "another one"}
    for method, path, body in [
        ("POST", "/users", {**BODY, "domain": "LDAP2"}),
        ("GET", "/users/admin?domain=LDAP2", None),
        ("DELETE", "/users/admin?domain=LDAP2", None),
        ("PATCH", "/users/admin?domain=LDAP2", passwords),
        ("PUT", "/roles", {"userId": "admin", "addedRoles": [], "domain": "LDAP2"}),
        ("POST", "/roles", {"role": "x", "domain": "LDAP2"}),
        ("GET", "/roles/admin?domain=LDAP2", None),
        ("DELETE", "/roles/admin?domain=LDAP2", None),
    ]:
        assert error_of(light_admin, method, path, body) == expected


def test_with_no_secondary_stores_a_name_with_a_domain_is_nobody(admin: Api) -> None:
    assert error_of(admin, "GET", "/users/LDAP2%2Fadmin")[0] == 404
    assert admin.login("LDAP2/admin").status_code == 401


# A store that takes no changes


def test_a_read_only_store_is_read_and_not_changed(api_of: MakeApi) -> None:
    admin = api_of().logged_in("admin")
    admin.add_user("bob")
    admin.add_role("dev")
    chief = api_of(USER_STORE__TYPE="read_only_ldap").logged_in("admin")
    assert chief.names() == ["admin", "bob"]
    passwords = {"newPassword": "another one", "confirmPassword": "another one"}
    for method, path, body in [
        ("POST", "/users", BODY),
        ("DELETE", "/users/bob", None),
        ("PATCH", "/users/bob", passwords),
        ("PATCH", "/users/admin", {**passwords, "oldPassword": PASSWORD}),
        ("POST", "/roles", {"role": "new"}),
        ("DELETE", "/roles/dev", None),
        ("PUT", "/roles", {"userId": "bob", "addedRoles": ["dev"]}),
    ]:
        assert error_of(chief, method, path, body) == (
            403,
            "Invalid operation. User store is read only",
        )
    assert chief.user("bob")["roles"] == ["Internal/everyone"]


def test_answers_of_writes_are_compact_flat_json(light_admin: Api) -> None:
    answer = light_admin("POST", "/users", BODY)
    assert answer.content_type == "application/json"
    assert json.loads(answer.data) == {"userId": "dora", "status": "Added"}
