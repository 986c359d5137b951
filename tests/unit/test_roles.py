"""The rules of roles: making, showing, listing, removing, giving and taking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mi_ldap.errors import (
    AdminsOnly,
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    Forbidden,
    ReadOnlyStore,
    RoleExists,
    RoleNotFound,
    UserNotFound,
)
from mi_ldap.model import AdminRole
from mi_ldap.name_rules import EVERYONE
from mi_ldap.services.queries import Query
from mi_ldap.services.role_changes import RoleChange
from mi_ldap.store import AssignRole, DeleteRole, RevokeRole, SetCustodian
from tests.memory_store import role_locator
from tests.unit.conftest import MakeWorld
from tests.world import World


@pytest.fixture
def staffed(world: World) -> World:
    """`admin` is one, `bob` holds `dev`; there is a role `ops`."""
    world.add_first_admin()
    world.add("bob", "dev")
    world.store.create_role("ops")
    return world


def create(world: World, name: str) -> None:
    world.services.roles.create(world.performer("admin"), name)


def remove(world: World, name: str, by: str = "admin") -> None:
    world.services.roles.delete(world.performer(by), name)


def change(world: World, *, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> None:
    world.services.role_changes.change(world.performer("admin"), RoleChange("bob", added, removed))


def roles_of(world: World, name: str) -> tuple[str, ...]:
    return world.services.users.show(name).roles[1:]


# Making, showing, listing


def test_a_role_is_created_without_members(staffed: World) -> None:
    create(staffed, "new")
    assert staffed.services.roles.show("NEW").users == ()


@pytest.mark.parametrize("name", ["dev", "DEV", "admin", EVERYONE, "internal/Everyone"])
def test_an_existing_role_is_not_created_again(staffed: World, name: str) -> None:
    with pytest.raises(RoleExists, match=r"^The role .* already exists\.$"):
        create(staffed, name)


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "Internal/", "\u202e", ".."])
def test_an_invalid_name_creates_no_role(staffed: World, name: str) -> None:
    with pytest.raises(BadRequest):
        create(staffed, name)


def test_a_configured_expression_narrows_role_names(world_of: MakeWorld) -> None:
    world = world_of(USER_STORE__ROLENAME_JAVA_REGEX="^[a-z]+$")
    world.add_first_admin()
    create(world, "dev")
    with pytest.raises(BadRequest, match="role name is not allowed"):
        create(world, "dev1")


def test_everyone_is_listed_among_the_roles_and_has_all_users(staffed: World) -> None:
    roles = staffed.services.roles
    assert roles.select(Query()).names == ("admin", "dev", EVERYONE, "ops")
    assert roles.select(Query(search_key="EVERY")).names == (EVERYONE,)
    assert roles.show(EVERYONE).users == ("admin", "bob")


def test_members_are_sorted(staffed: World) -> None:
    for name in ("Zoe", "adam"):
        staffed.add(name, "dev")
    assert staffed.services.roles.show("dev").users == ("adam", "bob", "Zoe")


def test_a_role_that_is_not_there_is_not_found(staffed: World) -> None:
    with pytest.raises(RoleNotFound, match=r"^Role: x cannot be found\.$"):
        staffed.services.roles.show("x")


# Removing


def test_deleting_a_role_deletes_its_memberships(staffed: World) -> None:
    remove(staffed, "dev")
    assert roles_of(staffed, "bob") == ()
    with pytest.raises(RoleNotFound):
        remove(staffed, "dev")


@pytest.mark.parametrize("name", ["admin", "ADMIN", EVERYONE])
def test_the_admin_role_and_everyone_stay(staffed: World, name: str) -> None:
    with pytest.raises(Forbidden):
        remove(staffed, name)
    assert staffed.admins() == ["admin"]


# Giving and taking


def test_roles_are_assigned_and_revoked_in_one_change(staffed: World) -> None:
    change(staffed, added=("ops",), removed=("dev",))
    assert roles_of(staffed, "bob") == ("ops",)


def test_assigning_what_is_assigned_is_no_error_and_not_audited(staffed: World) -> None:
    change(staffed, added=("dev", "DEV"), removed=("ops",))
    assert roles_of(staffed, "bob") == ("dev",)
    assert staffed.lines == []


def test_a_role_named_twice_is_assigned_once(staffed: World) -> None:
    change(staffed, added=("ops", "OPS", "ops"))
    assert roles_of(staffed, "bob") == ("dev", "ops")


def test_assigning_and_revoking_one_role_is_a_bad_request(staffed: World) -> None:
    with pytest.raises(BadRequest, match="both added and removed"):
        change(staffed, added=("dev",), removed=("DEV",))


@pytest.mark.parametrize(
    ("added", "removed", "error"),
    [
        (("ops", "nope"), (), RoleNotFound),
        (("ops",), ("nope",), RoleNotFound),
        (("ops", EVERYONE), (), Forbidden),
        (("ops",), (EVERYONE,), Forbidden),
    ],
)
def test_a_change_of_roles_is_all_or_nothing(
    staffed: World, added: tuple[str, ...], removed: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        change(staffed, added=added, removed=removed)
    assert roles_of(staffed, "bob") == ("dev",)


def test_roles_of_an_unknown_user_are_not_found(staffed: World) -> None:
    with pytest.raises(UserNotFound):
        staffed.give("admin", "nobody", "dev")


def test_only_admins_assign_roles(staffed: World) -> None:
    with pytest.raises(AdminsOnly):
        staffed.give("bob", "bob", "ops")
    assert roles_of(staffed, "bob") == ("dev",)


def test_the_admin_role_goes_along_with_others(staffed: World) -> None:
    change(staffed, added=("admin", "ops"), removed=("dev",))
    assert roles_of(staffed, "bob") == ("admin", "ops")
    assert staffed.custodian("bob") == "admin"
    change(staffed, added=("dev",), removed=("admin", "ops"))
    assert roles_of(staffed, "bob") == ("dev",)
    assert staffed.user("bob").custodian_id is None


def test_an_outage_during_a_change_is_audited_as_unknown(staffed: World) -> None:
    def broken() -> None:
        raise DirectoryUnavailable

    staffed.store.meanwhile = [broken]
    with pytest.raises(DirectoryUnavailable):
        change(staffed, added=("ops",))
    assert roles_of(staffed, "bob") == ("dev",)
    assert staffed.told("action", "outcome") == [("updated", "done"), ("updated", "unknown")]


def test_a_role_revoked_concurrently_is_no_error(staffed: World) -> None:
    def take() -> None:
        role = staffed.store.find_role("dev")
        assert role is not None
        staffed.store.apply(RevokeRole(role, staffed.user("bob")))

    staffed.store.meanwhile = [take]
    change(staffed, added=("ops",), removed=("dev",))
    assert roles_of(staffed, "bob") == ("ops",)


def test_a_read_only_store_rejects_changes(staffed: World) -> None:
    staffed.store.roles_writable = False
    acts: list[Callable[[], None]] = [
        lambda: create(staffed, "new"),
        lambda: remove(staffed, "dev"),
        lambda: change(staffed, added=("ops",)),
    ]
    for act in acts:
        with pytest.raises(ReadOnlyStore, match=r"^The user store is read-only\.$"):
            act()
    assert staffed.services.roles.select(Query()).total == 4


def test_a_role_that_was_removed_meanwhile_is_a_conflict(staffed: World) -> None:
    role = staffed.store.find_role("dev")
    assert role is not None
    staffed.store.meanwhile = [lambda: staffed.store.apply(DeleteRole(role))]
    with pytest.raises((Conflict, RoleNotFound)):
        remove(staffed, "dev")


# Roles in roles


def nest(world: World, inner: str, outer: str) -> None:
    """As another tool does it."""
    content = world.store.content
    content.roles[role_locator(outer)].members.add(role_locator(inner))


def test_an_inherited_role_is_shown_and_cannot_be_revoked(staffed: World) -> None:
    staffed.store.create_role("staff")
    nest(staffed, "dev", "ops")
    nest(staffed, "ops", "staff")
    assert roles_of(staffed, "bob") == ("dev", "ops", "staff")
    assert staffed.services.roles.show("staff").users == ("bob",)
    with pytest.raises(BadRequest, match=r"User bob has staff through dev, ops\."):
        change(staffed, removed=("dev", "staff"))
    assert roles_of(staffed, "bob") == ("dev", "ops", "staff")
    assert staffed.lines == []
    change(staffed, removed=("dev",))
    assert roles_of(staffed, "bob") == ()


def test_a_role_both_direct_and_inherited_stays_inherited_after_revoking(staffed: World) -> None:
    nest(staffed, "dev", "ops")
    change(staffed, added=("ops",))
    assert staffed.told("action", "outcome") == [("updated", "done")]
    change(staffed, removed=("ops",))
    assert roles_of(staffed, "bob") == ("dev", "ops")
    with pytest.raises(BadRequest, match="through dev"):
        change(staffed, removed=("ops",))


def test_a_role_in_the_admin_role_is_changed_in_the_directory_only(staffed: World) -> None:
    nest(staffed, "dev", "admin")
    nest(staffed, "admin", "dev")
    assert staffed.admins() == ["admin", "bob"]
    acts: list[Callable[[], None]] = [
        lambda: remove(staffed, "dev"),
        lambda: change(staffed, removed=("dev",)),
        lambda: staffed.give("admin", "admin", "dev"),
        lambda: staffed.delete("admin", "bob"),
    ]
    for act in acts:
        with pytest.raises(Forbidden):
            act()
    with pytest.raises(BadRequest, match="has admin through dev"):
        change(staffed, removed=("admin",))
    staffed.add("carl")
    staffed.give("admin", "carl", "admin")
    staffed.demote("admin", "carl")
    staffed.demote("admin", "admin")
    assert staffed.admins() == ["bob"]


def test_a_custodian_removes_no_admin_whose_membership_it_cannot_revoke(
    staffed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would stay an admin, but without a custodian."""
    nest(staffed, "dev", "admin")
    staffed.store.apply(SetCustodian(staffed.user("bob"), staffed.user("admin").id))
    staffed.store.apply(AssignRole(staffed.admin_group, staffed.user("bob")))
    for act in (World.delete, World.demote):
        with pytest.raises(Forbidden, match="an admin through another role"):
            act(staffed, "admin", "bob")
    staffed.store.content.roles[role_locator("admin")].members.remove(role_locator("dev"))
    read = staffed.store.admin_role

    def dynamic() -> AdminRole | None:
        found = read()
        return found and replace(found, role=replace(found.role, is_dynamic=True))

    monkeypatch.setattr(staffed.store, "admin_role", dynamic)
    for act in (World.delete, World.demote):
        with pytest.raises(Forbidden, match="The admin role is a dynamic group"):
            act(staffed, "admin", "bob")
    assert staffed.admins() == ["admin", "bob"]


