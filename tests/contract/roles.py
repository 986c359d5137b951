"""What every store owes its callers of roles."""

from __future__ import annotations

import pytest

from mi_ldap.errors import (
    Conflict,
    RoleExists,
)
from mi_ldap.model import Role, User
from mi_ldap.sql import SqlStore
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteRole,
    RevokeRole,
    UserStore,
)
from tests.contract.words import (
    Plant,
    admin_role_of,
    make_user,
    role_now,
)


def nest(store: UserStore, inner: Role, outer: Role) -> None:
    """One role becomes a member of the other, as another tool makes it one."""
    member = User(inner.id, inner.name, inner.locator, "", "", domain=inner.domain)
    if getattr(store, "has_hybrid_roles_only", False):
        return None  # their members are names of users
    steps = [AssignRole(role_now(store, outer), member)]
    if not isinstance(store, SqlStore):
        return store.apply(*steps)
    with pytest.raises(Conflict):
        store.apply(*steps)
    return None


def has_roles_in_roles(store: UserStore) -> bool:
    """Groups that name people by their login names (RFC 2307) name nothing else.

    Nor do the tables of a database.
    """
    if isinstance(store, SqlStore) or getattr(store, "has_hybrid_roles_only", False):
        return False
    layout = getattr(store, "layout", None)
    return layout is None or not layout().group_schema.by_name


def names_of(roles: tuple[Role, ...]) -> list[str]:
    return sorted(role.name for role in roles)


class RoleContract:
    def test_a_role_is_made_empty_and_found(self, store: UserStore) -> None:
        role = store.create_role("dev")
        assert store.find_role("DEV") == role
        assert store.role_names().names == ("dev",)
        assert store.member_names(role).names == ()

    def test_a_taken_role_is_not_made_twice(self, store: UserStore) -> None:
        store.create_role("dev")
        with pytest.raises(RoleExists):
            store.create_role("Dev")

    def test_a_role_of_a_domain_is_a_role(self, store: UserStore) -> None:
        role = store.create_role("Internal/x")
        assert store.role_names().names == ("Internal/x",)
        assert store.find_role("internal/X") == role

    def test_a_role_is_given_and_taken(self, store: UserStore) -> None:
        user, role = make_user(store), store.create_role("dev")
        store.apply(AssignRole(role, user))
        assert store.member_names(role).names == ("alice",)
        assert [held.name for held in store.details(user).roles] == ["dev"]
        assert store.roles_of(user) == store.details(user).roles
        store.apply(RevokeRole(role, user))
        assert store.member_names(role).names == ()
        assert store.details(user).roles == store.roles_of(user) == ()

    def test_giving_what_is_held_is_a_conflict(self, store: UserStore) -> None:
        user, role = make_user(store), store.create_role("dev")
        store.apply(AssignRole(role, user))
        with pytest.raises(Conflict):
            store.apply(AssignRole(role, user))
        assert store.member_names(role).names == ("alice",)

    def test_taking_what_is_not_held_is_a_conflict(self, store: UserStore) -> None:
        user, role = make_user(store), store.create_role("dev")
        with pytest.raises(Conflict):
            store.apply(RevokeRole(role, user))

    def test_a_role_goes_with_whoever_holds_it(self, store: UserStore) -> None:
        user, role = make_user(store), store.create_role("dev")
        store.apply(AssignRole(role, user))
        store.apply(DeleteRole(role_now(store, role)))
        assert store.find_role("dev") is None
        assert store.details(user).roles == ()

    def test_removing_a_role_that_is_gone_is_a_conflict(self, store: UserStore) -> None:
        role = store.create_role("dev")
        store.apply(DeleteRole(role))
        with pytest.raises(Conflict):
            store.apply(DeleteRole(role))

    def test_members_that_are_no_users_are_not_listed(self, store: UserStore, plant: Plant) -> None:
        user, role = make_user(store), store.create_role("dev")
        plant("dev", "ghost")
        store.apply(AssignRole(role_now(store, role), user))
        assert store.member_names(role).names == ("alice",)

    def test_what_is_held_through_roles_is_told_apart(self, store: UserStore) -> None:
        alice, bob = make_user(store), make_user(store, "bob")
        team, unit, staff = (store.create_role(name) for name in ("team", "unit", "staff"))
        store.apply(AssignRole(team, alice), AssignRole(staff, bob))
        for inner, outer in ((team, unit), (unit, staff)):
            nest(store, inner, outer)
        details, through = store.details(alice), has_roles_in_roles(store)
        assert names_of(details.roles) == names_of(store.roles_of(alice)) == ["team"]
        assert names_of(details.inherited) == (["staff", "unit"] if through else [])
        assert sorted(store.member_names(staff).names) == (["alice", "bob"] if through else ["bob"])
        way = store.membership_path(alice, role_now(store, staff))
        assert [role.name for role in way] == (["team", "unit"] if through else [])
        assert names_of(store.details(bob).roles) == ["staff"]
        assert store.details(bob).inherited == ()

    def test_a_role_held_in_both_ways_is_the_users_own(self, store: UserStore) -> None:
        user, team, staff = make_user(store), store.create_role("team"), store.create_role("staff")
        store.apply(AssignRole(team, user))
        nest(store, team, staff)
        store.apply(AssignRole(role_now(store, staff), user))
        assert names_of(store.details(user).roles) == ["staff", "team"]
        assert store.details(user).inherited == ()
        store.apply(RevokeRole(role_now(store, staff), user))
        inherited = names_of(store.details(user).inherited)
        assert inherited == (["staff"] if has_roles_in_roles(store) else [])

    def test_roles_in_a_circle_come_to_an_end(self, store: UserStore) -> None:
        user, team, staff = make_user(store), store.create_role("team"), store.create_role("staff")
        store.apply(AssignRole(team, user))
        nest(store, team, staff)
        nest(store, staff, team)
        through = has_roles_in_roles(store)
        assert names_of(store.details(user).inherited) == (["staff"] if through else [])
        assert store.member_names(staff).names == (("alice",) if through else ())
        assert store.member_names(team).names == ("alice",)

    def test_the_admin_role_is_held_through_roles(self, store: UserStore) -> None:
        boss, alice, chiefs = (
            make_user(store, "boss"),
            make_user(store),
            store.create_role("chiefs"),
        )
        store.apply(CreateAdminRole(boss))
        store.apply(AssignRole(chiefs, alice))
        nest(store, chiefs, admin_role_of(store).role)
        nest(store, admin_role_of(store).role, chiefs)  # in a circle its own are its own still
        admin_role, through = admin_role_of(store), has_roles_in_roles(store)
        assert admin_role.nested == (frozenset({chiefs.id}) if through else frozenset())
        assert store.is_holder(admin_role, alice) is through
        assert store.holds_through_others(admin_role, alice) is through
        assert store.is_holder(admin_role, boss)
        assert not store.holds_through_others(admin_role, boss)
        holders = sorted(user.name for user in store.holder_users(admin_role))
        assert holders == (["alice", "boss"] if through else ["boss"])
        other = store.other_holder(admin_role, boss)
        assert (other.id if other else None) == (alice.id if through else None)
