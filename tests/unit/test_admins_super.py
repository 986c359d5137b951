"""The configured super admin, who may remove every admin where the settings say so."""

from __future__ import annotations

import pytest

from mi_ldap.errors import (
    AdminsOnly,
    CustodyRefused,
    Forbidden,
)
from tests.unit.conftest import MakeWorld
from tests.unit.custody import ACTS, Act, remove, was_done
from tests.world import World

# The configured super admin


@pytest.fixture
def ruled(world_of: MakeWorld) -> World:
    """`root` may remove every admin; `carl` is `boss`'s."""
    world = world_of(SUPER_ADMIN__USERNAME="root", SUPER_ADMIN__CAN_REMOVE_ADMINS="true")
    world.add_first_admin()
    world.add_admin("boss", "admin")
    world.add_admin("carl", "boss")
    return world


@pytest.mark.parametrize("act", ACTS)
def test_the_super_admin_may_where_the_settings_say_so(ruled: World, act: Act) -> None:
    ruled.add_admin("root", None)
    act(ruled, "root", "carl")
    assert was_done(ruled, act, "carl")


@pytest.mark.parametrize("act", ACTS)
def test_the_super_admin_may_not_by_default(world_of: MakeWorld, act: Act) -> None:
    world = world_of(SUPER_ADMIN__USERNAME="root")
    world.add_first_admin("root")
    world.add_admin("boss", "root")
    world.add_admin("carl", "boss")
    with pytest.raises(CustodyRefused):
        act(world, "root", "carl")
    assert not was_done(world, act, "carl")


@pytest.mark.parametrize("act", ACTS)
def test_a_super_admin_with_a_custodian_is_an_ordinary_admin(ruled: World, act: Act) -> None:
    ruled.add_admin("root", "admin")
    with pytest.raises(CustodyRefused):
        act(ruled, "root", "carl")


def test_a_super_admin_that_is_no_admin_may_nothing(ruled: World) -> None:
    ruled.add("root")
    with pytest.raises(AdminsOnly):
        ruled.delete("root", "carl")


def test_the_super_admin_is_pinned_and_a_namesake_is_nobody(ruled: World) -> None:
    ruled.add_admin("root", None)
    ruled.delete("root", "carl")
    remove(ruled, "root")
    ruled.add_admin("root", None)
    with pytest.raises(CustodyRefused):
        ruled.delete("root", "boss")
    assert ruled.exists("boss")


def test_even_the_super_admin_leaves_one(ruled: World) -> None:
    ruled.add_admin("root", None)
    ruled.delete("root", "carl")
    ruled.delete("root", "boss")
    ruled.delete("root", "admin")
    with pytest.raises(Forbidden, match="last admin"):
        ruled.demote("root", "root")
    assert ruled.admins() == ["root"]
