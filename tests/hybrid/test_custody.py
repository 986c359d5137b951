"""Nobody but its creator removes an admin or takes it over, whatever MI and other tools write."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from mi_ldap.domains import Domains, HybridStore
from mi_ldap.errors import BadRequest, Conflict
from mi_ldap.model import EntryId, User
from mi_ldap.services.container import Services
from mi_ldap.services.recovery import Recovery
from mi_ldap.settings import load_settings
from mi_ldap.sql import Database, SqlHybridRoles
from mi_ldap.store import AssignRole, CreateAdminRole, MarkFirstAdmin, NotMember, RevokeRole
from mi_ldap.wiring import services
from tests.contract.words import admin_role_of, make_user
from tests.hybrid.stores import ADMIN_ROLE, MiRows
from tests.hybrid.world import PASSWORD, InOneDatabase, World, opened
from tests.memory_content import user_locator
from tests.memory_store import MemoryStore
from tests.service import LocalCaller
from tests.sql.stores import Place

NEW = {"password": PASSWORD}


class CaseSensitive(InOneDatabase):
    """`CaseInsensitiveUsername` is false."""

    def _services(self, environ: dict[str, str]) -> Services:
        store = self.place.open(case_insensitive_names=False)
        return services(load_settings(environ), store=store)


def clean_up(world: World) -> None:
    """What the service does every minute."""
    world.store.clean_up()


def test_a_renamed_admin_is_not_removed_with_a_new_user_of_its_name(world: World) -> None:
    world.add_users("bob", "carol")
    world.promote("root", "bob", "carol")
    world.rename("bob", "robert")
    body = {"userId": "bob", "password": PASSWORD}
    assert world.ask("carol", "POST", "/users", body).status == 200
    assert world.ask("carol", "DELETE", "/users/bob").status == 200
    assert world.admins() == ["carol", "robert", "root"]
    # Nor by a creation that fails, or by roles of the new user.
    assert world.ask("carol", "POST", "/users", body).status == 200
    assert world.change("carol", "bob", added=ADMIN_ROLE) == 200
    assert world.change("carol", "bob", removed=ADMIN_ROLE) == 200
    assert world.admins() == ["carol", "robert", "root"]
    assert world.ask("carol", "DELETE", "/users/robert").status == 403


def test_who_gets_the_former_name_by_another_tool_gets_no_roles(world: World) -> None:
    """A member is known by its id: its stored name may be another user's by now."""
    world.add_users("bob")
    world.promote("root", "bob")
    world.rename("bob", "robert")
    world.add_users("bob")
    store, held = world.store, admin_role_of(world.store)
    for reads in (store, store.view(), store.authority(changes=False)):
        new, former = reads.find_user("bob"), reads.find_user("robert")
        assert new
        assert former
        assert [each.name for each in reads.roles_of(former)] == [ADMIN_ROLE]
        assert reads.roles_of(new) == reads.details(new).roles == ()
        assert reads.is_holder(held, former)
        assert not reads.is_holder(held, new)
        for step in (RevokeRole(held.role, new), NotMember(held.role, former)):
            with pytest.raises(Conflict):
                store._hybrid.apply((step,), lambda: None)
        store._hybrid.apply((NotMember(held.role, new),), lambda: None)
    assert world.admins() == ["robert", "root"]


def test_an_accent_makes_another_user(world: World) -> None:
    """MariaDB's usual collations ignore it, as they do a space at the end."""
    world.add_users("jose", "José", "carol")
    world.promote("root", "José")
    # `jose` has something stored with its id, but no role.
    change = {"oldPassword": PASSWORD, "newPassword": PASSWORD, "confirmPassword": PASSWORD}
    assert world.ask("jose", "PATCH", "/users/jose", change).status == 200
    assert world.ask("root", "POST", "/roles", {"role": "Internal/dev"}).status == 200
    assert world.change("root", "jose", added="Internal/dev") == 200
    assert world.admins() == ["José", "root"]
    assert world.ask("root", "GET", "/users/jose").json["roles"] == [
        "Internal/everyone",
        "Internal/dev",
    ]
    assert world.login("jose").status == 200
    assert world.ask("jose", "GET", "/users").status == 403


