"""Who may become the first admin, as the settings say."""

from __future__ import annotations

import pytest

from mi_ldap.errors import LoginRefused
from mi_ldap.state.tokens import SCOPE_ADMIN, SCOPE_DEFAULT
from tests.unit.conftest import MakeWorld
from tests.world import ELSEWHERE, PASSWORD, World

CONFIGURED = {
    "BOOTSTRAP__MODE": "configured",
    "SUPER_ADMIN__USERNAME": "Root",
    "SUPER_ADMIN__PASSWORD": PASSWORD,
}
OWN_DIRECTORY = {
    "USER_STORE__CONNECTION_URL": "ldap://127.0.0.1:1",
    "USER_STORE__CONNECTION_NAME": "cn=service",
    "USER_STORE__CONNECTION_PASSWORD": "x",
    "USER_STORE__BASE_DN": "dc=x",
}


@pytest.fixture
def own_directory(world_of: MakeWorld) -> World:
    """A directory that the service did not bring along."""
    return world_of(**OWN_DIRECTORY)


# Who may win


def test_mode_off_creates_no_admin(world_of: MakeWorld) -> None:
    world = world_of(BOOTSTRAP__MODE="off")
    world.add("alice")
    assert world.login("alice").scope == SCOPE_DEFAULT
    with pytest.raises(LoginRefused):
        world.login("admin")
    assert world.admins() == []


def test_only_bootstrap_users_may_become_the_first_admin(world_of: MakeWorld) -> None:
    world = world_of(BOOTSTRAP__USERS="Alice, dora")
    world.add("bob")
    assert world.login("bob").scope == SCOPE_DEFAULT
    with pytest.raises(LoginRefused):
        world.login("emil")
    assert world.admins() == []
    assert world.login("Alice").scope == SCOPE_ADMIN


@pytest.mark.parametrize("typed", ["ALICE", "\uff21lice", "Alice\u00ad", "A lice", "dorA"])
def test_a_listed_user_is_created_only_with_the_exact_name(world_of: MakeWorld, typed: str) -> None:
    """To some directories a name that is alike is another one."""
    world = world_of(BOOTSTRAP__USERS="Alice, dora")
    with pytest.raises(LoginRefused):
        world.login(typed)
    assert world.admins() == []
    assert world.store.user_names().names == ()


def test_a_listed_user_that_exists_is_found_by_any_spelling(world_of: MakeWorld) -> None:
    world = world_of(BOOTSTRAP__USERS="Alice, dora")
    world.add("alice")
    assert world.login("ALICE").scope == SCOPE_ADMIN


def test_mode_configured_creates_its_account_at_its_first_login(world_of: MakeWorld) -> None:
    world = world_of(**CONFIGURED)
    assert world.login("root", client=ELSEWHERE).scope == SCOPE_ADMIN
    assert len(world.admins()) == 1


def test_mode_configured_requires_the_configured_password(world_of: MakeWorld) -> None:
    world = world_of(**CONFIGURED)
    with pytest.raises(LoginRefused):
        world.login("Root", "another password")
    assert world.store.user_names().names == ()


def test_mode_configured_never_overwrites_a_password(world_of: MakeWorld) -> None:
    world = world_of(**CONFIGURED)
    world.add("root")
    world.store.account("root").password = "my own"
    with pytest.raises(LoginRefused):
        world.login("root", PASSWORD)
    assert world.login("root", "my own").scope == SCOPE_ADMIN
    assert world.can_log_in("root", "my own")


def test_mode_configured_creates_nobody_else(world_of: MakeWorld) -> None:
    world = world_of(**CONFIGURED)
    world.add("alice")
    assert world.login("alice").scope == SCOPE_DEFAULT
    with pytest.raises(LoginRefused):
        world.login("admin")
    assert world.admins() == []


def test_existing_users_of_an_external_directory_are_promoted_from_any_address(
    own_directory: World,
) -> None:
    own_directory.add("alice")
    assert own_directory.login("alice", client=ELSEWHERE).scope == SCOPE_ADMIN


def test_no_user_of_an_external_directory_is_created_from_another_address(
    own_directory: World,
) -> None:
    with pytest.raises(LoginRefused, match="Invalid credentials"):
        own_directory.login("admin", client=ELSEWHERE)
    assert own_directory.store.user_names().names == ()
    assert own_directory.login("admin").scope == SCOPE_ADMIN


def test_a_listed_user_of_an_external_directory_is_created_from_any_address(
    world_of: MakeWorld,
) -> None:
    world = world_of(**OWN_DIRECTORY, BOOTSTRAP__USERS="chief")
    assert world.login("chief", client=ELSEWHERE).scope == SCOPE_ADMIN


def test_the_embedded_directory_creates_the_first_admin_from_any_address(world: World) -> None:
    assert world.login("admin", client=ELSEWHERE).scope == SCOPE_ADMIN


@pytest.mark.parametrize("what", ["writable", "roles_writable"])
def test_a_read_only_store_has_no_bootstrap(world: World, what: str) -> None:
    world.add("alice")
    setattr(world.store, what, False)
    assert not world.services.bootstrap.is_open()
    assert world.login("alice").scope == SCOPE_DEFAULT
