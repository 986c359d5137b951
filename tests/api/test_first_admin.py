"""The first admin (§3.2)."""

from __future__ import annotations

import pytest

from mi_ldap.store import RenewEpoch
from tests.api.client import PASSWORD, Api, assert_one_wins
from tests.api.conftest import MakeApi
from tests.api.stores import where_there_is_a_policy


def add_by_other_tool(api: Api, name: str) -> None:
    store = api.services.store
    user = store.create_user(name)
    store.reset_password(user, PASSWORD)
    store.apply(RenewEpoch(user))


def test_the_first_login_creates_the_first_admin(api: Api) -> None:
    admin = api.logged_in("admin", "admin")
    assert admin.user("admin") == {
        "userId": "admin",
        "isAdmin": True,
        "roles": ["Internal/everyone", "admin"],
    }
    assert [(line["performedBy"], line["action"]) for line in api.lines] == [
        ("admin", "bootstrap"),
        ("admin", "login"),
    ]


def test_it_is_open_once(api: Api) -> None:
    api.logged_in("admin")
    assert api.login("other").status_code == 401
    assert api.logged_in("admin").names() == ["admin"]


def test_an_existing_user_is_promoted_by_its_own_password(api: Api) -> None:
    add_by_other_tool(api, "alice")
    assert api.login("alice", "wrong").status_code == 401
    assert api.services.store.admin_role() is None
    assert api.logged_in("ALICE").user("alice")["isAdmin"] is True


@where_there_is_a_policy
def test_a_password_that_the_policy_refuses_is_told_and_leaves_nothing(api: Api) -> None:
    answer = api.login("admin", "abc")
    assert answer.status_code == 401
    assert "too short" in answer.text
    assert api.services.store.user_names().names == ()
    assert api.login("admin").status_code == 200


def test_sixteen_first_logins_make_one(api: Api) -> None:
    assert_one_wins(api, 16)


def test_off_makes_nobody(api_of: MakeApi) -> None:
    api = api_of(BOOTSTRAP__MODE="off")
    assert api.login("admin").status_code == 401
    assert api.services.store.user_names().names == ()


def test_configured_makes_its_account_alone(api_of: MakeApi) -> None:
    api = api_of(
        BOOTSTRAP__MODE="configured",
        SUPER_ADMIN__USERNAME="root",
        SUPER_ADMIN__PASSWORD="a long password",
    )
    assert api.login("admin").status_code == 401
    assert api.login("root", "another").status_code == 401
    assert api.services.store.user_names().names == ()
    assert api.elsewhere().logged_in("root", "a long password").names() == ["root"]


def test_bootstrap_users_alone_may_win(api_of: MakeApi) -> None:
    api = api_of(BOOTSTRAP__USERS="root, chief")
    assert api.login("admin").status_code == 401
    assert api.login("Chief").status_code == 401
    assert api.logged_in("chief").names() == ["chief"]


@pytest.mark.parametrize("typed", ["\uff41lice", "ALICE", "al\u00adice", " alice x"])
def test_nobody_is_made_by_a_name_that_is_merely_like_a_listed_one(
    api_of: MakeApi, typed: str
) -> None:
    api = api_of(BOOTSTRAP__USERS="alice")
    for stranger in (api, api.elsewhere()):
        assert stranger.login(typed).status_code == 401
    assert api.services.store.user_names().names == ()
    assert api.services.store.admin_role() is None
    assert api.elsewhere().logged_in("alice").names() == ["alice"]


@pytest.mark.parametrize("proxies", ["127.0.0.1", "127.0.0.0/8", "10.1.1.1, ::ffff:127.0.0.1"])
def test_a_trusted_proxy_is_never_this_machine(directory_api_of: MakeApi, proxies: str) -> None:
    """A proxy for TCP adds no header, and everybody comes by it."""
    api = directory_api_of(SERVER__TRUSTED_PROXIES=proxies)
    assert api.login("admin").status_code == 401
    assert api.services.store.user_names().names == ()


def test_another_trusted_proxy_changes_nothing_for_this_machine(directory_api_of: MakeApi) -> None:
    api = directory_api_of(SERVER__TRUSTED_PROXIES="10.1.1.1")
    assert api.logged_in("admin").names() == ["admin"]


def test_a_directory_of_ones_own_lets_nobody_be_made_from_elsewhere(
    directory_api_of: MakeApi,
) -> None:
    api = directory_api_of()
    assert api.elsewhere().login("admin").status_code == 401
    assert api.services.store.user_names().names == ()
    add_by_other_tool(api, "alice")
    assert api.elsewhere().logged_in("alice").user("alice")["isAdmin"] is True


def test_the_admin_role_may_have_any_name(api_of: MakeApi) -> None:
    admin = api_of(SUPER_ADMIN__ADMIN_ROLE="admin").logged_in("first")
    assert admin.get("/roles/admin")["users"] == ["first"]


def test_another_name_of_the_admin_role(directory_api_of: MakeApi) -> None:
    admin = directory_api_of(SUPER_ADMIN__ADMIN_ROLE="MI Admins, Berlin").logged_in("first")
    assert admin.user("first")["roles"] == ["Internal/everyone", "MI Admins, Berlin"]
    admin.add_role("admin", "first")
    admin.add_user("second")
    admin.give("second", "admin")
    assert admin.user("second")["isAdmin"] is False


@pytest.mark.parametrize("name", ["a/b", "admin\u200b", ".."])
def test_a_first_admin_of_a_bad_name_is_not_made(light_api: Api, name: str) -> None:
    answer = light_api.login(name)
    assert answer.status_code == 401
    assert "not allowed" in answer.text
