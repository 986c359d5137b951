"""Groups in groups: who holds what through them, and what may be done about it."""

from __future__ import annotations

import pytest

from tests.api.client import PASSWORD, Api
from tests.subtree import Subtree
from tests.trees.kinds import NESTING, on

pytestmark = on(*NESTING)

NEW = {"newPassword": "another one", "confirmPassword": "another one"}


def take(api: Api, name: str, *roles: str) -> tuple[int, str]:
    answer = api("PUT", "/roles", {"userId": name, "removedRoles": list(roles)})
    return answer.status_code, answer.text


@pytest.fixture
def deep(admin: Api, place: Subtree) -> Api:
    """`alice` is in `team`, that in `unit`, that in `staff`; `bob` is in `staff` itself."""
    alice_dn, bob_dn = (place.add_user(name, PASSWORD) for name in ("alice", "bob"))
    team_dn = place.add_group("team", alice_dn)
    unit_dn = place.add_group("unit", team_dn)
    place.add_group("staff", unit_dn, bob_dn)
    return admin


def test_what_is_held_through_three_groups_is_shown(deep: Api) -> None:
    assert deep.user("alice")["roles"] == ["Internal/everyone", "staff", "team", "unit"]
    assert deep.user("bob")["roles"] == ["Internal/everyone", "staff"]
    assert deep.get("/roles/staff")["users"] == ["alice", "bob"]
    assert deep.get("/roles/unit")["users"] == deep.get("/roles/team")["users"] == ["alice"]
    assert deep.names("?role=staff") == ["alice", "bob"]
    assert deep.names("?role=unit&pattern=b*") == []


def test_an_inherited_role_is_not_taken_and_the_way_is_told(deep: Api) -> None:
    assert take(deep, "alice", "unit")[0] == 400
    status, said = take(deep, "alice", "staff")
    assert status == 400
    assert "has staff through team, unit." in said
    # All or nothing: `team` is alice's own, and stays.
    assert take(deep, "alice", "team", "staff")[0] == 400
    assert deep.user("alice")["roles"] == ["Internal/everyone", "staff", "team", "unit"]
    assert take(deep, "alice", "team")[0] == 200
    assert deep.user("alice")["roles"] == ["Internal/everyone"]


def test_an_inherited_role_is_given_and_taken_again(deep: Api) -> None:
    deep.give("alice", "staff")
    assert deep.get("/roles/staff")["users"] == ["alice", "bob"]
    assert take(deep, "alice", "staff")[0] == 200
    assert deep.user("alice")["roles"] == ["Internal/everyone", "staff", "team", "unit"]
    assert take(deep, "alice", "staff")[0] == 400


def test_a_group_that_is_there_twice_counts_once(deep: Api, place: Subtree) -> None:
    place.add_member("staff", place.group_dn("team"))
    assert deep.get("/roles/staff")["users"] == ["alice", "bob"]
    assert deep.user("alice")["roles"] == ["Internal/everyone", "staff", "team", "unit"]
    status, said = take(deep, "alice", "staff")
    assert status == 400
    assert "has staff through team." in said


def test_groups_in_a_circle_are_followed_once(deep: Api, place: Subtree) -> None:
    place.add_member("team", place.group_dn("staff"))
    everything = ["Internal/everyone", "staff", "team", "unit"]
    for name in ("alice", "bob"):
        assert deep.user(name)["roles"] == everything
    for role in ("staff", "unit", "team"):
        assert deep.get(f"/roles/{role}")["users"] == ["alice", "bob"]
    assert "has unit through staff, team." in take(deep, "bob", "unit")[1]
    assert take(deep, "bob", "staff")[0] == 200
    assert deep.user("bob")["roles"] == ["Internal/everyone"]


def test_who_is_deleted_is_gone_from_all_groups(deep: Api) -> None:
    deep.do("DELETE", "/users/alice")
    assert deep.get("/roles/staff")["users"] == ["bob"]
    deep.add_user("alice")
    assert deep.user("alice")["roles"] == ["Internal/everyone"]


# The admin role


@pytest.fixture
def chiefs(admin: Api, place: Subtree) -> Api:
    """`alice` is an admin through `heads` in `chiefs`, which is in the admin role."""
    alice_dn = place.add_user("alice", PASSWORD)
    place.add_user("bob", PASSWORD)
    heads_dn = place.add_group("heads", alice_dn)
    place.add_member("admin", place.add_group("chiefs", heads_dn))
    return admin


