"""The configured super admin, who may remove every admin where the settings say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mi_ldap.errors import (
    AdminsOnly,
    CustodyRefused,
    DirectoryUnavailable,
    Forbidden,
)
from mi_ldap.services.recovery import Recovery
from mi_ldap.store import AssignRole
from tests.unit.conftest import MakeWorld
from tests.unit.custody import ACTS, Act, demote, remove, was_done
from tests.world import World


@pytest.fixture
def ruled(world_of: MakeWorld) -> World:
    """`root` may remove every admin; `carl` is `boss`'s."""
    world = world_of(SUPER_ADMIN__USERNAME="root", SUPER_ADMIN__CAN_REMOVE_ADMINS="true")
    world.add_first_admin()
    world.add_admin("boss", "admin")
    world.add_admin("carl", "boss")
    return world


def start(world: World) -> None:
    """What happens whenever the service starts."""
    world.services.admins.pin_super_admin()


@pytest.mark.parametrize("act", ACTS)
def test_the_super_admin_may_remove_any_admin_if_configured(ruled: World, act: Act) -> None:
    ruled.add_admin("root", None)
    start(ruled)
    act(ruled, "root", "carl")
    assert was_done(ruled, act, "carl")


@pytest.mark.parametrize("act", ACTS)
def test_the_super_admin_has_no_privilege_by_default(world_of: MakeWorld, act: Act) -> None:
    world = world_of(SUPER_ADMIN__USERNAME="root")
    world.add_first_admin("root")
    world.add_admin("boss", "root")
    world.add_admin("carl", "boss")
    start(world)
    with pytest.raises(CustodyRefused):
        act(world, "root", "carl")
    assert not was_done(world, act, "carl")


@pytest.mark.parametrize("act", ACTS)
def test_a_super_admin_with_a_custodian_is_an_ordinary_admin(ruled: World, act: Act) -> None:
    ruled.add_admin("root", "admin")
    start(ruled)
    with pytest.raises(CustodyRefused):
        act(ruled, "root", "carl")


def test_a_super_admin_that_is_no_admin_has_no_privilege(ruled: World) -> None:
    ruled.add("root")
    start(ruled)
    with pytest.raises(AdminsOnly):
        ruled.delete("root", "carl")


def test_the_super_admin_is_pinned_by_id_and_not_by_name(ruled: World) -> None:
    ruled.add_admin("root", None)
    start(ruled)
    ruled.delete("root", "carl")
    remove(ruled, "root")
    ruled.add_admin("root", None)
    start(ruled)
    with pytest.raises(CustodyRefused):
        ruled.delete("root", "boss")
    assert ruled.exists("boss")


@pytest.mark.parametrize("act", ACTS)
def test_whoever_comes_after_the_start_is_an_ordinary_admin_until_the_next(
    ruled: World, act: Act
) -> None:
    start(ruled)
    ruled.add_admin("root", None)
    with pytest.raises(CustodyRefused):
        act(ruled, "root", "carl")
    start(ruled)
    act(ruled, "root", "carl")
    assert was_done(ruled, act, "carl")


def test_whom_another_tool_promotes_after_the_start_is_an_ordinary_admin(ruled: World) -> None:
    ruled.add("root")
    start(ruled)
    ruled.store.apply(AssignRole(ruled.admin_group, ruled.user("root")))
    with pytest.raises(CustodyRefused):
        ruled.delete("root", "carl")
    assert ruled.exists("carl")


def test_the_first_admin_of_that_name_is_pinned_as_it_is_made(world_of: MakeWorld) -> None:
    world = world_of(SUPER_ADMIN__USERNAME="root", SUPER_ADMIN__CAN_REMOVE_ADMINS="true")
    start(world)
    world.login("root")
    world.add_admin("boss", "root")
    world.add_admin("carl", "boss")
    world.delete("root", "carl")
    assert not world.exists("carl")


def test_a_directory_that_cannot_be_read_pins_nobody(ruled: World) -> None:
    ruled.add_admin("root", None)
    ruled.store.is_down = True
    with pytest.raises(DirectoryUnavailable):
        start(ruled)
    ruled.store.is_down = False
    with pytest.raises(CustodyRefused):
        ruled.delete("root", "carl")


# An account that ever had a custodian


def back_by_another_tool(world: World) -> None:
    world.store.apply(AssignRole(world.admin_group, world.user("root")))


def back_by_recovery(world: World) -> None:
    made = world.services
    Recovery(made.store, made.audit, made.rules, "root on this machine").assign_admin_role(
        world.user("root")
    )


def resigned(world: World) -> None:
    world.demote("root", "root")


def demoted(world: World) -> None:
    world.demote("boss", "root")


def taken_out(world: World) -> None:
    demote(world, "root")


def without_custodian(world: World) -> None:
    """Its custodian leaves, and there is nobody to take over."""
    world.store.account("boss").custodian_id = None
    world.demote("boss", "boss")


@pytest.mark.parametrize("come_back", [back_by_another_tool, back_by_recovery])
@pytest.mark.parametrize("leave", [resigned, demoted, taken_out])
def test_whom_another_admin_made_is_never_the_super_admin(
    ruled: World, leave: Callable[[World], None], come_back: Callable[[World], None]
) -> None:
    ruled.add("root")
    ruled.give("boss", "root", "admin")
    start(ruled)
    leave(ruled)
    come_back(ruled)
    start(ruled)
    assert ruled.is_admin("root")
    with pytest.raises(CustodyRefused):
        ruled.delete("root", "carl")


def test_who_has_lost_its_custodian_is_never_the_super_admin(ruled: World) -> None:
    ruled.create("boss", "root", is_admin=True)
    start(ruled)
    without_custodian(ruled)
    assert ruled.user("root").custodian_id is None
    start(ruled)
    with pytest.raises(CustodyRefused):
        ruled.delete("root", "carl")


def test_who_was_adopted_is_the_super_admin_no_more(ruled: World) -> None:
    ruled.add_admin("root", None)
    start(ruled)
    made = ruled.services
    recovery = Recovery(made.store, made.audit, made.rules, "root on this machine")
    assert "root" in recovery.adopt(ruled.user("boss"))
    remove(ruled, "boss")
    with pytest.raises(CustodyRefused):
        ruled.delete("root", "carl")


def test_even_the_super_admin_leaves_one(ruled: World) -> None:
    ruled.add_admin("root", None)
    start(ruled)
    ruled.delete("root", "carl")
    ruled.delete("root", "boss")
    ruled.delete("root", "admin")
    with pytest.raises(Forbidden, match="last admin"):
        ruled.demote("root", "root")
    assert ruled.admins() == ["root"]
