"""What every store owes its callers of roles."""

from __future__ import annotations

import pytest

from mi_ldap.errors import (
    Conflict,
    RoleExists,
)
from mi_ldap.store import (
    Give,
    RemoveRole,
    Take,
    UserStore,
)
from tests.contract.words import (
    Plant,
    make_user,
    role_now,
)


class RoleContract:
    def test_a_role_is_made_empty_and_found(self, store: UserStore) -> None:
        role = store.add_role("dev")
        assert store.find_role("DEV") == role
        assert store.role_names().names == ("dev",)
        assert store.member_names(role).names == ()

    def test_a_taken_role_is_not_made_twice(self, store: UserStore) -> None:
        store.add_role("dev")
        with pytest.raises(RoleExists):
            store.add_role("Dev")

    def test_a_role_of_a_domain_is_a_role(self, store: UserStore) -> None:
        role = store.add_role("Internal/x")
        assert store.role_names().names == ("Internal/x",)
        assert store.find_role("internal/X") == role

    def test_a_role_is_given_and_taken(self, store: UserStore) -> None:
        user, role = make_user(store), store.add_role("dev")
        store.apply(Give(role, user))
        assert store.member_names(role).names == ("alice",)
        assert [held.name for held in store.details(user).roles] == ["dev"]
        store.apply(Take(role, user))
        assert store.member_names(role).names == ()
        assert store.details(user).roles == ()

    def test_giving_what_is_held_is_a_conflict(self, store: UserStore) -> None:
        user, role = make_user(store), store.add_role("dev")
        store.apply(Give(role, user))
        with pytest.raises(Conflict):
            store.apply(Give(role, user))
        assert store.member_names(role).names == ("alice",)

    def test_taking_what_is_not_held_is_a_conflict(self, store: UserStore) -> None:
        user, role = make_user(store), store.add_role("dev")
        with pytest.raises(Conflict):
            store.apply(Take(role, user))

    def test_a_role_goes_with_whoever_holds_it(self, store: UserStore) -> None:
        user, role = make_user(store), store.add_role("dev")
        store.apply(Give(role, user))
        store.apply(RemoveRole(role_now(store, role)))
        assert store.find_role("dev") is None
        assert store.details(user).roles == ()

    def test_removing_a_role_that_is_gone_is_a_conflict(self, store: UserStore) -> None:
        role = store.add_role("dev")
        store.apply(RemoveRole(role))
        with pytest.raises(Conflict):
            store.apply(RemoveRole(role))

    def test_members_that_are_no_users_are_not_listed(self, store: UserStore, plant: Plant) -> None:
        user, role = make_user(store), store.add_role("dev")
        plant("dev", "ghost")
        store.apply(Give(role_now(store, role), user))
        assert store.member_names(role).names == ("alice",)
