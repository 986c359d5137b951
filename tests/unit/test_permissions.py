"""The permissions that are shown beforehand agree with the errors of the changes."""

from __future__ import annotations

import pytest

from mi_ldap.model import EntryId, UserDetails
from mi_ldap.name_rules import EVERYONE
from mi_ldap.services.admins import why_forbidden
from mi_ldap.store import CreateAdminRole, SetCustodian
from tests.world import World

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
    assert "User bob holds ops through dev." in inherited.why_forbidden
