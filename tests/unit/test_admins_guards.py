"""Steps that were decided on are not carried out once another tool has changed their grounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mi_ldap.errors import Conflict
from mi_ldap.model import AdminRole
from mi_ldap.store import (
    AssignRole,
    DeleteUser,
    RenewEpoch,
    RenewRevision,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
)
from tests.world import World

Decision = Callable[[World], list[Step]]
Change = Callable[[World], object]


def admin_role(world: World) -> AdminRole:
    found = world.store.admin_role()
    assert found is not None
    return found


# Decisions by `boss`, the custodian of the admin `carl`; `bob` is no admin, and has a dependent.


def promotion(world: World) -> list[Step]:
    admins = world.services.admins
    return admins.promotion(world.user("boss"), world.user("bob"), admin_role(world))


def demotion(world: World) -> list[Step]:
    admins = world.services.admins
    return admins.demotion(world.user("boss"), world.user("carl"), admin_role(world))


def deletion(world: World, name: str = "bob") -> list[Step]:
    admins, user = world.services.admins, world.user(name)
    steps = admins.deletion(world.user("boss"), user, admin_role(world), world.store)
    return [*steps, DeleteUser(user)]


def deletion_of_admin(world: World) -> list[Step]:
    return deletion(world, "carl")


def reset(world: World, name: str = "bob") -> list[Step]:
    admins = world.services.admins
    return admins.reset(world.user("boss"), world.user(name), admin_role(world))


def reset_of_admin(world: World) -> list[Step]:
    return reset(world, "carl")


def reassignment(world: World) -> list[Step]:
    custody = world.services.admins.custody
    return custody.reassign_dependents_guarded(world.user("bob"), admin_role(world))


# Changes by other tools, each of one entry.


def becomes_admin(name: str) -> Change:
    return lambda world: world.store.apply(AssignRole(world.admin_group, world.user(name)))


def leaves_admins(name: str) -> Change:
    return lambda world: world.store.apply(RevokeRole(world.admin_group, world.user(name)))


def gets_custodian(name: str) -> Change:
    return lambda world: world.store.apply(SetCustodian(world.user(name), world.user("eve").id))


def gets_epoch(name: str) -> Change:
    return lambda world: world.store.apply(RenewEpoch(world.user(name)))


def is_deleted(name: str) -> Change:
    return lambda world: world.store.apply(DeleteUser(world.user(name)))


def role_is_renewed(world: World) -> None:
    world.store.apply(RenewRevision(world.admin_group))


def other_admin_is_deleted(world: World) -> None:
    """The one whose presence allows that `carl` leaves; its group does not change."""
    other = world.store.other_holder(admin_role(world), world.user("carl"))
    assert other is not None
    world.store.apply(DeleteUser(other))


OF_BOB = {
    "gets a custodian": gets_custodian("bob"),
    "gets an epoch": gets_epoch("bob"),
    "is deleted": is_deleted("bob"),
}
OF_CARL = {
    "gets a custodian": gets_custodian("carl"),
    "gets an epoch": gets_epoch("carl"),
    "is deleted": is_deleted("carl"),
}
OF_ADMINS = {
    "another becomes an admin": becomes_admin("dora"),
    "another leaves the admins": leaves_admins("eve"),
    "the role is renewed": role_is_renewed,
}
TABLE: dict[Decision, dict[str, Change]] = {
    promotion: {**OF_BOB, **OF_ADMINS, "becomes an admin": becomes_admin("bob")},
    demotion: {**OF_CARL, **OF_ADMINS, "the other is deleted": other_admin_is_deleted},
    deletion: {**OF_BOB, "becomes an admin": becomes_admin("bob")},
    deletion_of_admin: {**OF_CARL, **OF_ADMINS, "the other is deleted": other_admin_is_deleted},
    reset: {**OF_BOB, "becomes an admin": becomes_admin("bob")},
    reset_of_admin: OF_CARL,
    reassignment: OF_ADMINS,
}
CASES = [(decide, change) for decide, changes in TABLE.items() for change in changes.values()]
IDS = [f"{decide.__name__}: {name}" for decide, changes in TABLE.items() for name in changes]


@pytest.fixture(params=[False, True], ids=["", "with dependents"])
def grounds(family: World, request: pytest.FixtureRequest) -> World:
    """A family with another user, `dora`; `bob` may be the custodian of a user."""
    family.add("dora")
    if request.param:
        family.store.apply(SetCustodian(family.user("dora"), family.user("bob").id))
    return family


@pytest.mark.parametrize("decide", TABLE, ids=lambda decide: decide.__name__)
def test_a_decision_on_present_grounds_is_carried_out(grounds: World, decide: Decision) -> None:
    grounds.store.apply(*decide(grounds))


@pytest.mark.parametrize(("decide", "change"), CASES, ids=IDS)
def test_a_decision_on_former_grounds_is_a_conflict(
    grounds: World, decide: Decision, change: Change
) -> None:
    steps = decide(grounds)
    if not steps:  # nothing to reassign
        return
    change(grounds)
    with pytest.raises(Conflict):
        grounds.store.apply(*steps)


@pytest.mark.parametrize("decide", [demotion, deletion, reset, reassignment, promotion])
def test_who_gets_dependents_is_not_demoted_by_an_earlier_decision(
    family: World, decide: Decision
) -> None:
    """It was made without the dependents, so they would be left to a user who is no admin."""
    family.store.apply(SetCustodian(family.user("carl"), family.user("boss").id))
    who = "carl" if decide is demotion else "bob"
    family.store.apply(SetCustodian(family.user("bob"), family.user("boss").id))
    family.add("dora")
    family.store.apply(SetCustodian(family.user("dora"), family.user(who).id))
    admins, boss = family.services.admins, family.user("boss")
    earlier = admins.demotion(boss, boss, admin_role(family))
    steps = decide(family)
    assert any(isinstance(step, SetCustodian) for step in steps)
    family.store.apply(*steps)
    with pytest.raises(Conflict):
        family.store.apply(*earlier)


def test_where_admins_cannot_be_changed_reassignments_have_no_guards(family: World) -> None:
    """The store would refuse them, and nobody can be demoted through this service."""
    family.store.apply(SetCustodian(family.user("eve"), family.user("bob").id))
    family.store.roles_writable = False
    steps = reassignment(family)
    assert [type(step) for step in steps] == [SetCustodian]
    assert not any(isinstance(step, Unchanged) for step in steps)
    family.store.apply(*steps)
