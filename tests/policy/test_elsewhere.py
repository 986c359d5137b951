"""What administrators do with other tools is felt at the next request; a reset opens nothing."""

from __future__ import annotations

import time

import pytest

from tests.api.client import PASSWORD, Api
from tests.policy.world import NEW, WRONG, World, on

DISABLED = ("The account is disabled. Ask an administrator.", "disabled")


@pytest.fixture
def bob(world: World) -> Api:
    """Logged in."""
    return world.login()


def is_good(api: Api) -> bool:
    answer = api("GET", "/server")
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def set_elsewhere(world: World) -> None:
    """Later than the last time: servers keep seconds."""
    time.sleep(1.05)
    world.server.set_password(world.bob_dn, NEW)


@on("openldap", "active_directory")
def test_a_password_set_elsewhere_ends_tokens(world: World, bob: Api) -> None:
    set_elsewhere(world)
    assert not is_good(bob)
    assert is_good(world.login(NEW))


@on("389ds")
def test_a_password_set_elsewhere_ends_tokens_where_389_tracks_it(world: World) -> None:
    world.server.demand("tracking")
    bob = world.login()
    set_elsewhere(world)
    assert not is_good(bob)


@on("389ds")
def test_389_does_not_tell_of_a_password_set_elsewhere_by_default(world: World, bob: Api) -> None:
    set_elsewhere(world)
    assert is_good(bob)
    assert world.refusal(PASSWORD) == ("Invalid credentials.", "credentials")


def test_a_disabled_account_is_out_and_back_when_it_is_enabled(world: World, bob: Api) -> None:
    world.server.disable(world.bob_dn)
    assert not is_good(bob)
    world.server.enable(world.bob_dn)
    assert is_good(bob)


@on("active_directory")
def test_an_account_that_has_ended_is_out(world: World, bob: Api) -> None:
    world.server.end(world.bob_dn)
    assert not is_good(bob)


def test_a_lock_by_failures_ends_no_tokens(world: World, bob: Api) -> None:
    world.lock()
    assert is_good(bob)


def test_a_reset_opens_what_failures_have_locked(world: World) -> None:
    world.lock()
    assert world.reset() == ""
    assert is_good(world.login(NEW))


def test_a_password_that_is_refused_opens_no_lock(world: World) -> None:
    world.lock()
    assert world.reset("1") == "The directory refuses the password: it is too short."
    assert world.refusal(PASSWORD)[1] == "locked"


@on("389ds", "active_directory")
def test_a_reset_leaves_a_disabled_account_disabled(world: World) -> None:
    world.server.disable(world.bob_dn)
    assert world.reset() == ""
    assert world.refusal(NEW)[1] == "disabled"
    world.server.enable(world.bob_dn)
    assert is_good(world.login(NEW))


@on("active_directory")
def test_a_reset_opens_no_account_that_has_ended(world: World) -> None:
    world.server.end(world.bob_dn)
    assert world.reset() == ""
    assert world.refusal(NEW) == DISABLED


@on("openldap")
@pytest.mark.parametrize("empowered", [False, True])
def test_openldap_would_open_a_disabled_account_so_its_reset_is_refused(
    world: World, empowered: bool
) -> None:
    if empowered:
        world.server.empower()
    world.server.disable(world.bob_dn)
    assert world.reset() == (
        "The account is disabled, and the directory would enable it with its new password: "
        "let an administrator of the directory enable it first."
    )
    for password in (PASSWORD, NEW, WRONG):
        assert world.refusal(password)[1] == "locked"
    world.server.enable(world.bob_dn)
    assert is_good(world.login())


@on("openldap", "389ds")
def test_an_administrator_of_passwords_opens_no_disabled_account(world: World) -> None:
    world.server.empower()
    world.server.disable(world.bob_dn)
    world.reset()
    assert world.refusal(NEW)[1] in ("locked", "disabled")