def test_members_without_an_id_are_found_among_those_with_one(world: World) -> None:
    world.add_users("bob")
    assert world.ask("root", "POST", "/roles", {"role": "Internal/own"}).status == 200
    assert world.change("root", "bob", added="Internal/own") == 200
    spellings = ["bob ", "Bob", "ghost"]
    for count, spelling in enumerate(spellings):
        world.mi.add_role(f"role{count}")
        world.mi.add_member(f"role{count}", spelling)
    hybrid = world.services.hybrid
    assert hybrid is not None
    assert sorted(each.name for each in hybrid.members_without_id()) == sorted(spellings)


@pytest.mark.parametrize("domain", ["primary", "Primary", "PRIMARY"])
def test_the_case_of_the_domain_does_not_matter(world: World, domain: str) -> None:
    world.add_users("bob", "carol")
    if world.place.query("SELECT UM_DOMAIN_ID FROM UM_DOMAIN WHERE UM_DOMAIN_NAME = 'PRIMARY'"):
        world.place.execute(
            "UPDATE UM_DOMAIN SET UM_DOMAIN_NAME = :name WHERE UM_DOMAIN_NAME = 'PRIMARY'",
            name=domain,
        )
    world.mi.add_member("admin", "bob", domain)
    clean_up(world)
    world.promote("root", "carol")
    assert world.admins() == ["bob", "carol", "root"]
    assert ADMIN_ROLE in world.ask("root", "GET", "/users/bob").json["roles"]
    # By its id, so a new user of the name has nothing.
    world.delete("bob")
    world.add_users("bob")
    assert world.admins() == ["carol", "root"]


def test_what_mi_writes_in_another_case_is_the_users(world: World) -> None:
    world.add_users("bob", "carol")
    world.promote("root", "carol")
    world.mi.add_member("admin", "BOB")
    assert world.admins() == ["bob", "carol", "root"]
    # Not by somebody who is not its creator, however its name is typed.
    assert world.change("carol", "bob", removed="internal/ADMIN") == 403
    assert world.ask("carol", "DELETE", "/users/bob").status == 403
    new = {"newPassword": "another one", "confirmPassword": "another one"}
    assert world.ask("carol", "PATCH", "/users/Bob", new).status == 403
    assert ADMIN_ROLE in world.ask("root", "GET", "/users/bob").json["roles"]
    assert world.change("bob", "bob", removed="internal/ADMIN") == 200
    assert world.mi.members("admin") == ["carol", "root"]


def test_a_row_of_the_new_name_is_a_renamed_users(world: World) -> None:
    world.add_users("bob")
    world.promote("root", "bob")
    world.rename("bob", "robert")
    world.mi.add_role("dev")
    world.mi.add_member("dev", "robert")
    world.mi.add_member("admin", "robert")
    assert world.admins() == ["robert", "root"]
    assert world.ask("root", "GET", "/users/robert").json["roles"] == [
        "Internal/everyone",
        ADMIN_ROLE,
        "Internal/dev",
    ]
    assert world.change("root", "robert", removed=ADMIN_ROLE) == 200
    assert world.admins() == ["root"]
    clean_up(world)
    assert world.change("root", "robert", removed="Internal/dev") == 200
    assert world.mi.members("dev") == []


@pytest.mark.parametrize("name", [None, "", " ", "ghost", "PRIMARY/root2", "WSO2.COM/bob"])
def test_a_row_that_names_nobody_makes_nobody_an_admin(world: World, name: str | None) -> None:
    world.add_users("bob")
    world.mi.add_member("admin", name)
    world.mi.add_member("admin", "bob", "WSO2.COM")
    clean_up(world)
    assert world.admins() == ["root"]
    assert world.change("root", "root", removed=ADMIN_ROLE) == 403  # the last admin
    assert world.ask("bob", "GET", "/users").status == 403
    assert world.ask("root", "GET", f"/roles/{ADMIN_ROLE}").json["users"] == ["root"]


@pytest.mark.parametrize("written", ["ghost", "GHOST"])
def test_a_new_user_has_nothing_of_a_former_one(world: World, written: str) -> None:
    world.mi.add_member("admin", written)
    body = {"userId": "ghost", "password": PASSWORD}
    assert world.ask("root", "POST", "/users", body).status == 200
    assert world.admins() == ["root"]
    assert world.mi.members("admin") == ["root"]


