"""What a login answers in each state of an account, with the same words on every server."""

from __future__ import annotations

from tests.api.client import PASSWORD
from tests.policy.servers import PolicedOpenLdap
from tests.policy.world import NEW, WRONG, World, on

CREDENTIALS = ("Invalid credentials.", "credentials")
LOCKED = ("The account is locked. Ask an administrator.", "locked")
DISABLED = ("The account is disabled. Ask an administrator.", "disabled")
EXPIRED = ("The password has expired. Ask an administrator.", "expired")


def test_a_wrong_password_tells_nothing(world: World) -> None:
    assert world.refusal(WRONG) == CREDENTIALS


def test_an_account_locked_by_failures_is_named(world: World) -> None:
    world.lock()
    assert world.refusal(PASSWORD) == LOCKED
    assert world.refusal(WRONG) == LOCKED


@on("openldap")
def test_without_use_lockout_a_locked_account_looks_like_a_wrong_password(world: World) -> None:
    assert isinstance(world.server, PolicedOpenLdap)
    world.server.hide_locks()
    world.lock()
    assert world.refusal(PASSWORD) == CREDENTIALS


@on("active_directory")
def test_a_disabled_account_is_named_once_the_password_is_proved(world: World) -> None:
    world.server.disable(world.bob_dn)
    assert world.refusal(WRONG) == CREDENTIALS
    assert world.refusal(PASSWORD) == DISABLED


@on("389ds")
def test_a_disabled_account_is_named_to_nobody_where_nobody_proves_a_password(
    world: World,
) -> None:
    world.server.disable(world.bob_dn)
    hidden = ("Invalid credentials.", "disabled")
    assert world.refusal(WRONG) == hidden
    assert world.refusal(PASSWORD) == hidden


@on("openldap")
def test_an_account_locked_for_good_is_named_as_locked(world: World) -> None:
    world.server.disable(world.bob_dn)
    assert world.refusal(WRONG) == LOCKED
    assert world.refusal(PASSWORD) == LOCKED


@on("openldap")
def test_an_account_locked_for_good_is_disabled_where_the_policy_locks_nobody(
    world: World,
) -> None:
    world.server.set(world.server.policy_dn, "pwdLockout", "FALSE")
    world.server.disable(world.bob_dn)
    assert world.refusal(WRONG) == CREDENTIALS
    assert world.refusal(PASSWORD) == DISABLED


@on("active_directory")
def test_an_account_that_has_ended_is_disabled(world: World) -> None:
    world.server.end(world.bob_dn)
    assert world.refusal(WRONG) == CREDENTIALS
    assert world.refusal(PASSWORD) == DISABLED


@on("openldap")
def test_an_account_that_has_ended_is_locked_as_openldap_says(world: World) -> None:
    world.server.end(world.bob_dn)
    assert world.refusal(PASSWORD) == LOCKED


def test_an_expired_password_is_named_once_it_is_proved(world: World) -> None:
    world.server.expire(world.bob_dn)
    assert world.refusal(WRONG) == CREDENTIALS
    assert world.refusal(PASSWORD) == EXPIRED


def test_a_reset_ends_the_expiry(world: World) -> None:
    world.server.expire(world.bob_dn)
    assert world.reset() == ""
    assert world.warning(NEW) in ("", "Your password expires in 10 days. Change it before then.")


@on("openldap", "389ds")
def test_the_logins_that_an_expired_password_still_opens_are_counted(world: World) -> None:
    world.server.demand("grace")
    world.server.expire(world.bob_dn)
    left = "The password has expired. 1 grace login left. Change your password now."
    assert world.warning() == left
    assert world.warning() == (
        "The password has expired. This was the last grace login. "
        "Ask an administrator for a new password."
    )
    assert world.refusal(PASSWORD) == EXPIRED


@on("openldap", "389ds")
def test_a_wrong_password_spends_none_of_those_logins(world: World) -> None:
    world.server.demand("grace")
    world.server.expire(world.bob_dn)
    assert world.refusal(WRONG) == CREDENTIALS
    assert "1 grace login left" in world.warning()


@on("openldap", "389ds")
def test_a_password_that_expires_soon_is_warned_of(world: World) -> None:
    world.server.demand("warning")
    world.server.set_password(world.bob_dn, PASSWORD)
    warnings = {world.warning(), world.warning()}
    assert "Your password expires in 2 days. Change it before then." in warnings


@on("active_directory")
def test_active_directory_warns_of_nothing(world: World) -> None:
    world.server.demand("warning")
    assert world.warning() == ""
