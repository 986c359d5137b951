"""What the policy says of a new password: to its owner, to an admin, and of a new user's."""

from __future__ import annotations

import pytest

from tests.api.client import PASSWORD
from tests.policy.servers import PolicedOpenLdap
from tests.policy.world import NEW, WRONG, World, on

REFUSES = "The directory refuses the password: "
SHORT, WEAK = f"{REFUSES}it is too short.", f"{REFUSES}it is too weak."
USED = f"{REFUSES}it was used before."
YOUNG = f"{REFUSES}the present one was set too recently to be changed."
FROZEN = f"{REFUSES}it may not be changed."
WRONG_OLD = "'oldPassword' is wrong."


def test_the_old_password_must_be_right(world: World) -> None:
    assert world.change(world.login(), old=WRONG) == WRONG_OLD
    assert world.change(world.admin, old=WRONG) == WRONG_OLD


@pytest.mark.parametrize("new", ["short", "1"])
def test_a_short_password_is_told(world: World, new: str) -> None:
    world.server.demand("length")
    assert world.change(world.login(), new) == SHORT
    assert world.reset(new) == SHORT
    answer = world.admin("POST", "/users", {"userId": "carl", "password": new})
    assert answer.json == {"Error": f"Error processing the request. {SHORT}"}
    assert not world.admin.exists("carl")


@on("389ds", "active_directory")
def test_a_weak_password_is_told(world: World) -> None:
    bob = world.login()
    world.server.demand("quality")
    assert world.change(bob, "onlyletters") == WEAK
    assert world.reset("onlyletters") == WEAK


def test_a_password_that_was_used_before_is_told(world: World) -> None:
    world.server.demand("history")
    bob = world.login()
    assert world.change(bob, PASSWORD) == USED
    assert world.change(bob, NEW) == ""
    assert world.change(world.login(NEW), PASSWORD, NEW) == USED


@on("openldap", "389ds")
def test_an_admin_too_must_set_a_password_that_was_not_used_before(world: World) -> None:
    world.server.demand("history")
    world.server.set_password(world.bob_dn, PASSWORD)
    assert world.reset(PASSWORD) == USED


@on("active_directory")
def test_active_directory_lets_an_admin_set_a_password_that_was_used_before(world: World) -> None:
    world.server.demand("history")
    assert world.reset(PASSWORD) == ""


def test_a_password_that_was_just_set_stays(world: World) -> None:
    world.server.demand("rest")
    world.server.set_password(world.bob_dn, PASSWORD)
    assert world.change(world.login()) == YOUNG
    world.login()


@on("openldap", "389ds")
def test_an_admin_too_must_wait(world: World) -> None:
    world.server.demand("rest")
    world.server.set_password(world.bob_dn, PASSWORD)
    assert world.reset() == YOUNG


@on("active_directory")
def test_active_directory_lets_an_admin_not_wait(world: World) -> None:
    world.server.demand("rest")
    assert world.reset() == ""


def test_who_may_not_change_the_password_is_told(world: World) -> None:
    world.server.forbid_change(world.bob_dn)
    assert world.change(world.login()) == FROZEN
    world.login()


@on("openldap")
def test_who_has_no_right_to_change_the_password_is_told(world: World) -> None:
    assert isinstance(world.server, PolicedOpenLdap)
    world.server.freeze()
    assert world.change(world.login()) == FROZEN
    assert world.reset() == ""


@on("openldap", "389ds")
def test_an_expired_password_is_changed_while_it_opens_logins(world: World) -> None:
    world.server.demand("more grace")
    world.server.expire(world.bob_dn)
    assert world.change(world.login()) == ""
    assert "has expired" not in world.warning(NEW)


@on("openldap", "389ds")
def test_the_policy_binds_no_administrator_of_passwords(world: World) -> None:
    for rule in ("history", "length", "rest"):
        world.server.demand(rule)
    world.server.empower()
    assert world.reset(PASSWORD) == ""


def test_a_locked_account_changes_nothing_by_its_old_password(world: World) -> None:
    world.lock()
    for old in (PASSWORD, WRONG):
        said = world.change(world.admin, old=old)
        assert said == "The account is locked. Ask an administrator."


def test_a_closed_account_changes_nothing_by_its_old_password(world: World) -> None:
    world.server.disable(world.bob_dn)
    assert world.change(world.admin)
    assert world.change(world.admin, old=WRONG)
    world.server.enable(world.bob_dn)
    world.login()


def test_an_expired_password_is_changed_by_an_administrator_only(world: World) -> None:
    world.server.expire(world.bob_dn)
    said = world.change(world.admin)
    assert said == "The password has expired. Ask an administrator."
    assert world.reset() == ""
    world.login(NEW)
