"""What is said of an act beforehand is what is said when it is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mi_ldap.model import EVERYONE, EntryId, UserDetails
from mi_ldap.services.admins import refusal
from mi_ldap.store import AddAdminRole, SetCustodian
from tests.world import World

NAMES = ("admin", "boss", "carl", "eve", "bob")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by", NAMES[:4])
def test_a_verdict_is_what_happens(family: World, by: str, name: str) -> None:
    performer = family.performer(by)
    verdict = family.services.users.verdict(performer, name)
    holdings = family.services.roles.holdings(performer, name)
    assert _tried(lambda: family.reset(by, name)) == verdict.reset
    taken = {each.name: each.refusal for each in holdings}
    if "admin" in taken and by != name:
        assert _tried(lambda: family.demote(by, name)) == taken["admin"]
    if family.is_admin(name) or "admin" not in taken:
        assert _tried(lambda: family.delete(by, name)) == verdict.remove


def test_a_verdict_changes_nothing(family: World) -> None:
    before = [family.user(name) for name in NAMES]
    lines = family.lines
    for name in NAMES:
        family.services.users.verdict(family.performer("boss"), name)
        family.services.roles.holdings(family.performer("boss"), name)
    assert [family.user(name) for name in NAMES] == before
    assert family.lines == lines


def test_the_last_admin_may_not_resign(staffed: World) -> None:
    (held,) = staffed.services.roles.holdings(staffed.performer("admin"), "admin")
    assert (held.name, held.through) == ("admin", ())
    assert held.refusal == "The last admin cannot be removed. Make another admin first."


def test_roles_that_cannot_go(family: World) -> None:
    family.services.roles.create(family.performer("admin"), "dev")
    verdict = family.services.roles.verdict
    assert verdict(family.performer("admin"), "dev") == ""
    assert verdict(family.performer("admin"), "admin") == "The admin role admin cannot be deleted."
    assert "Every user has the role" in verdict(family.performer("admin"), EVERYONE)


def test_a_read_only_store_takes_nothing(family: World) -> None:
    family.store.writable = False
    performer, services = family.performer("boss"), family.services
    verdict = services.users.verdict(performer, "carl")
    assert verdict.remove == verdict.reset == services.users.closed == services.roles.closed != ""
    assert {each.refusal for each in services.roles.holdings(performer, "carl")} == {
        services.roles.closed
    }


def test_the_creators_of_all_admins(family: World) -> None:
    admin_role = family.store.admin_role()
    assert admin_role is not None
    creators = {"admin": "", "boss": "admin", "carl": "boss", "eve": "admin"}
    assert family.services.admins.creators(admin_role) == creators
    for name, creator in creators.items():
        assert (family.services.users.show(name).created_by or "") == creator


def test_a_creator_that_is_gone_is_none(world: World) -> None:
    user = world.add("admin")
    world.store.apply(AddAdminRole(user), SetCustodian(user, EntryId("gone")))
    admin_role = world.store.admin_role()
    assert admin_role is not None
    assert world.services.admins.creators(admin_role) == {"admin": ""}


def test_what_comes_through_another_role_is_not_taken(
    staffed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev, ops = staffed.store.add_role("dev"), staffed.store.add_role("ops")
    monkeypatch.setattr(
        staffed.store, "details", lambda user: UserDetails((dev,), None, (ops, dev))
    )
    monkeypatch.setattr(staffed.store, "membership_path", lambda user, role: (dev,))
    held, inherited = staffed.services.roles.holdings(staffed.performer("admin"), "bob")
    assert (held.name, held.through, held.refusal) == ("dev", (), "")
    assert (inherited.name, inherited.through) == ("ops", ("dev",))
    assert "User bob holds ops through dev." in inherited.refusal


def _tried(act: Callable[[], object]) -> str:
    return refusal(act)