def test_an_admin_role_that_mi_has_filled_never_counts_as_new(place: Place, tmp_path: Path) -> None:
    with opened(InOneDatabase(place, tmp_path)) as world:
        world.add_users("alice", "bob")
        world.mi.add_role("admin")
        world.mi.add_member("admin", "alice")
        assert world.login("bob").json["AccessToken"]
        assert world.admins() == ["alice"]
        clean_up(world)
        world.delete("alice")
        world.add_users("alice")
        # The new one of that name, with whatever it does, on a machine that knows nothing.
        call = LocalCaller(world.new_machine())
        token = call.login("alice", PASSWORD)
        change = {"oldPassword": PASSWORD, "newPassword": PASSWORD, "confirmPassword": PASSWORD}
        assert call("PATCH", "/users/alice", change, token=token).status == 200
        assert LocalCaller(world.new_machine()).login("alice", PASSWORD)
        assert world.admins() == []


def test_members_that_are_gone_before_they_have_an_id_are_no_empty_role(
    place: Place, tmp_path: Path
) -> None:
    with opened(InOneDatabase(place, tmp_path)) as world:
        world.add_users("bob")
        world.mi.add_role("admin")
        world.mi.add_member("admin", "alice")
        assert world.login("bob").status == 200
        assert world.admins() == []


@pytest.mark.parametrize("deletes_role", [True, False])
def test_nobody_becomes_the_first_admin_again(world: World, deletes_role: bool) -> None:
    """MI has deleted the role, or all of its members; a machine without a record is asked."""
    world.add_users("bob", "carol")
    (world.mi.delete_role if deletes_role else world.mi.remove_members)("admin")
    machine = world.new_machine()
    call = LocalCaller(machine)
    token = call.login("bob", PASSWORD)
    assert call("GET", "/users", token=token).status == 403
    assert world.admins() == []
    # An operator on the machine may.
    recovery = Recovery(machine.store, machine.audit, machine.rules, "root on this machine")
    assert recovery.assign_admin_role(recovery.find("carol"))
    assert world.admins() == ["carol"]
    assert world.mi.members("admin") == ["carol"]
    world.promote("carol", "bob")
    assert world.change("carol", "bob", removed=ADMIN_ROLE) == 200
    assert world.change("carol", "carol", removed=ADMIN_ROLE) == 403


def test_a_role_that_mi_creates_again_keeps_the_mark(world: World) -> None:
    world.add_users("bob")
    world.mi.delete_role("admin")
    world.mi.add_role("Admin")
    assert LocalCaller(world.new_machine()).login("bob", PASSWORD)
    assert world.admins() == []


def test_the_last_admins_entry_is_deleted_elsewhere(world: World) -> None:
    world.add_users("bob")
    world.delete("root")
    world.add_users("root")
    for name in ("bob", "root"):
        call = LocalCaller(world.new_machine())
        token = call.login(name, PASSWORD)
        assert call("GET", "/users", token=token).status == 403
    assert world.admins() == []


def test_a_user_of_a_secondary_store_never_is_the_first_admin(world: World) -> None:
    other = User(EntryId("WSO2.COM/1"), "WSO2.COM/root", "x", "", "", domain="WSO2.COM")
    role = admin_role_of(world.store).role
    for step in (CreateAdminRole(other), MarkFirstAdmin(role, other)):
        with pytest.raises(BadRequest):
            world.store.apply(step)


# The unique index of MariaDB ignores case.
@pytest.mark.parametrize("place", ["sqlite", "postgresql"], indirect=True)
def test_two_roles_of_the_name_are_unclear(world: World) -> None:
    world.mi.add_role("ADMIN")
    assert world.ask("root", "GET", "/users").status == 503
    world.place.execute("DELETE FROM UM_HYBRID_ROLE WHERE UM_ROLE_NAME = 'ADMIN'")
    assert world.ask("root", "GET", "/users").status == 200


def test_a_role_of_applications_can_be_the_admin_role(place: Place, tmp_path: Path) -> None:
    name = "Application/admin"
    with opened(InOneDatabase(place, tmp_path, SUPER_ADMIN__ADMIN_ROLE=name)) as world:
        world.add_users("root", "bob")
        assert world.ask("root", "POST", "/roles", {"role": ADMIN_ROLE}).status == 200
        assert world.change("root", "bob", added=ADMIN_ROLE) == 200
        assert world.admins() == ["root"]
        assert world.change("root", "bob", added="application/ADMIN") == 200
        assert world.admins() == ["bob", "root"]
        assert world.mi.members("Application/admin") == ["bob", "root"]
        assert world.ask("root", "DELETE", f"/roles/{name}").status == 403
        assert world.ask("root", "DELETE", f"/roles/{ADMIN_ROLE}").status == 200


