"""What was decided on is asserted when it is done."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.errors import (
    AdminsOnly,
    Conflict,
    CustodyRefused,
    Forbidden,
    UserNotFound,
)
from mi_ldap.services.role_changes import RoleChange
from mi_ldap.store import AssignRole, DeleteUser, RenewEpoch, RevokeRole
from tests.memory_store import MemoryStore
from tests.unit.custody import Act, demote, promote, remove
from tests.world import World


@pytest.mark.parametrize("act", [World.delete, World.reset])
def test_a_user_promoted_concurrently_is_not_deleted_by_another_admin(
    family: World, act: Act
) -> None:
    family.store.meanwhile = [lambda: promote(family, "boss", "bob")]
    with pytest.raises(CustodyRefused):
        act(family, "eve", "bob")
    assert family.is_admin("bob")
    assert not family.can_log_in("bob", "new one")


def test_a_performer_demoted_meanwhile_promotes_nobody(family: World) -> None:
    family.store.meanwhile = [lambda: demote(family, "eve")]
    with pytest.raises(AdminsOnly):
        family.give("eve", "bob", "admin")
    assert not family.is_admin("bob")


def test_a_performer_demoted_concurrently_creates_no_admin_and_leaves_nothing(
    family: World,
) -> None:
    family.store.meanwhile = [lambda: demote(family, "eve")]
    with pytest.raises(AdminsOnly):
        family.create("eve", "dora", is_admin=True)
    assert not family.exists("dora")


def test_a_custodian_replaced_concurrently_may_not_remove_the_admin(family: World) -> None:
    def adopt() -> None:
        family.store.account("carl").custodian_id = family.user("eve").id

    family.store.meanwhile = [adopt]
    with pytest.raises(CustodyRefused):
        family.delete("boss", "carl")
    assert family.is_admin("carl")


@pytest.mark.parametrize("act", [World.delete, World.reset])
def test_a_user_created_again_concurrently_is_not_deleted(family: World, act: Act) -> None:
    def make_again() -> None:
        family.store.apply(DeleteUser(family.user("bob")))
        family.add("bob")

    family.store.meanwhile = [make_again]
    with pytest.raises(UserNotFound):
        act(family, "eve", "bob")
    assert family.exists("bob")
    assert not family.can_log_in("bob", "new one")


def test_the_last_admin_stays_if_the_other_resigned_concurrently(world: World) -> None:
    world.add_first_admin()
    world.add_admin("boss", "admin")
    world.store.meanwhile = [lambda: demote(world, "admin")]
    with pytest.raises(Forbidden, match="last admin"):
        world.demote("boss", "boss")
    assert world.admins() == ["boss"]


def test_when_both_of_two_admins_resign_at_once_one_stays(world: World) -> None:
    world.add_first_admin()
    world.add_admin("boss", "admin")

    def resign(name: str) -> bool:
        try:
            world.demote(name, name)
        except Forbidden:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(resign, ["admin", "boss"]))
    world.services.state.close()
    assert sorted(results) == [False, True]
    assert len(world.admins()) == 1


def test_an_admin_removed_meanwhile_is_not_found(family: World) -> None:
    family.store.meanwhile = [lambda: remove(family, "carl")]
    with pytest.raises(UserNotFound):
        family.delete("boss", "carl")


def test_endless_changes_end_with_the_request(family: World) -> None:
    def disturb() -> None:
        family.store.account("carl").mark += "x"
        family.store.meanwhile.append(disturb)

    family.store.meanwhile = [disturb]
    with deadline(0.05), pytest.raises(Conflict):
        family.delete("boss", "carl")
    assert family.is_admin("carl")


def test_nobody_is_found_or_promoted_while_it_is_created(family: World) -> None:
    user = family.store.create_user("dora")
    with pytest.raises(UserNotFound):
        family.give("eve", "dora", "admin")
    assert family.store.find_user("dora") is None
    family.store.apply(RenewEpoch(user))
    family.give("eve", "dora", "admin")
    assert family.is_admin("dora")


def test_nobody_is_promoted_while_its_password_is_reset(family: World) -> None:
    family.store.apply(RenewEpoch(family.add("dora"), for_reset=True))
    with deadline(0.05), pytest.raises(Conflict):
        family.give("eve", "dora", "admin")
    assert not family.is_admin("dora")
    family.store.apply(RenewEpoch(family.user("dora")))
    family.give("eve", "dora", "admin")
    assert family.is_admin("dora")


def test_a_user_created_again_concurrently_gets_no_role(family: World) -> None:
    def make_again() -> None:
        family.store.apply(DeleteUser(family.user("bob")))
        family.add("bob")

    family.store.create_role("dev")
    family.store.meanwhile = [make_again]
    with pytest.raises(UserNotFound):
        family.give("eve", "bob", "dev")
    assert family.services.roles.show("dev").users == ()


@pytest.fixture
def forgetful(family: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """What is read for showing stays as it is now; `bob` holds `dev`, and there is `ops`."""
    family.store.apply(AssignRole(family.store.create_role("dev"), family.user("bob")))
    family.store.create_role("ops")
    old = MemoryStore()
    old.content = copy.deepcopy(family.store.content)
    monkeypatch.setattr(type(family.store), "view", lambda store: old)
    return family


def roles_of(world: World, name: str) -> list[str]:
    return [role.name for role in world.store.roles_of(world.user(name))]


def test_stale_memory_leads_to_a_decision_from_the_directory(forgetful: World) -> None:
    bob = forgetful.user("bob")
    dev, ops = (forgetful.store.find_role(name) for name in ("dev", "ops"))
    assert dev is not None
    assert ops is not None
    forgetful.store.apply(RevokeRole(dev, bob), AssignRole(ops, bob))
    both = RoleChange("bob", assigned=("ops",), revoked=("dev",))
    forgetful.services.role_changes.change(forgetful.performer("eve"), both)
    assert roles_of(forgetful, "bob") == ["ops"]


def test_admins_and_custodians_are_never_read_from_memory(forgetful: World) -> None:
    forgetful.demote("eve", "eve")
    with pytest.raises(AdminsOnly):
        forgetful.give("eve", "bob", "ops")
    assert roles_of(forgetful, "bob") == ["dev"]
    forgetful.demote("boss", "boss")  # reassigns its dependent
    forgetful.demote("admin", "carl")
    assert forgetful.admins() == ["admin"]