def test_who_is_an_admin_through_groups_does_what_admins_do(chiefs: Api) -> None:
    alice = chiefs.logged_in("alice")
    assert alice.user("alice") == {
        "userId": "alice",
        "isAdmin": True,
        "roles": ["Internal/everyone", "admin", "chiefs", "heads"],
    }
    assert alice.get("/roles/admin")["users"] == ["admin", "alice"]
    alice.add_user("carl", isAdmin=True)
    assert alice.user("carl")["createdBy"] == "alice"
    assert chiefs("DELETE", "/users/carl").status_code == 403
    alice.do("DELETE", "/users/carl")


def test_who_is_an_admin_through_groups_is_removed_in_the_directory_only(chiefs: Api) -> None:
    for method, path, body in [
        ("PUT", "/roles", {"userId": "alice", "removedRoles": ["chiefs"]}),
        ("PUT", "/roles", {"userId": "bob", "addedRoles": ["heads"]}),
        ("DELETE", "/roles/chiefs", None),
        ("DELETE", "/roles/heads", None),
        ("DELETE", "/users/alice", None),
        ("PATCH", "/users/alice", NEW),
    ]:
        assert chiefs(method, path, body).status_code == 403, path
    status, said = take(chiefs, "alice", "admin")
    assert status == 400
    assert "has admin through heads, chiefs." in said
    assert take(chiefs.logged_in("alice"), "alice", "admin")[0] == 400
    assert chiefs.user("alice")["isAdmin"] is True
    assert chiefs.user("bob")["isAdmin"] is False


def test_an_admin_in_both_ways_is_not_demoted_by_half(chiefs: Api, place: Subtree) -> None:
    place.add_member("admin", place.user_dn("alice"))
    status, said = take(chiefs.logged_in("alice"), "alice", "admin")
    assert status == 403
    assert "admin through another role" in said
    assert chiefs.user("alice")["isAdmin"] is True


def test_an_admin_through_groups_is_another_admin(chiefs: Api) -> None:
    assert take(chiefs, "admin", "admin")[0] == 200
    alice = chiefs.logged_in("alice")
    assert alice.get("/roles/admin")["users"] == ["alice"]
    alice.give("bob", "admin")
    assert alice.user("bob")["createdBy"] == "alice"


def test_the_last_member_of_a_group_in_the_admin_role_stays(chiefs: Api, place: Subtree) -> None:
    """The group itself is no admin, and no user."""
    alice = chiefs.logged_in("alice")
    assert take(chiefs, "admin", "admin")[0] == 200
    assert alice("DELETE", "/users/alice").status_code == 403
    assert take(alice, "alice", "admin")[0] == 400


def test_an_admin_role_in_a_circle_still_is_given_and_taken(chiefs: Api, place: Subtree) -> None:
    place.add_member("heads", place.group_dn("admin"))
    assert chiefs.get("/roles/admin")["users"] == ["admin", "alice"]
    chiefs.give("bob", "admin")
    assert chiefs.user("bob")["isAdmin"] is True
    assert take(chiefs, "bob", "admin")[0] == 200
    assert chiefs.user("bob")["isAdmin"] is False
    chiefs.do("DELETE", "/users/bob")
    assert take(chiefs, "admin", "admin")[0] == 200
    assert chiefs.logged_in("alice").get("/roles/admin")["users"] == ["alice"]


def test_a_group_that_is_its_own_member_changes_nothing(admin: Api, place: Subtree) -> None:
    place.add_member("admin", place.group_dn("admin"))
    admin.add_user("bob", isAdmin=True)
    assert admin.get("/roles/admin")["users"] == ["admin", "bob"]
    assert admin.logged_in("bob").user("bob")["createdBy"] == "admin"
    admin.do("DELETE", "/users/bob")
    assert "last admin" in take(admin, "admin", "admin")[1]


def test_a_group_out_of_the_admin_role_makes_no_admins(chiefs: Api, place: Subtree) -> None:
    alice = chiefs.logged_in("alice")
    member = {place.kind.member: place.group_dn("chiefs")}
    place.tool.delete_values(place.group_dn("admin"), **member)
    assert alice("GET", "/users").status_code == 403
    assert chiefs.user("alice")["isAdmin"] is False
    chiefs.do("DELETE", "/users/alice")