def test_case_makes_another_user_where_the_store_says_so(place: Place, tmp_path: Path) -> None:
    with opened(CaseSensitive(place, tmp_path)) as world:
        world.add_users("root", "bob", "Bob", "carol")
        world.login("root")
        world.mi.add_member("admin", "bob")
        world.promote("root", "carol")
        assert world.admins() == ["bob", "carol", "root"]
        assert world.ask("Bob", "GET", "/users").status == 403
        assert world.ask("carol", "DELETE", "/users/Bob").status == 200
        assert world.ask("carol", "POST", "/users", {"userId": "Bob", **NEW}).status == 200
        assert world.admins() == ["bob", "carol", "root"]
        # In MariaDB the unique index of MI's table has the collation, which ignores case.
        is_distinct = place.config.dialect != "mysql"
        assert world.change("root", "Bob", added=ADMIN_ROLE) == (200 if is_distinct else 400)
        assert world.change("root", "Bob", removed=ADMIN_ROLE) == 200
        assert world.ask("carol", "DELETE", "/users/bob").status == 403
        assert world.admins() == ["bob", "carol", "root"]


def test_a_former_spelling_is_forgotten_without_the_rows_of_the_present_user(
    world: World,
) -> None:
    world.add_users("BOB", "carol")
    world.change("root", "carol", added=ADMIN_ROLE)
    assert world.ask("root", "POST", "/roles", {"role": "Internal/dev"}).status == 200
    assert world.ask("root", "POST", "/roles", {"role": "Internal/x"}).status == 200
    assert world.change("root", "BOB", added="Internal/dev") == 200
    world.delete("BOB")
    world.add_users("bob")
    world.mi.add_member("admin", "bob")
    before = world.admins()
    assert "bob" in before
    assert world.change("carol", "bob", added="Internal/x") == 200
    assert world.admins() == before


@pytest.mark.parametrize("name", ["ｇhost", "GHOST", "ghóst", "g host"])
def test_a_new_user_gets_no_roles_of_a_similar_name_that_is_gone(world: World, name: str) -> None:
    world.mi.add_member("admin", "ghost")
    answer = world.ask("root", "POST", "/users", {"userId": name, "password": PASSWORD})
    assert answer.status == 200
    assert world.admins() == ["root"]
    assert world.mi.members("admin") == ["root"]


def test_mi_gives_a_user_that_is_created_again_no_roles_of_the_former_one(world: World) -> None:
    world.add_users("bob")
    assert world.change("root", "bob", added=ADMIN_ROLE) == 200
    world.delete("bob")
    answer = world.ask("root", "POST", "/users", {"userId": "bob", "password": PASSWORD})
    assert answer.status == 200
    assert world.mi.members("admin") == ["root"]
    assert world.admins() == ["root"]


def test_two_users_of_one_name_are_never_stored_as_one(place: Place, tmp_path: Path) -> None:
    with opened(InOneDatabase(place, tmp_path)) as world:
        world.add_users("root", "a6")
        assert world.ask("root", "POST", "/roles", {"role": "Internal/x"}).status == 200
        assert world.change("root", "a6", added="Internal/x") == 200
        world.rename("a6", "root")
        world.add_users("a6")
        assert world.change("root", "a6", added="Internal/x") == 400
        assert world.mi.members("admin") == ["root"]
        assert world.ask("root", "GET", "/users").status == 200


def test_a_former_user_of_a_secondary_store_loses_only_its_own_rows(place: Place) -> None:
    secondary = MemoryStore()
    hybrid = SqlHybridRoles(Database(place.config))
    users = Domains(MemoryStore(), {"WSO2.COM": secondary})
    with closing(HybridStore(users, hybrid, has_accounts=False)) as store:
        role = store.create_role("Internal/x")
        store.apply(AssignRole(role, make_user(users, "WSO2.COM/bob")))
        # MI's row for a user whose name in that store looks like a name with its domain.
        MiRows(place).add_member("x", "WSO2.COM/bob", "WSO2.COM")
        del secondary.content.users[user_locator("bob")]
        store.apply(AssignRole(role, make_user(users, "WSO2.COM/bob")))
    assert MiRows(place).members("x") == ["WSO2.COM/bob", "bob"]
