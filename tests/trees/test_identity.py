"""A user is an entry, not a name: renamed, moved, and made anew under a name that was another's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mi_ldap.embedded.slapd_process import wait_for
from tests.api.client import PASSWORD, Api
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP, PLAIN_OPENLDAP, RFC_2307
from tests.subtree import Subtree
from tests.trees.kinds import ALL, on
from tests.trees.moves import add_folder, follows_members, move, rename

NOBODYS = ["Internal/everyone"]


@pytest.fixture
def family(admin: Api) -> Api:
    """`admin` answers for `boss`, who holds `dev` too and answers for `carl`."""
    admin.add_user("boss", isAdmin=True)
    admin.add_role("dev", "boss")
    admin.add_user("carl")
    admin.logged_in("boss").give("carl", "admin")
    return admin


def rename_boss(place: Subtree) -> str:
    rename(place, "boss", "chief")
    return "chief"


def move_boss(place: Subtree) -> str:
    move(place, place.user_dn("boss"), add_folder(place, place.user_base, "sales"))
    return "boss"


@on(*ALL)
@pytest.mark.parametrize("act", [rename_boss, move_boss])
def test_whoever_is_renamed_or_moved_stays_who_it_is(
    family: Api, place: Subtree, act: Callable[[Subtree], str]
) -> None:
    boss = family.logged_in("boss")
    name = act(place)
    # Where groups name people by their login name, a move changes nothing.
    follows = follows_members(place) if not place.kind.by_name else act is move_boss
    if follows:
        assert wait_for(lambda: family.user(name)["isAdmin"], 5)
    assert boss("GET", "/server").status_code == 200
    assert boss("GET", "/users").status_code == (200 if follows else 403)
    assert family.user(name)["roles"] == [*NOBODYS, *(["admin", "dev"] if follows else [])]
    assert family.user("carl")["createdBy"] == name
    assert boss("DELETE", f"/users/{name}").status_code == 403
    if follows:
        assert boss.do("DELETE", "/users/carl")["status"] == "Deleted"


@on(*ALL)
def test_who_gets_the_old_name_of_somebody_gets_nothing_else(family: Api, place: Subtree) -> None:
    boss = family.logged_in("boss")
    rename(place, "boss", "chief")
    family.add_user("boss")
    assert family.user("boss")["roles"] == NOBODYS
    assert family.get("/roles/dev")["users"] in ([], ["chief"])
    new_boss = family.logged_in("boss")
    assert new_boss("GET", "/users").status_code == 403
    assert boss("GET", "/server").status_code == 200
    family.give("boss", "admin")
    assert new_boss("DELETE", "/users/carl").status_code == 403
    assert family.user("carl")["createdBy"] == "chief"
    family.do("DELETE", "/users/boss")


@on(*ALL)
def test_who_is_made_here_under_the_name_of_one_that_is_gone_inherits_nothing(
    family: Api, place: Subtree
) -> None:
    boss = family.logged_in("boss")
    place.tool.delete(place.user_dn("boss"))
    assert boss("GET", "/server").status_code == 401
    family.add_user("boss")
    assert boss("GET", "/server").status_code == 401
    assert family.user("boss") == {"userId": "boss", "isAdmin": False, "roles": NOBODYS}
    assert family.get("/roles/dev")["users"] == []
    assert family.get("/roles/admin")["users"] == ["admin", "carl"]
    assert "createdBy" not in family.user("carl")
    family.give("boss", "admin")
    assert family.logged_in("boss")("DELETE", "/users/carl").status_code == 403


@on(OPENLDAP, DS389, ACTIVE_DIRECTORY)
def test_who_is_made_elsewhere_under_such_a_name_inherits_nothing(
    family: Api, place: Subtree
) -> None:
    boss = family.logged_in("boss")
    place.tool.delete(place.user_dn("boss"))
    assert wait_for(lambda: family.get("/roles/admin")["users"] == ["admin", "carl"], 5)
    assert wait_for(lambda: place.user_dn("boss").lower() not in members(place, "admin"), 5)
    place.add_user("boss", PASSWORD)
    assert boss("GET", "/server").status_code == 401
    assert family.user("boss") == {"userId": "boss", "isAdmin": False, "roles": NOBODYS}
    assert family.logged_in("boss")("GET", "/users").status_code == 403


def members(place: Subtree, role: str) -> list[str]:
    return [member.lower() for member in place.members(role)]


@on(PLAIN_OPENLDAP, RFC_2307)
def test_where_groups_keep_the_names_of_the_dead_they_say_who_is_in_them(
    family: Api, place: Subtree
) -> None:
    """As to every other program that asks them; the doctor tells of such members."""
    boss = family.logged_in("boss")
    place.tool.delete(place.user_dn("boss"))
    place.add_user("boss", PASSWORD)
    assert boss("GET", "/server").status_code == 401
    assert family.user("boss")["roles"] == [*NOBODYS, "admin", "dev"]
    assert "createdBy" not in family.user("boss")
    assert "createdBy" not in family.user("carl")
    assert family.logged_in("boss")("DELETE", "/users/carl").status_code == 403
    assert family("DELETE", "/users/boss").status_code == 403


@on(*ALL)
def test_a_role_that_is_renamed_and_moved_stays_the_role(family: Api, place: Subtree) -> None:
    folder = add_folder(place, place.group_base, "old")
    for role in ("dev", "admin"):
        place.tool.rename(place.group_dn(role), f"cn={role}s")
        move(place, place.group_dn(f"{role}s"), folder)
    assert family.user("boss")["roles"] == [*NOBODYS, "admins", "devs"]
    assert family("DELETE", "/roles/admins").status_code == 403
    family.do("PUT", "/roles", {"userId": "boss", "removedRoles": ["devs", "admins"]})
    assert family.user("boss")["roles"] == NOBODYS
    family.add_role("dev")
    assert family.get("/roles/dev")["users"] == []


@on(PLAIN_OPENLDAP, ACTIVE_DIRECTORY)
def test_two_who_swap_their_names_keep_their_custody(family: Api, place: Subtree) -> None:
    family.add_user("dora")
    boss = family.logged_in("boss")
    for old, new in (("boss", "x"), ("dora", "boss"), ("x", "dora")):
        rename(place, old, new)
    assert family.user("carl")["createdBy"] == "dora"
    shown = boss.stranger().logged_in("boss")
    assert shown("GET", "/server").status_code == 200
    # Without referential integrity the group names whoever has that DN now.
    is_admin = family.user("boss")["isAdmin"]
    assert is_admin is (place.kind is PLAIN_OPENLDAP)
    assert shown("DELETE", "/users/carl").status_code == 403
