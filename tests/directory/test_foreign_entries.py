"""Users and groups that other tools make: seen and managed at once, nothing of theirs lost."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from mi_ldap.directory.slapd_process import wait_for
from tests.api.client import PASSWORD, Api
from tests.directory.conftest import MakeApi
from tests.subtree import Subtree, Values

NEW = {"newPassword": "another one", "confirmPassword": "another one"}
OWN = {"objectClass", "userPassword", "miLdapEpoch", "miLdapCustodian", "memberOf"}


@pytest.fixture
def alice_dn(admin: Api, subtree: Subtree) -> str:
    """A user with much that is not ours, made while the service runs."""
    return subtree.add_user(
        "alice",
        PASSWORD,
        cn=["Alice", "Alice the Second"],
        mail=["alice@example.org", "a@example.org"],
        description="keeps = odd, characters + ünïcode",
        telephoneNumber="+49 30 1234",
        jpegPhoto="\x01\x02 bytes",
        employeeNumber="7",
    )


def entry_of(subtree: Subtree, dn: str) -> dict[str, Values]:
    """What is not ours of an entry."""
    return {name: values for name, values in subtree.tool.read(dn, "*").items() if name not in OWN}


# Users


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


@pytest.fixture
def strict(subtree: Subtree) -> Iterator[None]:
    """The password policy demands a change where a password was reset."""
    policy_dn = f"cn=people,ou=policies,{subtree.host.base}"
    subtree.tool.replace(policy_dn, pwdMustChange="TRUE")
    yield
    subtree.tool.replace(policy_dn, pwdMustChange="FALSE")


@pytest.mark.usefixtures("strict")
def test_a_password_that_must_be_changed(admin: Api, subtree: Subtree) -> None:
    admin.add_user("bob")
    subtree.tool.replace(subtree.user_dn("bob"), pwdReset="TRUE")
    bob = admin.logged_in("bob")
    assert bob("GET", "/server").json == {"Error": "Change your password first."}
    bob.do("PATCH", "/users/bob", {**NEW, "oldPassword": PASSWORD})
    again = admin.logged_in("bob", "another one")
    assert again("GET", "/server").status_code == 200


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


# Groups


def test_a_foreign_group_is_managed_at_once(admin: Api, subtree: Subtree, alice_dn: str) -> None:
    dn = subtree.add_group("staff", alice_dn, description="made elsewhere", o=["A", "B"])
    assert admin.roles() == ["admin", "Internal/everyone", "staff"]
    assert admin.get("/roles/STAFF") == {"role": "staff", "users": ["alice"]}
    admin.give("admin", "staff")
    assert sorted(admin.get("/roles/staff")["users"]) == ["admin", "alice"]
    group = subtree.tool.read(dn, "*")
    assert (group["description"], sorted(group["o"])) == (["made elsewhere"], ["A", "B"])
    admin.do("DELETE", "/roles/staff")
    assert not subtree.tool.exists(dn)


def test_members_that_are_no_users_are_kept_and_not_shown(
    admin: Api, subtree: Subtree, alice_dn: str
) -> None:
    foreign = ["cn=printer,ou=things,dc=elsewhere", subtree.user_dn("ghost"), ""]
    subtree.add_group("staff", alice_dn, *foreign)
    assert admin.get("/roles/staff")["users"] == ["alice"]
    admin.give("admin", "staff")
    admin.do("PUT", "/roles", {"userId": "alice", "removedRoles": ["staff"]})
    assert admin.get("/roles/staff")["users"] == ["admin"]
    assert set(foreign) <= set(subtree.members("staff"))


def test_the_last_member_of_a_foreign_group_can_be_taken(
    admin: Api, subtree: Subtree, alice_dn: str
) -> None:
    subtree.add_group("staff", alice_dn)
    subtree.add_group("crew", alice_dn)
    body = {"userId": "alice", "removedRoles": ["staff", "crew"]}
    assert admin.do("PUT", "/roles", body)["status"] == "Added/removed the roles"
    assert admin.get("/roles/staff") == {"role": "staff", "users": []}
    assert admin.get("/roles/crew") == {"role": "crew", "users": []}
    admin.give("alice", "staff")
    assert admin.get("/roles/staff")["users"] == ["alice"]


def test_the_last_member_of_a_foreign_group_can_be_deleted(
    admin: Api, subtree: Subtree, alice_dn: str
) -> None:
    subtree.add_group("staff", alice_dn)
    admin.do("DELETE", "/users/alice")
    assert admin.get("/roles/staff") == {"role": "staff", "users": []}


def test_a_dangling_member_gives_nothing_to_who_gets_its_name(admin: Api, subtree: Subtree) -> None:
    subtree.add_group("staff", subtree.user_dn("ghost"))
    subtree.tool.add_values(subtree.group_dn("admin"), member=subtree.user_dn("ghost"))
    admin.add_user("ghost")
    assert admin.user("ghost")["roles"] == ["Internal/everyone"]
    assert admin.logged_in("ghost")("GET", "/users").status_code == 403
    assert admin.get("/roles/staff")["users"] == []


def test_a_dangling_member_of_the_admin_role_is_no_second_admin(
    admin: Api, subtree: Subtree
) -> None:
    subtree.tool.add_values(subtree.group_dn("admin"), member=subtree.user_dn("ghost"))
    answer = admin("PUT", "/roles", {"userId": "admin", "removedRoles": ["admin"]})
    assert answer.status_code == 403
    assert "last admin" in answer.text


@pytest.mark.parametrize("spelling", ["UID=Alice, OU={ou},OU=People,DC=MI", "uid=ALICE,{base}"])
def test_members_are_known_in_any_spelling(
    admin: Api, subtree: Subtree, alice_dn: str, spelling: str
) -> None:
    member = spelling.format(ou=subtree.name, base=subtree.user_base)
    subtree.add_group("staff", member)
    subtree.tool.add_values(subtree.group_dn("admin"), member=member)
    assert admin.get("/roles/staff")["users"] == ["alice"]
    assert admin.user("alice")["isAdmin"] is True
    assert admin.logged_in("alice").names() == ["admin", "alice"]


# The admin role


def test_members_put_into_the_admin_role_are_admins_without_a_custodian(
    admin: Api, subtree: Subtree, alice_dn: str
) -> None:
    subtree.tool.add_values(subtree.group_dn("admin"), member=alice_dn)
    alice = admin.logged_in("alice")
    assert "createdBy" not in alice.user("alice")
    answer = admin("DELETE", "/users/alice")
    assert answer.status_code == 403
    assert "recover-admin --adopt" in answer.text


def test_an_admin_taken_out_by_another_tool_is_none(
    admin: Api, subtree: Subtree, alice_dn: str
) -> None:
    admin.give("alice", "admin")
    alice = admin.logged_in("alice")
    subtree.tool.delete_values(subtree.group_dn("admin"), member=alice_dn)
    assert alice("GET", "/users").status_code == 403
    assert admin.do("DELETE", "/users/alice")["status"] == "Deleted"


def test_a_renamed_admin_group_still_is_the_admin_role(admin: Api, subtree: Subtree) -> None:
    subtree.tool.rename(subtree.group_dn("admin"), "cn=chiefs")
    assert admin.user("admin") == {
        "userId": "admin",
        "isAdmin": True,
        "roles": ["Internal/everyone", "chiefs"],
    }
    assert admin("DELETE", "/roles/chiefs").status_code == 403
    admin.add_user("boss", isAdmin=True)
    assert subtree.user_dn("boss") in subtree.members("chiefs")


@pytest.fixture
def nested(admin: Api, subtree: Subtree, alice_dn: str) -> Iterator[Api]:
    """`alice` is an admin through `chiefs`, a group in the admin role."""
    chiefs_dn = subtree.add_group("chiefs", alice_dn, "")
    subtree.tool.add_values(subtree.group_dn("admin"), member=chiefs_dn)
    yield admin
    subtree.tool.delete_values(subtree.group_dn("admin"), member=chiefs_dn)


def test_members_of_a_group_in_the_admin_role_are_admins(nested: Api) -> None:
    assert nested.logged_in("alice").names() == ["admin", "alice"]
    assert nested.user("alice")["isAdmin"] is True


def test_a_group_in_the_admin_role_is_not_changed_here(nested: Api) -> None:
    nested.add_user("bob")
    for method, path, body in [
        ("PUT", "/roles", {"userId": "bob", "addedRoles": ["chiefs"]}),
        ("PUT", "/roles", {"userId": "alice", "removedRoles": ["chiefs"]}),
        ("DELETE", "/roles/chiefs", None),
        ("DELETE", "/users/alice", None),
        ("PATCH", "/users/alice", NEW),
    ]:
        assert nested(method, path, body).status_code == 403
    assert nested.user("alice")["isAdmin"] is True
    assert nested.user("bob")["isAdmin"] is False


def test_groups_that_hold_each_other_come_to_an_end(nested: Api, subtree: Subtree) -> None:
    subtree.tool.add_values(subtree.group_dn("chiefs"), member=subtree.group_dn("admin"))
    assert nested.user("alice")["isAdmin"] is True
    assert nested.names() == ["admin", "alice"]


# Two of one name


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


def test_a_name_that_two_users_have_is_nobodys(either: Api, subtree: Subtree) -> None:
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


def test_a_name_that_two_roles_have_is_no_roles(either: Api, subtree: Subtree) -> None:
    subtree.add_group("staff", "")
    subtree.add_group("crew", "", o="staff")
    for method, path in [("GET", "/roles/staff"), ("DELETE", "/roles/staff")]:
        answer = either(method, path)
        assert answer.status_code == 400
        assert "More than one role" in answer.text
    assert either.roles() == ["admin", "crew", "Internal/everyone", "staff"]


def test_with_two_admin_roles_nobody_is_an_admin_and_the_log_names_both(
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


def test_with_two_admin_roles_no_first_admin_is_made(api_of: MakeApi, subtree: Subtree) -> None:
    subtree.add_group("admin", "")
    subtree.add_group("second", "", o="admin")
    api = api_of(USER_STORE__GROUP_NAME_SEARCH_FILTER=EITHER_ROLE)
    assert api.login("admin").status_code == 401
    assert api.services.store.user_names().names == ()


def test_odd_names_of_foreign_entries_are_quoted_where_they_are_asked_for(
    admin: Api, subtree: Subtree
) -> None:
    for name in ("Last, First", '#"+<>;=\\', "  "):
        subtree.add_user(f"x{name}x", PASSWORD)
        assert admin.get(f"/users/{quote(f'x{name}x', safe='')}")["isAdmin"] is False
