"""What every store owes its callers of the admin role."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mi_ldap.errors import (
    Conflict,
)
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    MarkFirstAdmin,
    RenewEpoch,
    RevokeRole,
    SetCustodian,
    Unchanged,
    UserStore,
)
from tests.contract.words import (
    Plant,
    admin_role_of,
    make_user,
    promotion,
    reread,
)


class AdminRoleContract:
    def test_the_admin_role_is_made_with_its_first_holder(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply(
            Unchanged(user), SetCustodian(user, None), RenewEpoch(user), CreateAdminRole(user)
        )
        admin_role = admin_role_of(store)
        assert admin_role.role.name == "admin"
        assert admin_role.first_admin_id == user.id
        assert store.is_holder(admin_role, reread(store, user))
        assert store.is_holder(admin_role_of(store), reread(store, user))

    def test_the_admin_role_is_made_once(self, store: UserStore) -> None:
        alice, bob = make_user(store), make_user(store, "bob")
        store.apply(CreateAdminRole(alice))
        with pytest.raises(Conflict):
            store.apply(Unchanged(bob), RenewEpoch(bob), CreateAdminRole(bob))
        assert reread(store, bob).custodian_id is None
        assert not store.is_holder(admin_role_of(store), bob)

    def test_an_empty_admin_role_is_marked_and_given(self, store: UserStore) -> None:
        user, role = make_user(store), store.create_role("admin")
        assert admin_role_of(store).holders == frozenset()
        assert admin_role_of(store).first_admin_id is None
        store.apply(
            Unchanged(role),
            Unchanged(user),
            SetCustodian(user, None),
            RenewEpoch(user),
            MarkFirstAdmin(role, user),
            AssignRole(role, user),
        )
        admin_role = admin_role_of(store)
        assert admin_role.first_admin_id == user.id
        assert store.is_holder(admin_role, reread(store, user))

    def test_only_members_that_are_users_count_as_other_holders(
        self, store: UserStore, plant: Plant
    ) -> None:
        user = make_user(store)
        store.apply(CreateAdminRole(user))
        plant("admin", "ghost")
        admin_role = admin_role_of(store)
        assert len(admin_role.holders) == 2
        assert [holder.id for holder in store.holder_users(admin_role)] == [user.id]
        assert store.other_holder(admin_role, user) is None

    def test_the_other_holder_is_another_one(self, store: UserStore) -> None:
        alice, bob = make_user(store), make_user(store, "bob")
        store.apply(CreateAdminRole(alice))
        store.apply(AssignRole(admin_role_of(store).role, bob))
        other = store.other_holder(admin_role_of(store), alice)
        assert other is not None
        assert other.id == bob.id
        assert not store.is_holder(admin_role_of(store), make_user(store, "eve"))

    def test_two_users_under_one_guard_leave_the_admin_role_one_by_one(
        self, store: UserStore
    ) -> None:
        alice, bob = make_user(store), make_user(store, "bob")
        store.apply(CreateAdminRole(alice))
        store.apply(AssignRole(admin_role_of(store).role, bob))
        as_read = admin_role_of(store).role
        store.apply(Unchanged(as_read), RevokeRole(as_read, alice))
        with pytest.raises(Conflict):
            store.apply(Unchanged(as_read), RevokeRole(as_read, bob))
        assert [user.id for user in store.holder_users(admin_role_of(store))] == [bob.id]

    def test_a_promotion_is_one_change(self, store: UserStore) -> None:
        boss, user = make_user(store, "boss"), make_user(store)
        store.apply(CreateAdminRole(boss))
        role = admin_role_of(store).role
        stale = replace(role, revision="old|0123456789abcdef")
        with pytest.raises(Conflict):
            store.apply(*promotion(boss, user, stale))
        unpromoted = reread(store, user)
        assert unpromoted.custodian_id is None
        assert not store.is_holder(admin_role_of(store), unpromoted)
        store.apply(*promotion(boss, unpromoted, role))
        promoted = reread(store, user)
        assert promoted.custodian_id == boss.id
        assert store.is_holder(admin_role_of(store), promoted)
        assert promoted.epoch != unpromoted.epoch
