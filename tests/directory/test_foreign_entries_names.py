"""Names that two entries have identify neither."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.client import PASSWORD, Api
from tests.machines import MakeApi
from tests.subtree import Subtree

NEW = {"newPassword": "another one", "confirmPassword": "another one"}
OWN = {"objectClass", "userPassword", "miLdapEpoch", "miLdapCustodian", "memberOf"}


EITHER_NAME = "(&(objectClass=inetOrgPerson)(|(uid=?)(mail=?)))"
EITHER_ROLE = "(&(objectClass=groupOfNames)(|(cn=?)(o=?)))"


@pytest.fixture
def either(api_of: MakeApi) -> Api:
    """An admin where users have two names, and roles too."""
    api = api_of(
        USER_STORE__USER_NAME_SEARCH_FILTER=EITHER_NAME,
        USER_STORE__GROUP_NAME_SEARCH_FILTER=EITHER_ROLE,
    )
    return api.logged_in("admin")


def test_name_of_two_users_is_ambiguous(either: Api, subtree: Subtree) -> None:
    subtree.add_user("alice", PASSWORD)
    subtree.add_user("other", PASSWORD, mail="alice")
    body = {"userId": "alice", "addedRoles": ["admin"]}
    for method, path, sent in [
        ("GET", "/users/alice", None),
        ("DELETE", "/users/alice", None),
        ("PATCH", "/users/alice", NEW),
        ("PUT", "/roles", body),
    ]:
        answer = either(method, path, sent)
        assert answer.status_code == 400
        assert "More than one user" in answer.text
    assert either.login("alice").status_code == 401
    assert either.names() == ["admin", "alice", "other"]


def test_name_of_two_roles_is_ambiguous(either: Api, subtree: Subtree) -> None:
    subtree.add_group("staff", "")
    subtree.add_group("crew", "", o="staff")
    for method, path in [("GET", "/roles/staff"), ("DELETE", "/roles/staff")]:
        answer = either(method, path)
        assert answer.status_code == 400
        assert "More than one role" in answer.text
    assert either.roles() == ["admin", "crew", "Internal/everyone", "staff"]


def test_two_admin_groups_are_an_error_that_names_both(
    either: Api, subtree: Subtree, capsys: pytest.CaptureFixture[str]
) -> None:
    second = subtree.add_group("second", subtree.user_dn("admin"), o="admin")
    for path in ("/users", "/roles", "/users/admin"):
        answer = either("GET", path)
        assert answer.status == "503 Service Unavailable"
    assert either("GET", "/server").status_code == 200
    written = capsys.readouterr().out
    assert second in written
    assert subtree.group_dn("admin") in written
    subtree.tool.delete(second)
    assert either("GET", "/users").status_code == 200


def test_two_admin_groups_prevent_bootstrap(api_of: MakeApi, subtree: Subtree) -> None:
    subtree.add_group("admin", "")
    subtree.add_group("second", "", o="admin")
    api = api_of(USER_STORE__GROUP_NAME_SEARCH_FILTER=EITHER_ROLE)
    assert api.login("admin").status_code == 401
    assert api.services.store.user_names().names == ()


def test_special_characters_in_foreign_names_are_escaped(admin: Api, subtree: Subtree) -> None:
    for name in ("Last, First", '#"+<>;=\\', "  "):
        subtree.add_user(f"x{name}x", PASSWORD)
        assert admin.get(f"/users/{quote(f'x{name}x', safe='')}")["isAdmin"] is False
