"""The rules of users: making, showing, listing, removing, passwords."""

from __future__ import annotations

import pytest

from mi_ldap.errors import (
    AuditUnavailable,
    BadRequest,
    DirectoryUnavailable,
    PolicyRefused,
    ReadOnlyStore,
    UserExists,
    UserNotFound,
)
from mi_ldap.model import EntryId
from mi_ldap.services.queries import Query
from mi_ldap.services.users import NewUser, UserInfo
from tests.memory_store import role_locator, user_locator
from tests.unit.conftest import MakeWorld
from tests.world import PASSWORD, World

# Making


def test_a_user_is_created_with_its_password_and_no_roles(staffed: World) -> None:
    staffed.create("admin", "dora")
    assert staffed.services.users.show("dora") == UserInfo(
        "dora", False, ("Internal/everyone",), None
    )
    assert staffed.can_log_in("dora", PASSWORD)
    assert not staffed.user("dora").unfinished


def test_an_admin_is_created_with_its_custodian(staffed: World) -> None:
    staffed.create("admin", "dora", is_admin=True)
    assert staffed.services.users.show("dora") == UserInfo(
        "dora", True, ("Internal/everyone", "admin"), "admin"
    )


def test_a_user_created_again_has_no_old_roles_or_dependents(staffed: World) -> None:
    staffed.store.create_role("dev")
    for role in ("dev", "admin"):
        group = staffed.store.content.roles[role_locator(role)]
        group.members.add(user_locator("dora"))
    staffed.create("admin", "dora")
    assert staffed.services.users.show("dora").roles == ("Internal/everyone",)
    assert not staffed.is_admin("dora")


@pytest.mark.parametrize("typed", ["bob", "BOB", " bob", "PRIMARY/bob"])
def test_an_existing_user_is_not_created_again(staffed: World, typed: str) -> None:
    before = staffed.user("bob")
    with pytest.raises(UserExists, match=r"User: (?i:bob) already exists"):
        staffed.create("admin", typed)
    assert staffed.user("bob") == before


def test_a_race_for_a_name_has_one_winner_and_the_loser_deletes_nothing(
    staffed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = staffed.store.find_user
    monkeypatch.setattr(
        staffed.store, "find_user", lambda name: None if name == "bob" else find(name)
    )
    with pytest.raises(UserExists):
        staffed.create("admin", "bob")
    monkeypatch.undo()
    assert staffed.can_log_in("bob", PASSWORD)


def test_a_password_that_the_policy_rejects_leaves_no_user(staffed: World) -> None:
    with pytest.raises(PolicyRefused, match="too short"):
        staffed.services.users.create(staffed.performer("admin"), NewUser("dora", "abc"))
    assert not staffed.exists("dora")
    assert staffed.told("action", "outcome") == [("created", "done"), ("created", "undone")]


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "..", "\u200b", "x" * 241])
def test_an_invalid_name_creates_nothing(staffed: World, name: str) -> None:
    with pytest.raises(BadRequest):
        staffed.create("admin", name)
    assert staffed.lines == []


def test_configured_expressions_narrow_names_and_passwords(world_of: MakeWorld) -> None:
    world = world_of(
        USER_STORE__USERNAME_JAVA_REGEX="^[a-z]{3,8}$",
        USER_STORE__PASSWORD_JAVA_REGEX="^[\\S]{5,30}$",
    )
    world.add_first_admin()
    with pytest.raises(BadRequest, match="user name is not allowed"):
        world.create("admin", "Dora1")
    with pytest.raises(BadRequest, match="password is not allowed"):
        world.create("admin", "dora")
    performer = world.performer("admin")
    world.services.users.create(performer, NewUser("dora", "nospaces"))
    assert world.exists("dora")


def test_what_fails_at_the_end_is_undone(staffed: World) -> None:
    def broken() -> None:
        raise DirectoryUnavailable

    staffed.store.meanwhile = [broken]
    with pytest.raises(DirectoryUnavailable):
        staffed.create("admin", "dora", is_admin=True)
    assert not staffed.exists("dora")


