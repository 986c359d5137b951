"""The rules of passwords: by the old one, or in an admin's right."""

from __future__ import annotations

import pytest

from mi_ldap.errors import (
    AdminsOnly,
    BadRequest,
    LoginRefused,
    PasswordChangeFirst,
    PolicyRefused,
    TooManyFailures,
    WrongOldPassword,
)
from mi_ldap.model import Performer
from mi_ldap.services.users import NewPassword
from tests.unit.conftest import MakeWorld
from tests.world import ELSEWHERE, PASSWORD, World


def set_password(world: World, by: str, name: str, new: str, old: str | None = None) -> None:
    world.services.users.set_password(world.performer(by), name, NewPassword(new, old))


def test_changing_the_own_password_invalidates_old_tokens(staffed: World) -> None:
    epoch = staffed.user("bob").epoch
    set_password(staffed, "bob", "bob", "another one", PASSWORD)
    assert staffed.can_log_in("bob", "another one")
    assert staffed.user("bob").epoch != epoch


def test_resetting_a_users_password_invalidates_old_tokens(staffed: World) -> None:
    epoch = staffed.user("bob").epoch
    set_password(staffed, "admin", "bob", "another one")
    assert staffed.can_log_in("bob", "another one")
    assert staffed.user("bob").epoch != epoch


def test_a_wrong_old_password_is_a_bad_request(staffed: World) -> None:
    for old in ("wrong", ""):
        with pytest.raises(WrongOldPassword):
            set_password(staffed, "bob", "bob", "another one", old)
    assert staffed.can_log_in("bob", PASSWORD)


def test_a_user_needs_the_old_password_to_change_its_own(staffed: World) -> None:
    with pytest.raises(BadRequest, match="Give 'oldPassword'"):
        set_password(staffed, "bob", "bob", "another one")
    assert staffed.can_log_in("bob", PASSWORD)


@pytest.mark.parametrize("name", ["admin", "nobody"])
def test_who_is_no_admin_learns_nothing_of_others(staffed: World, name: str) -> None:
    with pytest.raises(AdminsOnly):
        set_password(staffed, "bob", name, "another one")
    with pytest.raises(WrongOldPassword):
        set_password(staffed, "bob", name, "another one", "guess")


def test_guesses_of_an_old_password_are_counted_as_logins_are(world_of: MakeWorld) -> None:
    world = world_of(MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME="3")
    world.add_first_admin()
    world.add("bob")
    for _ in range(3):
        with pytest.raises(BadRequest):
            set_password(world, "bob", "admin", "another one", "guess")
    with pytest.raises(TooManyFailures):
        set_password(world, "bob", "admin", "another one", PASSWORD)
    with pytest.raises(TooManyFailures):
        world.login("admin", PASSWORD, ELSEWHERE)
    assert world.can_log_in("admin", PASSWORD)


@pytest.mark.parametrize("new", ["", "a\0b", "x" * 1025, "????"])
def test_a_bad_new_password_changes_nothing(staffed: World, new: str) -> None:
    with pytest.raises(BadRequest, match="password is not allowed"):
        set_password(staffed, "bob", "bob", new, PASSWORD)
    assert staffed.can_log_in("bob", PASSWORD)


def test_the_reason_of_the_password_policy_is_shown(staffed: World) -> None:
    for by, old in (("bob", PASSWORD), ("admin", None)):
        with pytest.raises(PolicyRefused, match="too short"):
            set_password(staffed, by, "bob", "abc", old)
    assert staffed.can_log_in("bob", PASSWORD)


def test_who_must_change_the_password_changes_nobody_elses(staffed: World) -> None:
    performer = Performer(staffed.user("admin"), must_change_password=True, client=ELSEWHERE)
    for name in ("bob", "nobody"):
        with pytest.raises(PasswordChangeFirst):
            staffed.services.users.set_password(performer, name, NewPassword("another one", None))
    staffed.services.users.set_password(performer, "admin", NewPassword("another one", PASSWORD))
    assert staffed.can_log_in("admin", "another one")


def test_a_locked_account_cannot_be_opened_by_guessing(staffed: World) -> None:
    staffed.store.account("bob").closed = "locked"
    with pytest.raises((BadRequest, LoginRefused)):
        set_password(staffed, "bob", "bob", "another one", PASSWORD)
    assert staffed.can_log_in("bob", PASSWORD)
