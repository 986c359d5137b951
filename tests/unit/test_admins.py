"""Custody: an admin can only be removed by its creator, and one always remains."""

from __future__ import annotations

import pytest

from mi_ldap.errors import (
    AdminsOnly,
    CustodyRefused,
    DirectoryUnavailable,
    Forbidden,
    SelfDeletion,
)
from mi_ldap.model import EntryId, User
from tests.unit.custody import ACTS, REMOVALS, Act, demote, remove, was_done
from tests.world import World

# Who becomes whose custodian


def test_the_creator_of_an_admin_is_its_custodian(family: World) -> None:
    family.create("carl", "dora", is_admin=True)
    assert family.is_admin("dora")
    assert family.custodian("dora") == "carl"


def test_who_assigns_the_admin_role_is_the_custodian(family: World) -> None:
    family.create("carl", "dora")
    assert family.custodian("dora") is None
    family.give("eve", "dora", "admin")
    assert family.is_admin("dora")
    assert family.custodian("dora") == "eve"


def test_assigning_the_admin_role_to_an_admin_changes_nothing(family: World) -> None:
    before = family.user("carl")
    family.give("eve", "carl", "admin")
    assert family.user("carl") == before


def test_a_plain_user_has_no_custodian(family: World) -> None:
    family.create("boss", "dora")
    assert family.user("dora").custodian_id is None


# Who may act on an admin


@pytest.mark.parametrize("act", ACTS)
def test_the_custodian_may_remove_an_admin(family: World, act: Act) -> None:
    act(family, "boss", "carl")
    assert was_done(family, act, "carl")


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("stranger", ["admin", "eve"])
def test_another_admin_may_not_remove_an_admin(family: World, act: Act, stranger: str) -> None:
    with pytest.raises(CustodyRefused, match=r"^Only the creator of admin user 'carl' can"):
        act(family, stranger, "carl")
    assert not was_done(family, act, "carl")


@pytest.mark.parametrize("act", ACTS)
def test_a_user_who_is_no_admin_may_not_remove_an_admin(family: World, act: Act) -> None:
    with pytest.raises(AdminsOnly):
        act(family, "bob", "carl")
    assert not was_done(family, act, "carl")


@pytest.mark.parametrize("act", ACTS)
def test_the_custodians_custodian_may_not_remove_an_admin(family: World, act: Act) -> None:
    with pytest.raises(CustodyRefused):
        act(family, "admin", "carl")
    assert not was_done(family, act, "carl")


@pytest.mark.parametrize("act", ACTS)
def test_a_dependent_may_not_remove_its_custodian(family: World, act: Act) -> None:
    with pytest.raises(CustodyRefused):
        act(family, "carl", "boss")
    assert not was_done(family, act, "boss")


@pytest.mark.parametrize("act", ACTS)
def test_nobody_may_remove_an_admin_without_a_custodian(family: World, act: Act) -> None:
    family.add_admin("orphan", None)
    with pytest.raises(CustodyRefused, match="recover-admin --adopt"):
        act(family, "boss", "orphan")
    assert not was_done(family, act, "orphan")


@pytest.mark.parametrize("act", ACTS)
def test_a_custodian_that_resolves_to_nothing_is_none(family: World, act: Act) -> None:
    family.store.account("eve").custodian_id = EntryId("no such entry")
    with pytest.raises(CustodyRefused, match="recover-admin --adopt"):
        act(family, "admin", "eve")
    assert not was_done(family, act, "eve")


