"""Names that other tools made and ours would refuse: each means the one that bears it."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.client import PASSWORD, Api
from tests.api.conftest import MakeApi
from tests.subtree import Subtree

ODD = ("PRIMARY/victim", "primary/ victim", "\u2028victim", "victim\x85", "\x1cvictim")


@pytest.fixture
def admin(directory_api_of: MakeApi) -> Api:
    api = directory_api_of().logged_in("admin")
    api.add_user("victim")
    api.add_role("victim")
    return api


def at(resource: str, name: str) -> str:
    return f"/{resource}/{quote(name, safe='')}"


@pytest.mark.parametrize("name", ODD)
def test_what_is_typed_means_the_user_of_just_that_name(
    admin: Api, subtree: Subtree, name: str
) -> None:
    subtree.add_user(name, "its own password")
    assert name in admin.names()
    assert admin.user(name)["userId"] == name
    admin.give(name, "victim")
    assert admin.get("/roles/victim")["users"] == [name]
    assert admin.login(name, PASSWORD).status_code == 401
    assert admin.logged_in(name, "its own password")("GET", "/server").status_code == 200
    new = {"newPassword": "another one", "confirmPassword": "another one"}
    assert admin.do("PATCH", at("users", name), new)["userId"] == name
    assert admin.do("DELETE", at("users", name))["userId"] == name
    assert "victim" in admin.names()
    assert admin.login("victim").status_code == 200


@pytest.mark.parametrize("name", ODD)
def test_where_nobody_is_named_so_the_plain_name_is_meant(admin: Api, name: str) -> None:
    assert admin.user(name)["userId"] == "victim"
    assert admin.login(name).status_code == 200
    assert admin("POST", "/users", {"userId": name, "password": PASSWORD}).status_code == 400
    assert admin.do("DELETE", at("users", name))["userId"] == "victim"


@pytest.mark.parametrize("name", ODD)
def test_roles_are_meant_just_so(admin: Api, subtree: Subtree, name: str) -> None:
    subtree.add_group(name, subtree.user_dn("victim"))
    assert admin.get(at("roles", name)) == {"role": name, "users": ["victim"]}
    assert admin.get("/roles/victim")["users"] == []
    assert admin.names(f"?role={quote(name, safe='')}") == ["victim"]
    admin.do("PUT", "/roles", {"userId": "victim", "removedRoles": [name]})
    assert admin.user("victim")["roles"] == ["Internal/everyone"]
    assert admin.do("DELETE", at("roles", name))["role"] == name
    assert "victim" in admin.roles()


@pytest.mark.parametrize("name", ["new\nline", "in\r\n\nside", "/slash", "//two", "a/b"])
def test_a_path_takes_any_name(admin: Api, subtree: Subtree, name: str) -> None:
    subtree.add_user(name, "its own password")
    subtree.add_group(name, subtree.user_dn("victim"))
    assert admin.user(name)["userId"] == name
    assert admin.get(at("roles", name)) == {"role": name, "users": ["victim"]}
    assert admin.stranger()("DELETE", at("users", name)).status_code == 401
    itself = admin.logged_in(name, "its own password")
    assert itself("GET", at("users", name)).status_code == 403
    new = {"newPassword": "another one", "confirmPassword": "another one"}
    own = {**new, "oldPassword": "its own password"}
    assert itself.do("PATCH", at("users", name), own)["userId"] == name
    for resource in ("users", "roles"):
        admin.do("DELETE", at(resource, name))
        assert admin("DELETE", at(resource, name)).status_code == 404


@pytest.mark.parametrize("name", ["c#sharp", "what?", "50%", "back\\slash", "???"])
def test_a_name_that_is_refused_when_new_stays_manageable(
    admin: Api, subtree: Subtree, name: str
) -> None:
    for path, body in (("/users", {"userId": name, "password": PASSWORD}), ("/roles", {})):
        assert admin("POST", path, {"role": name, **body}).status_code == 400
    subtree.add_user(name, "its own password")
    subtree.add_group(name)
    assert name in admin.names()
    assert name in admin.roles()
    admin.give(name, name)
    assert admin.user(name)["roles"] == ["Internal/everyone", name]
    assert admin.get(at("roles", name))["users"] == [name]
    new = {"newPassword": "another one", "confirmPassword": "another one"}
    admin.do("PATCH", at("users", name), new)
    assert admin.login(name, "another one").status_code == 200
    for resource in ("users", "roles"):
        admin.do("DELETE", at(resource, name))
        assert admin("GET", at(resource, name)).status_code == 404


def test_the_role_of_everybody_is_no_entry(admin: Api, subtree: Subtree) -> None:
    subtree.add_group("internal/everyone")
    assert admin.get("/roles/internal%2Feveryone")["users"] == ["admin", "victim"]
    assert admin("DELETE", "/roles/internal%2Feveryone").status_code == 403
