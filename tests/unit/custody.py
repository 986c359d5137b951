"""Words for the tests of custody: acts, and what other tools do behind our back."""

from __future__ import annotations

from collections.abc import Callable

from mi_ldap.store import AssignRole, DeleteUser, RevokeRole, SetCustodian
from tests.world import World

Act = Callable[[World, str, str], None]

ACTS: list[Act] = [World.delete, World.demote, World.reset]
REMOVALS = ACTS[:2]


def promote(world: World, by: str, name: str) -> None:
    """As if on another machine."""
    user = world.user(name)
    world.store.apply(SetCustodian(user, world.user(by).id), AssignRole(world.admin_group, user))


def demote(world: World, name: str) -> None:
    """By another tool."""
    world.store.apply(RevokeRole(world.admin_group, world.user(name)))


def remove(world: World, name: str) -> None:
    """An admin, by another tool."""
    demote(world, name)
    world.store.apply(DeleteUser(world.user(name)))


def was_done(world: World, act: Act, name: str) -> bool:
    if act is World.reset:
        return world.can_log_in(name, "new one")
    return not world.is_admin(name)