@pytest.mark.parametrize("act", ACTS)
def test_a_custodian_that_cannot_be_read_is_an_outage_and_not_none(
    family: World, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    custodian_id, read = family.user("boss").id, family.store.user

    def unreadable(user_id: str) -> User | None:
        if user_id == custodian_id:
            raise DirectoryUnavailable
        return read(user_id)

    monkeypatch.setattr(family.store, "user", unreadable)
    with pytest.raises(DirectoryUnavailable):
        act(family, "eve", "carl")
    assert not was_done(family, act, "carl")


@pytest.mark.parametrize("act", ACTS)
def test_a_user_created_again_with_the_same_name_has_no_dependents(family: World, act: Act) -> None:
    remove(family, "boss")
    family.add_admin("boss", "admin")
    with pytest.raises(CustodyRefused):
        act(family, "boss", "carl")
    assert not was_done(family, act, "carl")


@pytest.mark.parametrize("act", ACTS)
def test_any_admin_may_change_a_user_who_is_no_admin(family: World, act: Act) -> None:
    family.add("dora")
    act(family, "carl", "dora")
    assert was_done(family, act, "dora")


@pytest.mark.parametrize("by", ["carl", "eve"])
def test_whoever_knows_the_old_password_may_change_it(family: World, by: str) -> None:
    family.change(by, "carl")
    assert family.can_log_in("carl", "new one")


def test_an_admins_own_password_is_not_reset_without_the_old_one(family: World) -> None:
    with pytest.raises(CustodyRefused, match="oldPassword"):
        family.reset("carl", "carl")
    assert not family.can_log_in("carl", "new one")


# Oneself


@pytest.mark.parametrize("typed", ["boss", "BOSS", " boss ", "PRIMARY/Boss", "ｂoss"])
def test_nobody_deletes_oneself_under_any_spelling(family: World, typed: str) -> None:
    with pytest.raises(SelfDeletion):
        family.delete("boss", typed)
    assert family.is_admin("boss")


def test_one_may_resign(family: World) -> None:
    family.demote("carl", "carl")
    assert not family.is_admin("carl")
    assert family.exists("carl")


def test_the_last_admin_may_not_resign(world: World) -> None:
    world.add_first_admin()
    with pytest.raises(Forbidden, match="last admin"):
        world.demote("admin", "admin")
    assert world.admins() == ["admin"]


def test_only_members_who_are_users_and_enabled_keep_the_last_admin_from_being_last(
    world: World,
) -> None:
    world.add_first_admin()
    world.add_admin("closed", "admin")
    world.store.account("closed").enabled = False
    world.store.content.roles["role admin"].members.add("user ghost")
    with pytest.raises(Forbidden, match="last admin"):
        world.demote("admin", "admin")
    assert world.is_admin("admin")


def test_demotion_clears_the_custodian_and_ends_all_tokens(family: World) -> None:
    epoch = family.user("carl").epoch
    family.demote("boss", "carl")
    assert family.user("carl").custodian_id is None
    assert family.user("carl").epoch != epoch


# Reassignment of dependents


@pytest.mark.parametrize("act", REMOVALS)
def test_dependents_of_a_deleted_custodian_go_to_its_custodian(family: World, act: Act) -> None:
    act(family, "admin", "boss")
    assert family.custodian("carl") == "admin"
    assert ("admin", "inherited", {"userId": "carl", "custodian": "admin"}) in [
        (line["performedBy"], line["action"], line["info"]) for line in family.lines
    ]
    act(family, "admin", "carl")
    assert was_done(family, act, "carl")


def test_dependents_of_an_admin_who_resigns_go_to_its_custodian(family: World) -> None:
    family.demote("boss", "boss")
    assert family.custodian("carl") == "admin"


def test_a_dependent_without_a_successor_has_no_custodian(family: World) -> None:
    family.demote("admin", "admin")
    assert family.user("boss").custodian_id is None
    assert family.user("eve").custodian_id is None
    assert family.custodian("carl") == "boss"


def test_a_former_admin_gets_no_dependents(family: World) -> None:
    demote(family, "admin")
    family.demote("boss", "boss")
    assert family.user("carl").custodian_id is None


def test_no_reassignment_makes_a_user_its_own_custodian(family: World) -> None:
    family.store.account("boss").custodian_id = family.user("carl").id
    family.demote("boss", "boss")
    assert family.user("carl").custodian_id is None


def test_all_dependents_are_reassigned_together(family: World) -> None:
    for name in ("dora", "emil"):
        family.create("boss", name, is_admin=True)
    family.delete("admin", "boss")
    assert [family.custodian(name) for name in ("carl", "dora", "emil")] == ["admin"] * 3


# Refusals are told


@pytest.mark.parametrize("act", ACTS)
def test_every_refusal_by_custody_is_audited(family: World, act: Act) -> None:
    with pytest.raises(CustodyRefused) as caught:
        act(family, "eve", "carl")
    assert family.told("performedBy", "action", "type", "outcome", "reason") == [
        ("eve", "refused", "admin", "refused", str(caught.value))
    ]
    assert family.lines[0]["info"] == {"userId": "carl"}
