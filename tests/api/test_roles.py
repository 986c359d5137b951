"""`/management/roles` (§5, §6)."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.client import Api, Family
from tests.api.conftest import MakeApi
from tests.store_contract import ODD_NAMES


def error_of(api: Api, method: str, path: str, body: object = None) -> tuple[int, str]:
    answer = api(method, path, body)
    return answer.status_code, answer.json["Error"]  # type: ignore[index]


# Listing, making, showing, removing


def test_roles_are_listed_sorted_with_everyone_among_them(admin: Api) -> None:
    for role in ("zeta", "Beta", "Internal/x"):
        admin.add_role(role)
    assert admin.get("/roles") == {
        "count": 5,
        "list": [
            {"role": "admin"},
            {"role": "Beta"},
            {"role": "Internal/everyone"},
            {"role": "Internal/x"},
            {"role": "zeta"},
        ],
    }
    assert admin.roles("?searchKey=INTERNAL") == ["Internal/everyone", "Internal/x"]
    assert admin.roles("?searchKey=") == admin.roles()
    assert admin.get("/roles?limit=1&offset=1") == {
        "count": 1,
        "list": [{"role": "Beta"}],
        "total": 5,
    }


def test_a_role_is_added_shown_and_deleted(admin: Api) -> None:
    assert admin.do("POST", "/roles", {"role": "dev"}) == {"role": "dev", "status": "Added"}
    assert admin.get("/roles/dev") == {"role": "dev", "users": []}
    assert admin.get("/roles/DEV") == {"role": "dev", "users": []}
    assert admin.do("DELETE", "/roles/Dev") == {"role": "dev", "status": "Deleted"}
    assert error_of(admin, "GET", "/roles/dev") == (
        404,
        "Requested resource not found. Role: dev cannot be found.",
    )


def test_members_are_shown_sorted(admin: Api) -> None:
    for name in ("Zoe", "bob", "Adam"):
        admin.add_user(name)
    admin.add_role("dev", "Zoe", "bob", "Adam")
    assert admin.get("/roles/dev") == {"role": "dev", "users": ["Adam", "bob", "Zoe"]}
    assert admin.get("/roles/admin") == {"role": "admin", "users": ["admin"]}


def test_everyone_has_all_users(admin: Api) -> None:
    admin.add_user("bob")
    for path in (
        "/roles/Internal/everyone",
        "/roles/Internal%2Feveryone",
        "/roles/internal/EVERYONE",
        "/roles/everyone?domain=Internal",
        "/roles/EVERYONE?domain=internal",
        "/roles/Internal/everyone/",
    ):
        assert admin.get(path) == {"role": "Internal/everyone", "users": ["admin", "bob"]}, path


def test_a_role_that_exists_is_refused(admin: Api) -> None:
    admin.add_role("dev")
    for typed in ("dev", "DEV", "PRIMARY/dev"):
        code, error = error_of(admin, "POST", "/roles", {"role": typed})
        assert code == 400
        assert error.lower() == "the role : dev already exists"


def test_everyone_cannot_be_made_deleted_or_changed(light_admin: Api) -> None:
    for sent in (
        {"role": "Internal/everyone"},
        {"role": "Everyone", "domain": "internal"},
        {"role": "internal/EveryOne"},
    ):
        assert error_of(light_admin, "POST", "/roles", sent)[0] == 400
    assert light_admin("DELETE", "/roles/Internal/everyone").status_code == 403
    assert light_admin("DELETE", "/roles/everyone?domain=Internal").status_code == 403
    for key in ("addedRoles", "removedRoles"):
        body = {"userId": "admin", key: ["Internal/everyone"]}
        assert light_admin("PUT", "/roles", body).status_code == 403
    assert light_admin.roles() == ["admin", "Internal/everyone"]


def test_the_admin_role_is_not_deleted(admin: Api) -> None:
    for typed in ("admin", "ADMIN", "PRIMARY%2Fadmin"):
        answer = admin("DELETE", f"/roles/{typed}")
        assert answer.status == "403 The admin role admin cannot be deleted."
    assert admin.user("admin")["isAdmin"] is True


def test_a_name_that_the_rules_forbid_is_refused(light_admin: Api) -> None:
    for role in ("", " ", "a/b", "Internal/", "a:b", "..", "x\u200b", "x" * 241):
        code, error = error_of(light_admin, "POST", "/roles", {"role": role})
        assert code == 400
        assert "role name is not allowed" in error
    bodies: list[dict[str, object]] = [{}, {"role": None}, {"role": 5}, {"role": ["dev"]}]
    for body in bodies:
        assert light_admin("POST", "/roles", body).status_code == 400


def test_an_odd_name_is_a_role(light_api_of: MakeApi) -> None:
    admin = light_api_of(USER_STORE__ALLOW_ANY_NAME="true").logged_in("admin")
    for name in ODD_NAMES:
        admin.add_role(name, "admin")
        path = f"/roles/{quote(name, safe='')}"
        assert admin.get(path) == {"role": name, "users": ["admin"]}
        assert admin.do("DELETE", path)["role"] == name


# Roles of a domain


@pytest.mark.parametrize(
    "sent",
    [
        {"role": "Internal/x"},
        {"role": "internal/x"},
        {"role": "x", "domain": "Internal"},
        {"role": "x", "domain": "INTERNAL\r"},
    ],
)
def test_a_role_of_a_domain_is_reached_both_ways(light_admin: Api, sent: dict[str, str]) -> None:
    for path in ("/roles/Internal/x", "/roles/x?domain=Internal", "/roles/Internal%2Fx"):
        assert light_admin.do("POST", "/roles", sent)["role"] == sent["role"]
        assert light_admin.get(path) == {"role": "Internal/x", "users": []}
        light_admin.do("DELETE", path)
        assert light_admin.roles() == ["admin", "Internal/everyone"]


def test_a_hybrid_role_is_given_and_shown(admin: Api) -> None:
    admin.add_role("Application/my app", "admin")
    assert admin.user("admin")["roles"] == ["Internal/everyone", "admin", "Application/my app"]
    assert admin.get("/roles/Application/my app")["users"] == ["admin"]


# Giving and taking


def test_roles_are_given_and_taken_in_one_request(family: Family) -> None:
    for role in ("a", "b", "c"):
        family.admin.add_role(role)
    family.admin.give("bob", "a", "b")
    body = {"userId": "BOB", "addedRoles": ["c"], "removedRoles": ["A", "B"]}
    assert family.admin.do("PUT", "/roles", body) == {
        "userId": "BOB",
        "status": "Added/removed the roles",
    }
    assert family.admin.user("bob")["roles"] == ["Internal/everyone", "c"]


def test_the_dashboards_slash_changes_nothing(admin: Api) -> None:
    admin.add_role("dev")
    admin.do("PUT", "/roles/", {"userId": "admin", "addedRoles": ["dev"], "domain": ""})
    assert admin.get("/roles/dev/")["users"] == ["admin"]


def test_missing_null_and_empty_are_the_same(light_admin: Api) -> None:
    same: list[dict[str, object]] = [
        {"addedRoles": ["dev"]},
        {"addedRoles": ["dev"], "removedRoles": None},
        {"addedRoles": ["dev"], "removedRoles": []},
    ]
    for at, more in enumerate(same):
        light_admin.add_role(f"dev{at}")
        added = {"userId": "admin", **more, "addedRoles": [f"dev{at}"]}
        light_admin.do("PUT", "/roles", added)
        assert light_admin.get(f"/roles/dev{at}")["users"] == ["admin"]


@pytest.mark.parametrize("nothing", [None, []])
def test_a_change_of_nothing_is_done_already(light_admin: Api, nothing: object) -> None:
    body = {"userId": "admin", "addedRoles": nothing, "removedRoles": nothing}
    assert light_admin.do("PUT", "/roles", body)["status"] == "Added/removed the roles"
    assert light_admin("PUT", "/roles", {"userId": "nobody", "addedRoles": nothing}).status == (
        "404 Not Found"
    )


BAD_CHANGES: list[dict[str, object]] = [
    {"userId": "admin"},
    {"addedRoles": ["dev"]},
    {"userId": None, "addedRoles": ["dev"]},
    {"userId": "admin", "addedRoles": "dev"},
    {"userId": "admin", "addedRoles": {"dev": 1}},
    {"userId": "admin", "addedRoles": [5]},
    {"userId": "admin", "addedRoles": [None]},
    {"userId": "admin", "addedRoles": [["dev"]]},
    {"userId": ["admin"], "addedRoles": ["dev"]},
    {"userId": "admin", "addedRoles": ["dev"], "removedRoles": ["DEV"]},
]


def test_a_bad_change_is_refused(light_admin: Api) -> None:
    light_admin.add_role("dev")
    for body in BAD_CHANGES:
        assert light_admin("PUT", "/roles", body).status_code == 400, body
    assert light_admin.get("/roles/dev")["users"] == []


def test_what_is_held_or_not_held_already_is_done_already(admin: Api) -> None:
    admin.add_role("dev")
    for _ in range(2):
        admin.give("admin", "dev", "dev", "DEV", "admin")
    assert admin.get("/roles/dev")["users"] == ["admin"]
    for _ in range(2):
        admin.do("PUT", "/roles", {"userId": "admin", "removedRoles": ["dev"]})
    assert admin.get("/roles/dev")["users"] == []


def test_a_change_is_made_whole_or_not_at_all(family: Family) -> None:
    family.admin.add_role("dev")
    changes: list[tuple[dict[str, object], int]] = [
        ({"addedRoles": ["dev", "nope"]}, 404),
        ({"addedRoles": ["dev"], "removedRoles": ["nope"]}, 404),
        ({"addedRoles": ["dev"], "removedRoles": ["admin"]}, 403),
        ({"addedRoles": ["dev", "Internal/everyone"]}, 403),
    ]
    for more, code in changes:
        answer = family.admin("PUT", "/roles", {"userId": "carl", **more})
        assert answer.status_code == code
        assert family.admin.user("carl")["roles"] == ["Internal/everyone", "admin"]


def test_nobody_gets_nothing(admin: Api) -> None:
    admin.add_role("dev")
    assert error_of(admin, "PUT", "/roles", {"userId": "x", "addedRoles": ["dev"]}) == (
        404,
        "Requested resource not found. User: x cannot be found.",
    )


def test_a_role_that_is_deleted_is_nobodys(admin: Api) -> None:
    admin.add_role("dev", "admin")
    admin.do("DELETE", "/roles/dev")
    assert admin.user("admin")["roles"] == ["Internal/everyone", "admin"]
    admin.add_role("dev")
    assert admin.get("/roles/dev")["users"] == []