@pytest.mark.parametrize(
    ("by", "hidden", "disabled", "error"),
    [
        ("boss", ("carl",), (), "Without the role staff .* the admins carl"),
        ("carl", ("carl",), (), "Without the role staff .* the admins carl"),
        ("eve", ("carl",), (), "Only the creator of admin user 'carl'"),
        ("boss", ("carl", "admin"), (), "Only the creator of admin user 'admin'"),
        ("carl", ("carl",), ("admin", "boss", "eve"), "The last admin"),
    ],
)
def test_a_role_without_which_admins_are_not_found_stays(
    family: World,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
    hidden: tuple[str, ...],
    disabled: tuple[str, ...],
    error: str,
) -> None:
    family.store.create_role("staff")
    monkeypatch.setattr(family.store, "finds_users_by_roles", lambda: True)
    monkeypatch.setattr(family.store, "would_hide", lambda user, *_: user.name in hidden)
    for name in disabled:
        family.store.account(name).enabled = False
    with pytest.raises(Forbidden, match=error):
        remove(family, "staff", by)
    assert family.store.find_role("staff")


# The audit log


def test_changes_of_roles_are_audited(staffed: World) -> None:
    create(staffed, "new")
    change(staffed, added=("new",), removed=("dev",))
    remove(staffed, "new")
    assert [
        (line["performedBy"], line["action"], line["type"], line["info"]) for line in staffed.lines
    ] == [
        ("admin", "created", "role", {"role": "new"}),
        (
            "admin",
            "updated",
            "role",
            {"userId": "bob", "addedRoles": ["new"], "removedRoles": ["dev"]},
        ),
        ("admin", "deleted", "role", {"role": "new"}),
    ]
