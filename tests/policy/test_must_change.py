"""Who must change the password can do that, and nothing else."""

from __future__ import annotations

import pytest

from tests.api.client import PASSWORD, Api
from tests.policy.world import NEW, WRONG, World, on

FIRST = "Change your password first."
ELSEWHERE = (
    ("GET", "/server"),
    ("GET", "/users"),
    ("GET", "/users/bob"),
    ("POST", "/users"),
    ("DELETE", "/users/bob"),
    ("GET", "/roles"),
    ("PUT", "/roles"),
    ("PATCH", "/users/admin"),
    ("PATCH", "/users/nobody"),
)


@pytest.fixture
def bob(world: World) -> Api:
    """Logged in, and must change the password."""
    world.server.force_change(world.bob_dn)
    assert world.warning() == FIRST
    return world.login()


def opens_all(api: Api) -> bool:
    return api("GET", "/server").status_code == 200


def test_the_password_must_be_proved_all_the_same(world: World) -> None:
    world.server.force_change(world.bob_dn)
    assert world.refusal(WRONG) == ("Invalid credentials.", "credentials")


def test_the_token_opens_nothing_else(bob: Api) -> None:
    body = {"newPassword": NEW, "confirmPassword": NEW, "oldPassword": PASSWORD}
    for method, path in ELSEWHERE:
        answer = bob(method, path, body if method == "PATCH" else None)
        assert (answer.status_code, answer.json) == (403, {"Error": FIRST}), (method, path)


def test_the_token_opens_logout(bob: Api) -> None:
    assert bob("GET", "/logout").status_code == 200
    assert bob("GET", "/server").status_code == 401


def test_the_own_password_is_changed_and_all_is_as_usual(world: World, bob: Api) -> None:
    assert world.change(bob) == ""
    assert bob("PATCH", "/users/bob").status_code == 401, "the token is worth nothing now"
    assert world.refusal(PASSWORD) == ("Invalid credentials.", "credentials")
    assert world.warning(NEW) == ""
    assert opens_all(world.login(NEW))


def test_what_the_policy_refuses_leaves_all_as_it_was(world: World, bob: Api) -> None:
    said = world.change(bob, "1")
    assert said == "The directory refuses the password: it is too short."
    assert world.warning() == FIRST
    assert world.change(world.login()) == ""
    assert opens_all(world.login(NEW))


def test_the_old_password_must_be_right(world: World, bob: Api) -> None:
    assert world.change(bob, old=WRONG) == "'oldPassword' is wrong."
    assert world.change(bob, old=None) == "Give 'oldPassword' to change your own password."
    assert world.change(bob) == ""


def test_an_admin_who_knows_the_old_one_changes_it_as_well(world: World) -> None:
    world.server.force_change(world.bob_dn)
    assert world.change(world.admin) == ""
    assert opens_all(world.login(NEW))


def test_an_admin_who_must_change_the_password_is_no_admin_until_then(world: World) -> None:
    world.admin.give("bob", "admin")
    world.server.force_change(world.bob_dn)
    bob = world.login()
    assert bob("GET", "/users").json == {"Error": FIRST}
    assert bob("PUT", "/roles").json == {"Error": FIRST}
    assert world.change(bob) == ""
    assert world.login(NEW)("GET", "/users").status_code == 200


def test_the_usual_reset_ends_the_duty(world: World) -> None:
    """The service's account is no administrator of passwords, so its reset forces nothing."""
    world.server.force_change(world.bob_dn)
    assert world.reset() == ""
    assert opens_all(world.login(NEW))


@on("openldap", "389ds")
def test_the_reset_of_an_administrator_of_passwords_forces_a_change(world: World) -> None:
    world.server.demand("change")
    world.server.empower()
    assert world.reset() == ""
    bob = world.login(NEW)
    assert bob("GET", "/server").json == {"Error": FIRST}
    assert world.change(bob, PASSWORD, NEW) == ""
    assert opens_all(world.login())


@on("openldap", "389ds")
def test_a_new_user_of_an_administrator_of_passwords_must_change_its_own(world: World) -> None:
    world.server.demand("change")
    world.server.empower()
    world.admin.add_user("carl")
    carl = world.admin.stranger().logged_in("carl")
    assert carl("GET", "/server").json == {"Error": FIRST}
    body = {"newPassword": NEW, "confirmPassword": NEW, "oldPassword": PASSWORD}
    carl.do("PATCH", "/users/carl", body)
    assert opens_all(carl.stranger().logged_in("carl", NEW))
