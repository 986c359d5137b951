"""Errors of the directory's password policy."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.embedded.slapd_process import wait_for
from mi_ldap.errors import (
    LoginRefused,
    PolicyRefused,
)
from tests.api.client import PASSWORD
from tests.directory.server import host, tool
from tests.machines import MakeApi
from tests.policy.world import LOCK_S
from tests.store_contract import make_user
from tests.subtree import Subtree, Tool

__all__ = ["host", "tool"]

POLICY = "cn=people,ou=policies,dc=mi"


@pytest.fixture
def policy(tool: Tool) -> Iterator[Tool]:
    """The people's password policy, put back as it was in the end."""
    before = tool.read(POLICY, "*")
    yield tool
    tool.delete(POLICY)
    tool.add(POLICY, before.pop("objectClass"), **before)


@pytest.mark.parametrize(
    ("rule", "new", "reason"),
    [
        ({"pwdInHistory": "5"}, PASSWORD, "used before"),
        ({"pwdMinAge": "3600"}, "another one", "too recently"),
        ({"pwdMinLength": "20"}, "another one", "too short"),
        ({"pwdAllowUserChange": "FALSE"}, "another one", "may not be changed"),
    ],
)
def test_reasons_of_the_password_policy_are_reported(
    store: DirectoryStore, policy: Tool, rule: dict[str, str], new: str, reason: str
) -> None:
    user = make_user(store, password=PASSWORD)
    policy.replace(POLICY, **rule)
    with pytest.raises(PolicyRefused, match=reason):
        store.change_password(user, PASSWORD, new)
    store.authenticate(user, PASSWORD)


def test_locked_account_is_distinguished_from_a_wrong_password(
    store: DirectoryStore, policy: Tool
) -> None:
    user = make_user(store, password=PASSWORD)
    policy.replace(POLICY, pwdMaxFailure="2")
    for _ in range(2):
        with pytest.raises(LoginRefused, match="Invalid credentials"):
            store.authenticate(user, "wrong")
    time.sleep(LOCK_S)
    with pytest.raises(LoginRefused) as caught:
        store.authenticate(user, PASSWORD)
    assert caught.value.reason == "locked"


def test_expired_password_is_reported(store: DirectoryStore, policy: Tool) -> None:
    user = make_user(store, password=PASSWORD)
    policy.replace(POLICY, pwdMaxAge="1")

    def is_expired() -> bool:
        try:
            store.authenticate(user, PASSWORD)
        except LoginRefused as error:
            return error.reason == "expired"
        return False

    assert wait_for(is_expired, 5)


def test_password_after_reset_allows_only_its_change(
    api_of: MakeApi, subtree: Subtree, policy: Tool
) -> None:
    admin = api_of().logged_in("admin")
    admin.add_user("bob")
    policy.replace(POLICY, pwdMustChange="TRUE")
    policy.replace(subtree.user_dn("bob"), pwdReset="TRUE")
    bob = admin.logged_in("bob")
    assert bob("GET", "/server").json == {"Error": "Change your password first."}
    body = {"newPassword": "another one", "confirmPassword": "another one"}
    bob.do("PATCH", "/users/bob", {**body, "oldPassword": PASSWORD})
    again = admin.logged_in("bob", "another one")
    assert again("GET", "/server").status_code == 200
