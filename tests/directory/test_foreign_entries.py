"""Users that other tools make: seen and managed at once, nothing of theirs lost."""

from __future__ import annotations

import pytest

from mi_ldap.embedded.slapd_process import wait_for
from tests.api.client import PASSWORD, Api
from tests.kinds import Values
from tests.subtree import Subtree

NEW = {"newPassword": "another one", "confirmPassword": "another one"}
OWN = {"objectClass", "userPassword", "miLdapEpoch", "miLdapCustodian", "memberOf"}


def entry_of(subtree: Subtree, dn: str) -> dict[str, Values]:
    """What is not ours of an entry."""
    return {name: values for name, values in subtree.tool.read(dn, "*").items() if name not in OWN}


def test_a_foreign_user_is_managed_at_once(admin: Api, alice_dn: str) -> None:
    assert admin.names() == ["admin", "alice"]
    assert admin.user("ALICE")["roles"] == ["Internal/everyone"]
    assert admin.login("alice").status_code == 200
    admin.add_role("dev", "alice")
    assert admin.user("alice")["roles"] == ["Internal/everyone", "dev"]
    admin.do("PATCH", "/users/alice", NEW)
    assert admin.login("alice", "another one").status_code == 200
    admin.do("DELETE", "/users/alice")
    assert admin.get("/roles/dev")["users"] == []


def test_nothing_of_a_foreign_users_is_lost(admin: Api, subtree: Subtree, alice_dn: str) -> None:
    before = entry_of(subtree, alice_dn)
    admin.give("alice", "admin")
    admin.do("PUT", "/roles", {"userId": "alice", "removedRoles": ["admin"]})
    admin.do("PATCH", "/users/alice", NEW)
    assert entry_of(subtree, alice_dn) == before
    assert set(USER_CLASSES) <= set(subtree.tool.read(alice_dn, "objectClass")["objectClass"])


USER_CLASSES = ("inetOrgPerson",)


def test_what_is_made_here_stands_there_as_ordinary_entries(admin: Api, subtree: Subtree) -> None:
    admin.add_user("bob")
    admin.add_role("dev", "bob")
    user = subtree.tool.read(subtree.user_dn("bob"), "*")
    assert (user["uid"], user["cn"], user["sn"]) == (["bob"], ["bob"], ["bob"])
    assert "inetOrgPerson" in user["objectClass"]
    group = subtree.tool.read(subtree.group_dn("dev"), "*")
    assert "groupOfNames" in group["objectClass"]
    assert subtree.user_dn("bob") in group["member"]


def test_a_user_in_a_folder_of_its_own_is_one_of_all(admin: Api, subtree: Subtree) -> None:
    folder = f"ou=sales,{subtree.user_base}"
    subtree.tool.add(folder, ["organizationalUnit"], ou="sales")
    dn = f"uid=sam,{folder}"
    subtree.tool.add(dn, USER_CLASSES, cn="Sam", sn="S", uid="sam", userPassword=PASSWORD)
    admin.add_role("dev", "sam")
    admin.give("sam", "admin")
    assert admin.names() == ["admin", "sam"]
    assert admin.get("/roles/dev")["users"] == ["sam"]
    assert admin.logged_in("sam").user("sam")["createdBy"] == "admin"
    admin.do("DELETE", "/users/sam")
    assert not subtree.tool.exists(dn)
    assert admin.get("/roles/dev")["users"] == []


@pytest.mark.parametrize("name", ["a/b", "a:b", "x\u200by", ".", "..", "???"])
def test_a_name_that_we_would_refuse_is_listed_shown_and_removed(
    admin: Api, subtree: Subtree, name: str
) -> None:
    dn = subtree.add_user(name)
    assert name in admin.names()
    path = f"/management/users/{name}".encode().decode("latin-1")
    shown = admin.ask("GET", "/", PATH_INFO=path)
    assert shown.json["userId"] == name  # type: ignore[index]
    assert admin.ask("DELETE", "/", PATH_INFO=path).status_code == 200
    assert not subtree.tool.exists(dn)


def test_a_user_without_a_password_cannot_log_in(admin: Api, subtree: Subtree) -> None:
    subtree.add_user("bob")
    for password in ("", PASSWORD):
        assert admin.login("bob", password).status_code == 401
    admin.do("PATCH", "/users/bob", NEW)
    assert admin.login("bob", "another one").status_code == 200


def test_of_two_values_the_name_is_the_one_in_the_dn(admin: Api, subtree: Subtree) -> None:
    subtree.add_user("alice", PASSWORD, uid=["ally", "alice"])
    assert admin.names() == ["admin", "alice"]
    assert admin.user("ally")["userId"] == "alice"
    assert admin.logged_in("ally")("GET", "/server").status_code == 200


def test_what_is_no_user_is_none(admin: Api, subtree: Subtree) -> None:
    subtree.tool.add(f"cn=thing,{subtree.user_base}", ["organizationalRole"], cn="thing")
    assert admin.names() == ["admin"]
    assert not admin.exists("thing")


def test_a_renamed_user_stays_who_it_is(admin: Api, subtree: Subtree) -> None:
    admin.add_user("boss", isAdmin=True)
    admin.add_user("carl", isAdmin=False)
    boss = admin.logged_in("boss")
    boss.give("carl", "admin")
    subtree.tool.rename(subtree.user_dn("boss"), "uid=chief")
    assert boss("GET", "/users").status_code == 200
    assert admin.user("carl")["createdBy"] == "chief"
    assert boss("DELETE", "/users/chief").status_code == 403
    assert boss.do("DELETE", "/users/carl")["status"] == "Deleted"


def test_a_user_made_again_inherits_nothing(admin: Api, subtree: Subtree) -> None:
    admin.add_user("boss", isAdmin=True)
    admin.add_role("dev", "boss")
    boss = admin.logged_in("boss")
    subtree.tool.delete(subtree.user_dn("boss"))
    assert boss("GET", "/server").status_code == 401
    wait_for(lambda: subtree.user_dn("boss") not in subtree.members("admin"), 5)
    subtree.add_user("boss", PASSWORD)
    assert boss("GET", "/server").status_code == 401
    assert admin.user("boss") == {
        "userId": "boss",
        "isAdmin": False,
        "roles": ["Internal/everyone"],
    }


def test_a_user_disabled_by_another_tool_is_out(admin: Api, subtree: Subtree) -> None:
    admin.add_user("bob")
    bob = admin.logged_in("bob")
    subtree.tool.replace(subtree.user_dn("bob"), pwdAccountLockedTime="000001010000Z")
    assert bob("GET", "/server").status_code == 401
    answer = admin.login("bob")
    assert answer.status_code == 401
    assert "locked" in answer.text


def test_a_password_changed_elsewhere_ends_the_tokens(admin: Api, subtree: Subtree) -> None:
    subtree.add_user("bob")
    bob_dn = subtree.user_dn("bob")
    subtree.tool.replace(bob_dn, userPassword=PASSWORD)
    bob = admin.logged_in("bob")
    changed = subtree.tool.read(bob_dn, "pwdChangedTime")["pwdChangedTime"]

    def set_again() -> bool:
        subtree.tool.replace(bob_dn, userPassword="set elsewhere")
        return subtree.tool.read(bob_dn, "pwdChangedTime")["pwdChangedTime"] != changed

    assert wait_for(set_again, 5)
    assert bob("GET", "/server").status_code == 401
