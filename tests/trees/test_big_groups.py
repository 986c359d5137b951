"""Groups with thousands of members."""

from __future__ import annotations

import pytest

from tests.api.client import PASSWORD, Api
from tests.kinds import DS389, OPENLDAP, PLAIN_OPENLDAP, RFC_2307, UNIQUE_NAMES
from tests.machines import MakeApi
from tests.subtree import Subtree
from tests.trees.kinds import GROUPS_OF_MEMBERS, on

MANY = 3000

with_many = on(OPENLDAP, PLAIN_OPENLDAP, UNIQUE_NAMES, GROUPS_OF_MEMBERS, RFC_2307, DS389)
"""Not Active Directory: it takes nobody for a member who is not there."""


@pytest.fixture
def crowd(admin: Api, place: Subtree) -> Api:
    """A group `crowd` of many; of them only `alice` and `bob` are users, `carl` is in no group."""
    known = [place.add_user(name, PASSWORD) for name in ("alice", "bob")]
    place.add_user("carl", PASSWORD)
    others = [place.user_dn(f"gone{number}") for number in range(MANY)]
    place.add_group("crowd", *others[: MANY // 2], *known, *others[MANY // 2 :])
    return admin


@with_many
def test_a_role_of_many_is_like_any_other(crowd: Api, place: Subtree) -> None:
    assert crowd.get("/roles/crowd")["users"] == ["alice", "bob"]
    assert crowd.names("?role=crowd") == ["alice", "bob"]
    crowd.give("carl", "crowd")
    crowd.do("PUT", "/roles", {"userId": "alice", "removedRoles": ["crowd"]})
    crowd.do("DELETE", "/users/bob")
    assert crowd.get("/roles/crowd")["users"] == ["carl"]
    members = place.members("crowd")
    assert place.kind.member_of_dn(place.user_dn("alice")) not in members
    assert len(set(members) - {""}) >= MANY + 1


@with_many
def test_an_admin_among_many_is_one(crowd: Api, place: Subtree) -> None:
    others = [place.kind.member_of_dn(place.user_dn(f"gone{each}")) for each in range(MANY)]
    place.tool.add_values(place.group_dn("admin"), **{place.kind.member: others})
    crowd.add_user("boss", isAdmin=True)
    assert crowd.get("/roles/admin")["users"] == ["admin", "boss"]
    assert crowd.user("alice")["isAdmin"] is False
    boss = crowd.logged_in("boss")
    crowd.do("DELETE", "/users/boss")
    assert boss("GET", "/users").status_code == 401
    answer = crowd("PUT", "/roles", {"userId": "admin", "removedRoles": ["admin"]})
    assert "last admin" in answer.text


@on(OPENLDAP, RFC_2307, DS389)
def test_the_other_admin_among_many_is_looked_for_in_few_searches(
    api_of: MakeApi, place: Subtree
) -> None:
    sent: list[str] = []
    admin = api_of(sent.append).logged_in("admin")
    others = [place.kind.member_of_dn(place.user_dn(f"gone{each}")) for each in range(1000)]
    place.tool.add_values(place.group_dn("admin"), **{place.kind.member: others})
    sent.clear()
    answer = admin("PUT", "/roles", {"userId": "admin", "removedRoles": ["admin"]})
    assert answer.status_code == 403
    assert len(sent) < 40
