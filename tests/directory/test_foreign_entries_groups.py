"""Groups that other tools make, the admin role among them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.client import Api
from tests.subtree import Subtree

NEW = {"newPassword": "another one", "confirmPassword": "another one"}
OWN = {"objectClass", "userPassword", "miLdapEpoch", "miLdapCustodian", "memberOf"}


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
