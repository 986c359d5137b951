"""Dependents never fall to a stranger: whoever was taken out by another tool comes back without."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import pytest

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.errors import CustodyRefused, DirectoryUnavailable
from mi_ldap.model import AdminRole, User
from mi_ldap.services.recovery import Recovery
from mi_ldap.store import RevokeRole
from tests.memory_store import MemoryStore
from tests.unit.conftest import MakeWorld
from tests.unit.custody import demote
from tests.world import PASSWORD, World


def recovery(world: World) -> Recovery:
    made = world.services
    return Recovery(made.store, made.audit, made.rules, "root on this machine")


def promote_by_eve(world: World) -> None:
    world.give("eve", "boss", "admin")


def reset_by_eve(world: World) -> None:
    world.reset("eve", "boss")


def delete_by_eve(world: World) -> None:
    world.delete("eve", "boss")


def recover(world: World) -> None:
    recovery(world).assign_admin_role(world.user("boss"))


def recover_the_password(world: World) -> None:
    recovery(world).set_password(world.user("boss"), "new one")


COMEBACKS: list[Callable[[World], None]] = [
    promote_by_eve,
    reset_by_eve,
    delete_by_eve,
    recover,
    recover_the_password,
]
"""What can be done with `boss` once another tool has taken it out of the admin role."""

comebacks = pytest.mark.parametrize("come_back", COMEBACKS)


@comebacks
def test_dependents_of_a_former_admin_go_to_its_custodian(
    family: World, come_back: Callable[[World], None]
) -> None:
    demote(family, "boss")
    come_back(family)
    assert family.custodian("carl") == "admin"
    assert ("inherited", "admin", {"userId": "carl", "custodian": "admin"}) in [
        (line["action"], line["type"], line["info"]) for line in family.lines
    ]
    family.delete("admin", "carl")


@comebacks
def test_a_custodian_that_is_not_an_admin_is_skipped(
    family: World, come_back: Callable[[World], None]
) -> None:
    family.add_admin("dora", "carl")
    for name in ("boss", "carl"):
        demote(family, name)
    come_back(family)
    if family.is_admin("boss"):
        family.give("eve", "carl", "admin")
    else:
        family.reset("eve", "carl")
    assert family.custodian("dora") == "admin"


@comebacks
def test_dependents_have_no_custodian_if_there_is_no_successor(
    family: World, come_back: Callable[[World], None]
) -> None:
    demote(family, "boss")
    demote(family, "admin")
    family.add_admin("dora", None)
    come_back(family)
    assert family.user("carl").custodian_id is None
    with pytest.raises(CustodyRefused):
        family.delete("dora", "carl")


@comebacks
def test_the_search_for_a_successor_ends_in_a_cycle_of_custodians(
    family: World, come_back: Callable[[World], None]
) -> None:
    """Other tools can make one: boss and admin answer for each other, and neither is an admin."""
    family.store.account("admin").custodian_id = family.user("boss").id
    demote(family, "boss")
    demote(family, "admin")
    come_back(family)
    assert family.user("carl").custodian_id is None


def test_the_search_ends_in_a_cycle_without_the_user(
    family: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    family.store.account("admin").custodian_id = family.user("bob").id
    family.store.account("bob").custodian_id = family.user("admin").id
    take_out(family, "admin")
    take_out(family, "boss")
    read, reads = family.store.user, iter(range(100))

    def user(user_id: str) -> User | None:
        assert next(reads, None) is not None
        return read(user_id)

    monkeypatch.setattr(family.store, "user", user)
    promote_by_eve(family)
    assert family.user("carl").custodian_id is None


@comebacks
def test_a_custodian_that_cannot_be_read_is_an_outage_and_nothing_is_done(
    family: World, come_back: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    demote(family, "boss")
    custodian_id, read = family.user("admin").id, family.store.user

    def unreadable(user_id: str) -> User | None:
        if user_id == custodian_id:
            raise DirectoryUnavailable
        return read(user_id)

    monkeypatch.setattr(family.store, "user", unreadable)
    with pytest.raises(DirectoryUnavailable):
        come_back(family)
    monkeypatch.undo()
    assert family.custodian("carl") == "boss"
    assert not family.is_admin("boss")
    assert family.can_log_in("boss", PASSWORD)


def test_a_dependent_may_promote_its_former_custodian(family: World) -> None:
    demote(family, "boss")
    family.give("carl", "boss", "admin")
    assert family.custodian("carl") == "admin"
    assert family.custodian("boss") == "carl"


def test_the_password_of_an_admin_is_set_by_its_custodian_and_its_dependents_stay(
    family: World,
) -> None:
    family.reset("admin", "boss")
    assert family.custodian("carl") == "boss"


def test_reading_permissions_reassigns_nothing(family: World) -> None:
    demote(family, "boss")
    permissions = family.services.users.permissions(family.performer("eve"), "boss")
    assert (permissions.delete, permissions.reset_password) == ("", "")
    assert family.custodian("carl") == "boss"


def test_the_first_admin_has_no_dependents(world_of: MakeWorld) -> None:
    world = world_of()
    for name in ("boss", "carl"):
        world.add(name)
    world.store.account("carl").custodian_id = world.user("boss").id
    world.login("boss")
    assert world.admins() == ["boss"]
    assert world.user("carl").custodian_id is None


def test_an_admin_whose_custodian_is_no_admin_can_be_adopted(family: World) -> None:
    demote(family, "boss")
    assert sorted(recovery(family).adopt(family.user("eve"))) == ["admin", "carl"]
    assert family.custodian("carl") == family.custodian("admin") == "eve"
    assert family.custodian("eve") == "admin"


def test_nobody_adopts_itself(family: World) -> None:
    assert recovery(family).adopt(family.user("admin")) == []


def test_a_custodian_demoted_concurrently_is_not_a_successor(
    family: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read for showing is older than the demotion: it was not there when this began."""
    old = MemoryStore()
    old.content = copy.deepcopy(family.store.content)
    family.demote("boss", "carl")
    lines = len(family.lines)
    monkeypatch.setattr(type(family.store), "view", lambda store: old)
    family.demote("boss", "carl")
    assert len(family.lines) == lines


