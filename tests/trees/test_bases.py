"""Users and roles below several bases, and in folders within them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from tests.api.client import PASSWORD, Api
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP, PLAIN_OPENLDAP, RFC_2307
from tests.machines import MakeApi
from tests.subtree import Subtree
from tests.trees.kinds import ALL, on
from tests.trees.moves import add_folder, add_user_in

NEW = {"newPassword": "another one", "confirmPassword": "another one"}


@pytest.fixture
def sales_dn(place: Subtree) -> str:
    return add_folder(place, place.user_base, "sales")


@pytest.fixture
def staff_dn(place: Subtree) -> str:
    return add_folder(place, place.user_base, "staff")


@pytest.fixture
def wide(api_of: MakeApi, place: Subtree, sales_dn: str, staff_dn: str) -> Api:
    """Users are in `sales` and in `staff`, roles in two folders, one of them inside the other."""
    inner = add_folder(place, place.group_base, "inner")
    api = api_of(
        USER_STORE__USER_SEARCH_BASE=f"{staff_dn}#{sales_dn}",
        USER_STORE__GROUP_SEARCH_BASE=f"{place.group_base}#{inner}",
    )
    return api.logged_in("admin")


@on(*ALL)
def test_users_of_several_bases_are_users_of_one_store(
    wide: Api, place: Subtree, sales_dn: str, staff_dn: str
) -> None:
    deep_dn = add_folder(place, sales_dn, "deep")
    add_user_in(place, deep_dn, "sam", PASSWORD)
    add_user_in(place, sales_dn, "sue", PASSWORD)
    wide.add_user("tom")
    assert any(dn.lower().endswith(staff_dn.lower()) for dn in place.tool.dns_below(staff_dn)[:-1])
    assert wide.names() == ["admin", "sam", "sue", "tom"]
    wide.add_role("dev", "sam", "sue", "tom")
    assert wide.get("/roles/dev")["users"] == wide.names("?role=dev") == ["sam", "sue", "tom"]
    wide.give("sam", "admin")
    assert wide.logged_in("sam").user("sam")["createdBy"] == "admin"
    wide.do("PATCH", "/users/sue", NEW)
    assert wide.login("sue", "another one").status_code == 200
    wide.do("DELETE", "/users/sam")
    assert wide.get("/roles/dev")["users"] == ["sue", "tom"]


@on(*ALL)
def test_who_is_below_none_of_the_bases_is_nobody(wide: Api, place: Subtree) -> None:
    out_dn = place.add_user("outsider", PASSWORD)
    wide.add_role("dev")
    for role in ("dev", "admin"):
        place.add_member(role, out_dn)
    assert wide.login("outsider").status_code == 401
    assert not wide.exists("outsider")
    assert wide.names() == ["admin"]
    assert wide.get("/roles/dev")["users"] == []
    assert wide.get("/roles/admin")["users"] == ["admin"]
    answer = wide("PUT", "/roles", {"userId": "admin", "removedRoles": ["admin"]})
    assert "last admin" in answer.text


@on(*ALL)
def test_a_base_inside_another_doubles_nobody(
    api_of: MakeApi, place: Subtree, sales_dn: str
) -> None:
    add_user_in(place, sales_dn, "sam", PASSWORD)
    bases = f"{place.user_base}#{sales_dn}#{place.user_base}"
    inner_dn = add_folder(place, place.group_base, "inner")
    both = f"{inner_dn}#{place.group_base}"
    wide = api_of(USER_STORE__USER_SEARCH_BASE=bases, USER_STORE__GROUP_SEARCH_BASE=both)
    admin = wide.logged_in("admin")
    assert admin.names() == ["admin", "sam"]
    assert admin.roles() == ["admin", "Internal/everyone"]
    admin.add_role("dev", "sam")
    assert admin.get("/roles/dev")["users"] == ["sam"]
    assert admin.user("sam")["roles"] == ["Internal/everyone", "dev"]
    admin.do("DELETE", "/users/sam")


@on(*ALL)
def test_roles_of_several_bases_are_roles_of_one_store(wide: Api, place: Subtree) -> None:
    inner_dn = f"ou=inner,{place.group_base}"
    wide.add_user("bob")
    everybody = place.tool.dns_below(place.user_base)
    found = next(dn for dn in everybody if dn.lower().startswith(f"{place.kind.naming}=bob,"))
    dn = f"cn=crew,{inner_dn}"
    place.tool.add(dn, place.kind.group_classes, **place.kind.group_of("crew", [found]))
    assert wide.roles() == ["admin", "crew", "Internal/everyone"]
    assert wide.user("bob")["roles"] == ["Internal/everyone", "crew"]
    wide.do("PUT", "/roles", {"userId": "bob", "removedRoles": ["crew"]})
    wide.give("bob", "crew")
    wide.do("DELETE", "/roles/crew")
    assert not place.tool.exists(dn)


# Names that two entries have


@pytest.fixture
def twins(wide: Api, place: Subtree, sales_dn: str, staff_dn: str) -> Api:
    """Two people called `sam`, one below each base."""
    wide.add_role("dev")
    for folder in (sales_dn, staff_dn):
        add_user_in(place, folder, "sam", PASSWORD)
    return wide


Ask = Callable[[Api], TestResponse]
ASKED: list[Ask] = [
    lambda api: api("GET", "/users/sam"),
    lambda api: api("GET", "/users/SAM"),
    lambda api: api("DELETE", "/users/sam"),
    lambda api: api("PATCH", "/users/sam", NEW),
    lambda api: api("PATCH", "/users/sam", {**NEW, "oldPassword": PASSWORD}),
    lambda api: api("PUT", "/roles", {"userId": "sam", "addedRoles": ["dev"]}),
    lambda api: api("PUT", "/roles", {"userId": "sam", "removedRoles": ["dev"]}),
    lambda api: api("POST", "/users", {"userId": "sam", "password": PASSWORD}),
    lambda api: api("POST", "/users", {"userId": "sam", "password": PASSWORD, "isAdmin": True}),
]


# The others see to it themselves that no two have one login name.
@on(OPENLDAP, PLAIN_OPENLDAP)
def test_a_name_that_two_have_is_refused_by_everything(twins: Api, place: Subtree) -> None:
    before = place.tool.dns_below(place.user_base)
    for ask in ASKED:
        answer = ask(twins)
        assert answer.status_code == 400
        assert "More than one user" in answer.text
    answer = twins.login("sam")
    assert answer.status_code == 401
    assert "More than one user" in answer.text
    assert place.tool.dns_below(place.user_base) == before
    assert twins.get("/roles/dev")["users"] == []


@on(OPENLDAP, PLAIN_OPENLDAP)
def test_a_twin_is_itself_again_when_the_other_is_gone(
    twins: Api, place: Subtree, sales_dn: str
) -> None:
    place.tool.delete(f"uid=sam,{sales_dn}")
    sam = twins.logged_in("sam")
    add_user_in(place, sales_dn, "sam", PASSWORD)
    # A token names an entry, which it still is.
    assert sam("GET", "/server").status_code == 200
    assert twins.login("sam").status_code == 401


@on(OPENLDAP, PLAIN_OPENLDAP)
def test_of_two_with_one_name_a_group_means_the_one_it_names(
    twins: Api, place: Subtree, sales_dn: str
) -> None:
    place.add_member("dev", f"uid=sam,{sales_dn}")
    place.add_member("admin", f"uid=sam,{sales_dn}")
    assert twins.get("/roles/dev")["users"] == ["sam"]
    place.tool.delete(f"uid=sam,{sales_dn}")
    assert "dev" not in twins.user("sam")["roles"] or place.kind is PLAIN_OPENLDAP
    assert twins.user("sam")["isAdmin"] is False


@on(DS389, ACTIVE_DIRECTORY)
def test_a_name_in_use_below_another_base_is_taken(
    wide: Api, place: Subtree, sales_dn: str
) -> None:
    add_user_in(place, sales_dn, "sam", PASSWORD)
    answer = wide("POST", "/users", {"userId": "SAM", "password": PASSWORD})
    assert answer.status_code == 400
    assert "already exists" in answer.text


@on(RFC_2307)
def test_a_name_that_two_have_is_a_member_in_no_group(place: Subtree, api_of: MakeApi) -> None:
    """Where groups name people by their login names nobody can tell which of them is meant."""
    place.add_user("eve", PASSWORD)
    admin = api_of(USER_STORE__USER_NAME_ATTRIBUTE="employeeType").logged_in("admin")
    for name in ("sam", "sue"):
        place.add_user(name, PASSWORD, employeeType="both")
    place.add_user("tim", PASSWORD, employeeType="tim")
    place.add_group("dev", "uid=both,dc=x", "uid=tim,dc=x")
    place.add_member("admin", "uid=both,dc=x")
    assert admin.get("/roles/dev")["users"] == ["tim"]
    assert admin.get("/roles/admin")["users"] == ["admin"]
    assert (
        "last admin" in admin("PUT", "/roles", {"userId": "admin", "removedRoles": ["admin"]}).text
    )