@pytest.mark.parametrize(
    "act",
    [
        lambda world: world.create("admin", "dora"),
        lambda world: world.delete("admin", "bob"),
        lambda world: world.reset("admin", "bob"),
        lambda world: world.change("bob", "bob"),
        lambda world: world.give("admin", "bob", "admin"),
    ],
)
def test_what_cannot_be_audited_is_not_done(staffed: World, act: object) -> None:
    (staffed.services.settings.state_dir / "audit.log").mkdir()
    before = staffed.store.content.users.copy()
    with pytest.raises(AuditUnavailable):
        act(staffed)  # type: ignore[operator]
    assert staffed.store.content.users == before
    assert staffed.can_log_in("bob", PASSWORD)
    assert staffed.admins() == ["admin"]


def test_a_read_only_store_rejects_changes(staffed: World) -> None:
    staffed.store.writable = False
    with pytest.raises(ReadOnlyStore):
        staffed.create("admin", "dora")
    with pytest.raises(ReadOnlyStore):
        staffed.delete("admin", "bob")
    with pytest.raises(ReadOnlyStore):
        staffed.reset("admin", "bob")
    with pytest.raises(ReadOnlyStore):
        staffed.change("bob", "bob")


# Showing and listing


def test_roles_are_shown_sorted_with_everyone_first(world: World) -> None:
    world.add("bob", "zeta", "Alpha", "beta", "Internal/x")
    assert world.services.users.show("BOB").roles == (
        "Internal/everyone",
        "Alpha",
        "beta",
        "Internal/x",
        "zeta",
    )


def test_a_custodian_is_shown_by_its_present_name_and_only_for_admins(staffed: World) -> None:
    staffed.create("admin", "dora", is_admin=True)
    staffed.store.account("admin").name = "Administrator"
    assert staffed.services.users.show("dora").created_by == "Administrator"
    staffed.demote("admin", "dora")
    assert staffed.services.users.show("dora").created_by is None
    staffed.store.account("dora").custodian_id = staffed.user("admin").id
    assert staffed.services.users.show("dora").created_by is None


def test_a_custodian_that_is_gone_is_not_shown(staffed: World) -> None:
    staffed.create("admin", "dora", is_admin=True)
    staffed.store.account("dora").custodian_id = EntryId("nobody")
    assert staffed.services.users.show("dora").created_by is None


def test_who_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(UserNotFound, match=r"^User: x cannot be found\.$"):
        world.services.users.show("x")


def test_a_list_is_narrowed_by_role(staffed: World) -> None:
    staffed.add("dora", "dev")
    select = staffed.services.users.select
    assert select(Query(role="DEV")).names == ("dora",)
    assert select(Query(role="PRIMARY/dev", search_key="x")).names == ()
    assert select(Query(role="internal/everyone")).names == ("admin", "bob", "dora")
    assert select(Query(role="unknown")).names == ()


# Removing


def test_deleting_a_user_deletes_its_memberships(staffed: World) -> None:
    staffed.add("dora", "dev", "ops")
    staffed.delete("admin", "DORA")
    assert not staffed.exists("dora")
    assert staffed.services.roles.show("dev").users == ()
    assert user_locator("dora") not in staffed.store.content.roles[role_locator("ops")].members


def test_a_user_that_is_not_there_is_not_removed(staffed: World) -> None:
    with pytest.raises(UserNotFound):
        staffed.delete("admin", "nobody")


def test_a_user_created_again_is_a_new_user(staffed: World) -> None:
    staffed.add("dora", "dev")
    staffed.delete("admin", "dora")
    staffed.create("admin", "dora")
    assert staffed.services.users.show("dora").roles == ("Internal/everyone",)


# The audit log


def test_changes_of_users_are_audited_without_passwords(staffed: World) -> None:
    staffed.create("admin", "dora", is_admin=True)
    staffed.reset("admin", "dora")
    staffed.delete("admin", "dora")
    assert [
        (line["performedBy"], line["action"], line["type"], line["info"]) for line in staffed.lines
    ] == [
        ("admin", "created", "user", {"userId": "dora", "isAdmin": True}),
        ("admin", "updated", "user", {"userId": "dora"}),
        ("admin", "deleted", "user", {"userId": "dora"}),
    ]
    text = (staffed.services.settings.state_dir / "audit.log").read_text()
    assert PASSWORD not in text
    assert "new one" not in text