def test_a_refusal_does_not_name_a_custodian_who_is_no_admin(family: World) -> None:
    demote(family, "boss")
    with pytest.raises(CustodyRefused, match="recover-admin --adopt"):
        family.delete("admin", "carl")


def test_a_refusal_is_not_based_on_two_different_states(
    family: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine demotes `carl` between the reading of the admin role and that of `carl`."""
    read = family.store.admin_role

    def read_and_demote() -> AdminRole | None:
        found = read()
        monkeypatch.undo()
        family.demote("boss", "carl")
        return found

    monkeypatch.setattr(family.store, "admin_role", read_and_demote)
    family.delete("eve", "carl")
    assert not family.exists("carl")
    assert not [line for line in family.lines if line["action"] == "refused"]


def fail_after(world: World, *changes: Callable[[], object]) -> None:
    """Let the next change fail without an effect, after other tools have made changes."""

    def fail() -> None:
        for change in changes:
            change()
        raise DirectoryUnavailable

    world.store.meanwhile = [fail]


def take_out(world: World, name: str) -> None:
    """As another tool does it: dependents stay."""
    world.store.apply(RevokeRole(world.admin_group, world.user(name)))


@pytest.mark.parametrize("act", [World.delete, World.demote])
def test_after_a_failed_change_no_dependent_is_left_to_who_is_no_admin(
    family: World, act: Callable[[World, str, str], None]
) -> None:
    """The undo of a store restores a custodian, who may have been demoted at that moment."""
    family.add_admin("dora", "carl")
    fail_after(family, lambda: take_out(family, "carl"))
    with pytest.raises(DirectoryUnavailable):
        act(family, "boss", "carl")
    assert family.exists("carl")
    assert family.custodian("dora") == "boss"
    assert ("inherited", "done") in family.told("action", "outcome")


def test_after_a_failed_change_an_admin_has_a_custodian_who_is_one(family: World) -> None:
    family.add_admin("dora", "carl")
    fail_after(family, lambda: take_out(family, "boss"))
    with pytest.raises(DirectoryUnavailable):
        family.demote("boss", "carl")
    assert family.is_admin("carl")
    assert (family.custodian("carl"), family.custodian("dora")) == ("admin", "carl")


def test_after_a_failed_change_there_is_time_although_that_of_the_request_is_over(
    family: World,
) -> None:
    family.add_admin("dora", "carl")
    left_s: list[float] = []

    def let_time_pass() -> None:
        take_out(family, "carl")
        time.sleep(remaining_s())
        family.store.meanwhile.append(lambda: left_s.append(remaining_s()))

    fail_after(family, let_time_pass)
    with deadline(0.05), pytest.raises(DirectoryUnavailable):
        family.demote("boss", "carl")
    assert left_s
    assert left_s[0] > 1
    assert family.custodian("dora") == "boss"
