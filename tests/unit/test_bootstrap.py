"""The first admin: made by the first successful login, once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.errors import (
    AdminRoleUnclear,
    AuditUnavailable,
    Conflict,
    DirectoryUnavailable,
    Forbidden,
    LoginRefused,
)
from mi_ldap.model import EntryId, User
from mi_ldap.services import bootstrap
from mi_ldap.state.tokens import SCOPE_ADMIN, SCOPE_DEFAULT
from mi_ldap.store import CreateAdminRole, DeleteRole, RenewEpoch, RevokeRole
from tests.unit.conftest import MakeWorld
from tests.world import World

# The first login


def test_the_first_login_creates_the_first_admin(world: World) -> None:
    logged_in = world.login("admin")
    assert logged_in.scope == SCOPE_ADMIN
    assert logged_in.user == world.user("admin")
    assert world.admins() == ["admin"]
    assert world.user("admin").custodian_id is None


def test_the_creation_of_the_first_admin_is_audited_as_bootstrap(world: World) -> None:
    world.login("admin")
    assert world.told("performedBy", "action", "type", "outcome") == [
        ("admin", "bootstrap", "admin", "done"),
        ("admin", "login", "session", "done"),
    ]


def test_an_existing_user_is_promoted_after_its_password_is_verified(world: World) -> None:
    user = world.add("alice", "dev")
    assert world.login("ALICE").scope == SCOPE_ADMIN
    assert world.admins() == ["alice"]
    assert world.user("alice").id == user.id
    assert [role.name for role in world.store.details(user).roles] == ["dev", "admin"]


def test_a_wrong_password_of_an_existing_user_changes_nothing(world: World) -> None:
    world.add("alice")
    with pytest.raises(LoginRefused):
        world.login("alice", "wrong one")
    assert world.admins() == []
    assert world.store.find_role("admin") is None
    assert world.services.bootstrap.is_open()


def test_promotion_invalidates_earlier_tokens(world: World) -> None:
    before = world.add("alice")
    world.store.account("alice").custodian_id = EntryId("somebody of a former life")
    world.login("alice")
    assert world.user("alice").epoch != before.epoch
    assert world.user("alice").custodian_id is None


def test_an_empty_password_creates_nothing(world: World) -> None:
    with pytest.raises(LoginRefused):
        world.login("admin", "")
    assert world.store.user_names().names == ()


@pytest.mark.parametrize("name", ["", "a/b", "ad\u200bmin", "..", "x" * 241])
def test_a_name_that_breaks_the_rules_is_refused_with_the_reason(world: World, name: str) -> None:
    with pytest.raises(LoginRefused, match="first admin was not created"):
        world.login(name)
    assert world.store.user_names().names == ()


def test_a_password_that_the_policy_rejects_leaves_no_user(world: World) -> None:
    with pytest.raises(LoginRefused, match="too short"):
        world.login("admin", "abc")
    assert world.store.user_names().names == ()
    assert world.login("admin").scope == SCOPE_ADMIN


def test_an_empty_group_of_the_name_is_used(world: World) -> None:
    role = world.store.create_role("admin")
    world.login("admin")
    assert world.admin_group.id == role.id
    assert world.admins() == ["admin"]


def test_the_second_login_creates_no_admin(world: World) -> None:
    world.login("admin")
    world.add("bob")
    assert world.login("bob").scope == SCOPE_DEFAULT
    with pytest.raises(LoginRefused):
        world.login("nobody")
    assert world.store.find_user("nobody") is None
    assert world.admins() == ["admin"]


# Once


def close_by_other_tool(world: World) -> None:
    world.add_first_admin("chief")


@pytest.mark.parametrize("make", [lambda world: world.login("admin"), close_by_other_tool])
def test_no_first_admin_again_after_all_admins_were_deleted(
    world: World, make: Callable[[World], object]
) -> None:
    make(world)
    assert not world.services.bootstrap.is_open()
    (name,) = world.admins()
    world.store.apply(RevokeRole(world.admin_group, world.user(name)))
    with pytest.raises(LoginRefused):
        world.login("intruder")
    assert world.login(name).scope == SCOPE_DEFAULT
    assert world.admins() == []


def test_no_first_admin_again_after_the_group_was_deleted(world: World) -> None:
    world.login("admin")
    world.store.apply(DeleteRole(world.admin_group))
    with pytest.raises(LoginRefused):
        world.login("intruder")
    assert world.login("admin").scope == SCOPE_DEFAULT


def test_no_first_admin_again_as_soon_as_an_admin_was_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_by_other_tool(world)
    assert not world.services.bootstrap.is_open()
    world.store.apply(DeleteRole(world.admin_group))
    monkeypatch.setattr(world.services.state, "get", lambda key: None)  # the record is lost, too
    assert not world.services.bootstrap.is_open()


def test_no_first_admin_again_after_a_restart(world_of: MakeWorld) -> None:
    before = world_of()
    before.login("admin")
    after = world_of()
    with pytest.raises(LoginRefused):
        after.login("intruder")
    assert after.store.user_names().names == ()


def test_the_mark_in_the_directory_applies_to_other_machines(
    world: World, tmp_path: Path, world_of: MakeWorld
) -> None:
    world.login("admin")
    world.store.apply(RevokeRole(world.admin_group, world.user("admin")))
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    other_machine = world_of()
    other_machine.store.content = world.store.content
    assert not other_machine.services.bootstrap.is_open()
    with pytest.raises(LoginRefused):
        other_machine.login("intruder")


def test_a_member_that_is_no_user_prevents_bootstrap_while_it_is_there(world: World) -> None:
    world.store.create_role("admin")
    world.store.content.roles["role admin"].members.add("user ghost")
    assert not world.services.bootstrap.is_open()
    world.store.content.roles["role admin"].members.clear()
    assert world.services.bootstrap.is_open()


# One winner


def test_of_concurrent_first_logins_one_creates_the_admin_and_the_others_leave_nothing(
    world: World,
) -> None:
    def attempt(number: int) -> str | None:
        try:
            return world.login(f"user{number}").scope
        except LoginRefused:
            return None
        finally:
            world.services.state.close()

    with ThreadPoolExecutor(16) as pool:
        scopes = list(pool.map(attempt, range(16)))
    assert sorted(scope for scope in scopes if scope) == [SCOPE_ADMIN]
    assert len(world.admins()) == 1
    assert list(world.store.user_names().names) == world.admins()


def test_an_existing_user_who_lost_the_race_is_logged_in_without_the_role(world: World) -> None:
    world.add("alice")
    world.store.meanwhile = [lambda: world.add_first_admin("quicker")]
    assert world.login("alice").scope == SCOPE_DEFAULT
    assert world.admins() == ["quicker"]


def test_a_user_who_is_promoted_after_a_login_has_read_it_gets_a_valid_token(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("alice")
    find_user, others = world.store.find_user, [lambda: world.login("alice")]

    def find_and_promote(name: str) -> User | None:
        found = find_user(name)
        if others:
            others.pop()()
        return found

    monkeypatch.setattr(world.store, "find_user", find_and_promote)
    logged_in = world.login("alice")
    assert not others
    assert (logged_in.scope, logged_in.user) == (SCOPE_ADMIN, world.user("alice"))


def test_a_promotion_whose_steps_are_far_apart_leaves_other_logins_valid_tokens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.add("alice")
    # By another machine, which renews the epoch after this one has looked for it once.
    world.store.apply(CreateAdminRole(user))
    read_user, renewals = world.store.user, [RenewEpoch(user)]

    def read_and_renew(user_id: str) -> User | None:
        found = read_user(user_id)
        if renewals:
            world.store.apply(renewals.pop())
        return found

    monkeypatch.setattr(world.store, "user", read_and_renew)
    logged_in = world.login("alice")
    assert not renewals
    assert logged_in.user == world.user("alice")


def test_a_login_that_waits_for_a_promotion_has_time_left_to_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_by_other_tool(world)
    monkeypatch.setattr(bootstrap, "SETTLING_S", 60.0)
    with deadline(2):
        assert world.login("chief").scope == SCOPE_ADMIN
        assert remaining_s() > 0


def test_a_user_who_was_created_and_lost_the_race_is_deleted(world: World) -> None:
    world.store.meanwhile = [lambda: world.add_first_admin("quicker")]
    with pytest.raises(LoginRefused, match="Invalid credentials"):
        world.login("slower")
    assert not world.exists("slower")
    assert world.admins() == ["quicker"]


# "No admin" is proved


def test_an_outage_does_not_count_as_an_empty_directory(world: World) -> None:
    world.store.is_down = True
    with pytest.raises(DirectoryUnavailable):
        world.login("admin")
    world.store.is_down = False
    assert world.store.user_names().names == ()


def test_an_ambiguous_admin_role_does_not_count_as_missing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unclear() -> None:
        raise AdminRoleUnclear

    world.add("alice")
    monkeypatch.setattr(world.store, "admin_role", unclear)
    world.login("alice")
    assert not world.services.bootstrap.is_open()
    monkeypatch.undo()
    assert not world.is_admin("alice")


def test_an_unreadable_admin_group_is_an_outage_and_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_first_admin("hidden")
    monkeypatch.setattr(world.store, "admin_role", lambda: None)
    with deadline(0.05), pytest.raises(AdminRoleUnclear):
        world.login("admin")
    assert world.store.user_names().names == ("hidden",)


def denying(world: World, times: int) -> Callable[[str], object]:
    """A `create_user` to which the directory denies the right so many times."""
    create_user = world.store.create_user
    denials = iter(range(times))

    def create(name: str) -> object:
        if next(denials, None) is not None:
            raise Forbidden("The directory does not allow this to the service's account.")
        return create_user(name)

    return create


def test_rights_that_are_denied_for_a_moment_do_not_end_the_first_login(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.store, "create_user", denying(world, 3))
    assert world.login("admin").scope == SCOPE_ADMIN


def test_rights_that_are_always_denied_are_reported(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.store, "create_user", denying(world, 1000))
    with pytest.raises(Forbidden, match="does not allow"):
        world.login("admin")
    assert world.services.bootstrap.is_open()


def test_what_cannot_be_audited_is_not_done(world: World) -> None:
    (world.services.settings.state_dir / "audit.log").mkdir()
    with pytest.raises(AuditUnavailable):
        world.login("admin")
    assert world.store.user_names().names == ()
    assert world.store.find_role("admin") is None


def test_a_change_without_an_answer_is_audited_as_unknown(world: World) -> None:
    def broken() -> None:
        raise DirectoryUnavailable

    world.store.meanwhile = [broken]
    with pytest.raises(DirectoryUnavailable):
        world.login("admin")
    assert world.store.user_names().names == ()
    assert world.told("action", "outcome") == [("bootstrap", "done"), ("bootstrap", "unknown")]


# What a crash leaves


def test_an_unfinished_user_is_created_again(world: World) -> None:
    unfinished = world.store.create_user("admin")
    with pytest.raises(LoginRefused):
        world.login("admin")
    world.store.end_creation(unfinished)
    assert world.login("admin").scope == SCOPE_ADMIN
    assert world.user("admin").id != unfinished.id


def test_a_user_that_another_process_is_creating_is_left_alone(world: World) -> None:
    unfinished = world.store.create_user("admin")
    with pytest.raises(LoginRefused):
        world.login("admin")
    assert world.store.is_still_unfinished(unfinished)


def test_endless_conflicts_report_an_unreadable_admin_role(world: World) -> None:
    def disturb() -> None:
        world.store.meanwhile.append(disturb)
        raise Conflict

    world.add("alice")
    world.store.meanwhile = [disturb]
    with deadline(0.05), pytest.raises(AdminRoleUnclear):
        world.login("alice")
    assert world.admins() == []
