"""The permissions that are shown beforehand agree with the errors of the changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ldap.model import EntryId, UserDetails
from mi_ldap.name_rules import EVERYONE
from mi_ldap.services.admins import why_forbidden
from mi_ldap.store import AssignRole, CreateAdminRole, SetCustodian
from tests.memory_store import MemoryStore
from tests.store_contract import make_user
from tests.world import PASSWORD, World, make_world

NAMES = ("admin", "boss", "carl", "eve", "bob")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by", NAMES[:4])
def test_permissions_agree_with_the_errors_of_changes(family: World, by: str, name: str) -> None:
    performer = family.performer(by)
    permissions = family.services.users.permissions(performer, name)
    roles = family.services.roles.held_roles(performer, name)
    assert why_forbidden(lambda: family.reset(by, name)) == permissions.reset_password
    why_not_revocable = {each.name: each.why_forbidden for each in roles}
    if "admin" in why_not_revocable and by != name:
        assert why_forbidden(lambda: family.demote(by, name)) == why_not_revocable["admin"]
    if family.is_admin(name) or "admin" not in why_not_revocable:
        assert why_forbidden(lambda: family.delete(by, name)) == permissions.delete


def test_reading_permissions_changes_nothing(family: World) -> None:
    before = [family.user(name) for name in NAMES]
    lines = family.lines
    for name in NAMES:
        family.services.users.permissions(family.performer("boss"), name)
        family.services.roles.held_roles(family.performer("boss"), name)
    assert [family.user(name) for name in NAMES] == before
    assert family.lines == lines


def test_the_last_admin_may_not_resign(staffed: World) -> None:
    (held,) = staffed.services.roles.held_roles(staffed.performer("admin"), "admin")
    assert (held.name, held.through) == ("admin", ())
    assert held.why_forbidden == "The last admin cannot be removed. Make another admin first."


def test_why_a_role_cannot_be_deleted(family: World) -> None:
    family.services.roles.create(family.performer("admin"), "dev")
    why = family.services.roles.why_delete_forbidden
    assert why(family.performer("admin"), "dev") == ""
    assert why(family.performer("admin"), "admin") == "The admin role admin cannot be deleted."
    assert "Every user has the role" in why(family.performer("admin"), EVERYONE)


def test_a_read_only_store_forbids_all_changes(family: World) -> None:
    family.store.writable = False
    performer, services = family.performer("boss"), family.services
    permissions = services.users.permissions(performer, "carl")
    reason = services.users.read_only_reason
    assert reason == services.roles.read_only_reason != ""
    assert permissions.delete == permissions.reset_password == reason
    assert {each.why_forbidden for each in services.roles.held_roles(performer, "carl")} == {
        services.roles.read_only_reason
    }


def test_a_user_with_a_role_that_cannot_be_revoked_cannot_be_deleted(staffed: World) -> None:
    dev = staffed.store.create_role("dev")
    staffed.store.apply(AssignRole(dev, staffed.user("bob")))
    staffed.store.roles_writable = False
    permissions = staffed.services.users.permissions(staffed.performer("admin"), "bob")
    assert permissions.delete == "The user store is read-only."
    assert permissions.reset_password == ""
    assert why_forbidden(lambda: staffed.delete("admin", "bob")) == permissions.delete
    assert staffed.exists("bob")


def test_permissions_are_those_of_the_users_own_store(tmp_path: Path) -> None:
    other = MemoryStore()
    make_user(other, "sue", PASSWORD)
    world = make_world(tmp_path, (), {"WSO2.COM": other})
    world.add_first_admin()
    world.add("bob")
    users, admin = world.services.users, world.performer("admin")

    def is_deletable(name: str) -> bool:
        return users.permissions(admin, name).delete == ""

    world.store.writable = False
    assert (is_deletable("bob"), is_deletable("WSO2.COM/sue")) == (False, True)
    assert (users.writable_domains, users.read_only_reason) == (("WSO2.COM",), "")
    world.store.writable, other.writable = True, False
    assert (is_deletable("bob"), is_deletable("WSO2.COM/sue")) == (True, False)
    assert users.writable_domains == ("",)
    world.store.writable = False
    assert users.read_only_reason == "The user store is read-only."
    world.services.close()


def test_the_creators_of_all_admins(family: World) -> None:
    admin_role = family.store.admin_role()
    assert admin_role is not None
    creators = {"admin": "", "boss": "admin", "carl": "boss", "eve": "admin"}
    assert family.services.admins.creators(admin_role) == creators
    for name, creator in creators.items():
        assert (family.services.users.show(name).created_by or "") == creator


def test_a_deleted_creator_is_not_named(world: World) -> None:
    user = world.add("admin")
    world.store.apply(CreateAdminRole(user), SetCustodian(user, EntryId("gone")))
    admin_role = world.store.admin_role()
    assert admin_role is not None
    assert world.services.admins.creators(admin_role) == {"admin": ""}


def test_inherited_roles_cannot_be_revoked(staffed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dev, ops = staffed.store.create_role("dev"), staffed.store.create_role("ops")
    monkeypatch.setattr(
        staffed.store, "details", lambda user: UserDetails((dev,), None, (ops, dev))
    )
    monkeypatch.setattr(staffed.store, "membership_path", lambda user, role: (dev,))
    held, inherited = staffed.services.roles.held_roles(staffed.performer("admin"), "bob")
    assert (held.name, held.through, held.why_forbidden) == ("dev", (), "")
    assert (inherited.name, inherited.through) == ("ops", ("dev",))
    assert "User bob has ops through dev." in inherited.why_forbidden
