"""What every store owes its callers: one class of tests for all of them.

A store's own test class gives the fixtures `store` and `plant`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mi_ldap.errors import (
    Conflict,
    LoginRefused,
    MiLdapError,
    PolicyRefused,
    RoleExists,
    UserExists,
)
from mi_ldap.model import AdminRole, Role, User
from mi_ldap.store import (
    AddAdminRole,
    Give,
    MarkFirstAdmin,
    NotHeld,
    RemoveRole,
    RemoveUser,
    RenewEpoch,
    SetCustodian,
    Step,
    Take,
    Unchanged,
    UserStore,
)

Plant = Callable[[str, str], None]
"""Makes a user name a member of a role, whether there is such a user or not."""

PASSWORD = "correct horse"

ODD_NAMES = [
    "Last, First",
    "a+b",
    'the "quoted"',
    "back\\slash",
    "trailing\\",
    "#hash",
    "a=b",
    "<angle>;semicolon",
    "two  spaces",
    "star*",
    "(paren)",
    "per%cent",
    "q?mark",
    "ümläut",
    "Ωmega",
    "日本",
    "emoji😀",
    "e\u0301 combining",
    "null\\00",
    "dot.",
    "amp&pipe|not!",
    "{0}",
    "straße",
]


def make_user(store: UserStore, name: str = "alice", password: str = PASSWORD) -> User:
    """A finished user."""
    user = store.add_user(name)
    store.reset_password(user, password)
    store.apply(RenewEpoch(user))
    return reread(store, user)


def reread(store: UserStore, user: User) -> User:
    found = store.user(user.id)
    assert found is not None
    return found


def role_now(store: UserStore, role: Role) -> Role:
    found = store.find_role(role.name)
    assert found is not None
    return found


def admin_role_of(store: UserStore) -> AdminRole:
    admin_role = store.admin_role()
    assert admin_role is not None
    return admin_role


def remove(store: UserStore, user: User) -> None:
    roles = store.details(user).roles
    store.apply(*(Take(role, user) for role in roles), RemoveUser(user))


class StoreContract:
    """The tests; `store` is empty at the start of each."""

    def test_an_empty_store_answers(self, store: UserStore) -> None:
        store.check()
        assert store.user_names().names == ()
        assert store.role_names().names == ()
        assert store.find_user("alice") is None
        assert store.find_role("dev") is None
        assert store.user("8a3d1872-7a1f-1041-82f4-05905a505f39") is None
        assert store.admin_role() is None

    @pytest.mark.parametrize("name", ["", " ", "*", "al*", "alice)(uid=*"])
    def test_a_name_is_never_a_wildcard(self, store: UserStore, name: str) -> None:
        make_user(store)
        store.add_role("alice")
        assert store.find_user(name) is None
        assert store.find_role(name) is None

    @pytest.mark.parametrize("user_id", ["", "*", "no id", "\u00e9", "x" * 300])
    def test_what_is_no_id_finds_nobody(self, store: UserStore, user_id: str) -> None:
        make_user(store)
        assert store.user(user_id) is None

    # Users

    def test_a_user_is_found_by_name_and_by_id(self, store: UserStore) -> None:
        user = make_user(store)
        assert user.name == "alice"
        assert store.find_user("alice") == store.user(user.id) == user
        assert (user.enabled, user.abandoned, user.custodian_id) == (True, False, None)

    @pytest.mark.parametrize("typed", ["ALICE", "Alice", "ａlice", "ALicE"])
    def test_names_of_users_have_no_case(self, store: UserStore, typed: str) -> None:
        user = make_user(store)
        found = store.find_user(typed)
        assert found is not None
        assert (found.id, found.name) == (user.id, "alice")

    def test_names_have_no_case_beyond_ascii_either(self, store: UserStore) -> None:
        user = make_user(store, "Ünal Ωmega")
        found = store.find_user("üNAL ωMEGA")
        assert found is not None
        assert found.id == user.id

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_an_odd_name_is_kept_as_it_is_through_a_whole_life(
        self, store: UserStore, name: str
    ) -> None:
        user, role = make_user(store, name), store.add_role(name)
        assert store.user_names().names == (name,)
        assert store.role_names().names == (name,)
        assert user.name == role.name == name
        assert store.prove(user, PASSWORD).must_change is False
        store.apply(Give(role, user))
        assert store.member_names(role).names == (name,)
        assert [held.id for held in store.details(user).roles] == [role.id]
        store.apply(Take(role, user))
        assert store.member_names(role).names == ()
        store.apply(RemoveRole(role_now(store, role)))
        store.apply(AddAdminRole(user))
        assert store.is_holder(admin_role_of(store), reread(store, user))
        assert [holder.id for holder in store.holder_users(admin_role_of(store))] == [user.id]
        remove(store, user)
        assert store.user_names().names == ()

    def test_a_taken_name_is_not_made_twice_in_any_case(self, store: UserStore) -> None:
        user = make_user(store)
        with pytest.raises(UserExists):
            store.add_user("ALICE")
        assert store.find_user("alice") == user

    def test_of_many_makers_of_one_name_one_wins(self, store: UserStore) -> None:
        def attempt(_: int) -> bool:
            try:
                store.add_user("alice")
            except UserExists:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(attempt, range(8))).count(True) == 1
        assert store.user_names().names == ("alice",)

    @pytest.mark.parametrize("name", ["x" * 240, "é" * 120, "日" * 80, "a b" * 80, '"' * 80])
    def test_a_name_may_be_long(self, store: UserStore, name: str) -> None:
        user, role = make_user(store, name), store.add_role(name)
        store.apply(Give(role, user))
        assert store.member_names(role).names == (name,)

    def test_a_new_user_has_no_password_and_no_roles(self, store: UserStore) -> None:
        user = store.add_user("alice")
        assert store.details(user).roles == ()
        for guess in ("alice", "", "password"):
            with pytest.raises(LoginRefused):
                store.prove(user, guess)

    def test_memberships_of_an_earlier_life_are_lost_at_birth(
        self, store: UserStore, plant: Plant
    ) -> None:
        dev, ops = store.add_role("dev"), store.add_role("ops")
        plant("dev", "alice")
        plant("ops", "alice")
        user = make_user(store)
        assert store.details(user).roles == ()
        assert store.member_names(dev).names == store.member_names(ops).names == ()

    def test_discarding_removes_what_was_made_and_nothing_else(self, store: UserStore) -> None:
        first = store.add_user("alice")
        store.discard(first)
        store.discard(first)
        second = make_user(store)
        store.discard(first)
        assert store.find_user("alice") == second

    def test_like_narrows_and_loses_nobody(self, store: UserStore) -> None:
        for name in ("alice", "ALIcia", "bob"):
            make_user(store, name)
        assert {"alice", "ALIcia"} <= set(store.user_names("*lic*").names)
        assert set(store.user_names().names) == {"alice", "ALIcia", "bob"}

    # Passwords

    def test_only_the_right_password_proves(self, store: UserStore) -> None:
        user = make_user(store)
        assert store.prove(user, PASSWORD).must_change is False
        for wrong in ("", "wrong", PASSWORD.upper(), f"{PASSWORD} ", f"{PASSWORD}\0"):
            with pytest.raises(LoginRefused):
                store.prove(user, wrong)

    @pytest.mark.parametrize("password", ["ünïcødé ½", "日本語日本語", "😀😀😀😀😀", "  spaces  "])
    def test_a_password_is_any_text(self, store: UserStore, password: str) -> None:
        user = make_user(store, password=password)
        store.prove(user, password)
        with pytest.raises(LoginRefused):
            store.prove(user, password.strip() + "x")

    def test_a_reset_replaces_the_password(self, store: UserStore) -> None:
        user = make_user(store)
        store.reset_password(user, "another one")
        store.prove(user, "another one")
        with pytest.raises(LoginRefused):
            store.prove(user, PASSWORD)

    def test_the_policy_refuses_with_its_reason_and_keeps_the_old_one(
        self, store: UserStore
    ) -> None:
        user = make_user(store)
        with pytest.raises(PolicyRefused, match="too short"):
            store.reset_password(user, "abc")
        with pytest.raises(PolicyRefused, match="too short"):
            store.change_password(user, PASSWORD, "abc")
        store.prove(user, PASSWORD)

    def test_a_change_wants_the_old_password(self, store: UserStore) -> None:
        user = make_user(store)
        with pytest.raises(LoginRefused):
            store.change_password(user, "wrong", "another one")
        store.prove(user, PASSWORD)
        store.change_password(user, PASSWORD, "another one")
        store.prove(user, "another one")

    def test_a_gone_user_proves_nothing_and_gets_no_password(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply(RemoveUser(user))
        with pytest.raises(LoginRefused):
            store.prove(user, PASSWORD)
        with pytest.raises(MiLdapError):
            store.reset_password(user, "another one")

    # Roles

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

    # Steps and guards

    def test_no_steps_are_no_change(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply()
        assert reread(store, user) == user

    def test_a_custodian_is_set_replaced_and_cleared(self, store: UserStore) -> None:
        user, boss = make_user(store), make_user(store, "boss")
        store.apply(SetCustodian(user, boss.id))
        charge = reread(store, user)
        assert charge.custodian_id == boss.id
        assert store.details(charge).custodian == boss
        assert [each.id for each in store.charges_of(boss)] == [user.id]
        store.apply(SetCustodian(charge, user.id))
        store.apply(SetCustodian(reread(store, user), None))
        assert reread(store, user).custodian_id is None
        assert store.charges_of(boss) == ()

    def test_a_custodian_is_replaced_as_it_was_read_or_not_at_all(self, store: UserStore) -> None:
        user, boss = make_user(store), make_user(store, "boss")
        store.apply(SetCustodian(user, boss.id))
        with pytest.raises(Conflict):
            store.apply(SetCustodian(user, None))
        assert reread(store, user).custodian_id == boss.id

    def test_a_custodian_that_is_gone_is_nobody(self, store: UserStore) -> None:
        user, boss = make_user(store), make_user(store, "boss")
        store.apply(SetCustodian(user, boss.id))
        remove(store, boss)
        make_user(store, "boss")
        assert store.details(reread(store, user)).custodian is None

    def test_a_renewed_epoch_is_another_one(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply(RenewEpoch(user))
        assert reread(store, user).epoch != user.epoch
        assert reread(store, user).id == user.id

    def test_an_unchanged_user_passes_the_guard(self, store: UserStore) -> None:
        user, role = make_user(store), store.add_role("dev")
        store.apply(Unchanged(user))
        store.apply(Unchanged(user), RenewEpoch(user))
        user = reread(store, user)
        store.apply(Unchanged(user), Give(role, user))
        store.apply(Unchanged(user), SetCustodian(user, user.id), RenewEpoch(user))

    def test_logins_and_memberships_leave_a_user_unchanged(self, store: UserStore) -> None:
        user, role = make_user(store), store.add_role("dev")
        with pytest.raises(LoginRefused):
            store.prove(user, "wrong")
        store.prove(user, PASSWORD)
        store.apply(Give(role, user))
        store.apply(Unchanged(user))

    def test_a_password_that_is_set_meanwhile_lets_a_new_user_be_finished(
        self, store: UserStore
    ) -> None:
        user = store.add_user("alice")
        store.reset_password(user, PASSWORD)
        store.apply(Unchanged(user), RenewEpoch(user))
        store.prove(user, PASSWORD)

    @pytest.mark.parametrize("change", [RenewEpoch, lambda user: SetCustodian(user, "someone")])
    def test_a_changed_user_fails_the_guard_and_nothing_is_done(
        self, store: UserStore, change: Callable[[User], RenewEpoch | SetCustodian]
    ) -> None:
        user, role = make_user(store), store.add_role("dev")
        store.apply(change(user))
        with pytest.raises(Conflict):
            store.apply(Unchanged(user), Give(role, user))
        with pytest.raises(Conflict):
            store.apply(Unchanged(user), RemoveUser(user))
        assert store.details(user).roles == ()
        assert store.find_user("alice") is not None

    def test_a_namesake_is_another_user_to_every_guard(self, store: UserStore) -> None:
        first, role = make_user(store), store.add_role("dev")
        remove(store, first)
        second = make_user(store)
        assert second.id != first.id
        assert store.user(first.id) is None
        for step in (RenewEpoch(first), RemoveUser(first), Give(role, first)):
            with pytest.raises(Conflict):
                store.apply(Unchanged(first), step)
        with pytest.raises(Conflict):
            store.apply(RemoveUser(first))
        assert store.find_user("alice") == second
        assert store.details(second).roles == ()

    def test_an_unchanged_role_passes_the_guard(self, store: UserStore) -> None:
        user, role = make_user(store), store.add_role("dev")
        store.apply(Unchanged(role))
        role = role_now(store, role)
        store.apply(Unchanged(role), Give(role, user))
        role = role_now(store, role)
        store.apply(Unchanged(role), Unchanged(user), Take(role, user), RenewEpoch(user))

    def test_a_role_that_lost_or_won_a_member_fails_the_guard(self, store: UserStore) -> None:
        alice, bob, role = make_user(store), make_user(store, "bob"), store.add_role("dev")
        store.apply(Unchanged(role), Give(role, alice))
        with pytest.raises(Conflict):
            store.apply(Unchanged(role), Give(role, bob))
        held = role_now(store, role)
        store.apply(Unchanged(held), Take(held, alice))
        with pytest.raises(Conflict):
            store.apply(Unchanged(held), Give(held, bob))
        assert store.member_names(role).names == ()

    def test_not_held_guards_a_removal(self, store: UserStore) -> None:
        user, role = make_user(store), store.add_role("dev")
        store.apply(Give(role, user))
        with pytest.raises(Conflict):
            store.apply(NotHeld(role, user), RemoveUser(user))
        assert store.find_user("alice") == user
        store.apply(Take(role_now(store, role), user))
        store.apply(NotHeld(role, user), RemoveUser(user))
        assert store.find_user("alice") is None

    def test_when_one_step_fails_none_was_done(self, store: UserStore) -> None:
        user, dev, ops = make_user(store), store.add_role("dev"), store.add_role("ops")
        with pytest.raises(Conflict):
            store.apply(
                Unchanged(user),
                SetCustodian(user, "someone"),
                Give(dev, user),
                Take(ops, user),
            )
        assert store.details(user).roles == ()
        assert reread(store, user).custodian_id is None

    def test_several_roles_are_changed_together(self, store: UserStore) -> None:
        user = make_user(store)
        roles = [store.add_role(name) for name in ("a", "b", "c")]
        store.apply(Give(roles[0], user), Give(roles[1], user))
        store.apply(
            Take(role_now(store, roles[0]), user),
            Take(role_now(store, roles[1]), user),
            Give(roles[2], user),
        )
        assert [role.name for role in store.details(user).roles] == ["c"]

    def test_of_two_changes_under_one_guard_one_is_made(self, store: UserStore) -> None:
        users = [make_user(store, name) for name in ("alice", "bob")]
        role = store.add_role("dev")
        start = threading.Barrier(2)

        def attempt(user: User) -> bool:
            start.wait()
            try:
                store.apply(Unchanged(role), Unchanged(user), RenewEpoch(user), Give(role, user))
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(attempt, users))
        assert results.count(True) == 1
        assert store.member_names(role).names == (users[results.index(True)].name,)

    # The admin role

    def test_the_admin_role_is_made_with_its_first_holder(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply(Unchanged(user), SetCustodian(user, None), RenewEpoch(user), AddAdminRole(user))
        admin_role = admin_role_of(store)
        assert admin_role.role.name == "admin"
        assert admin_role.first_admin_id == user.id
        assert store.is_holder(admin_role, reread(store, user))
        assert store.is_holder(admin_role_of(store), reread(store, user))

    def test_the_admin_role_is_made_once(self, store: UserStore) -> None:
        alice, bob = make_user(store), make_user(store, "bob")
        store.apply(AddAdminRole(alice))
        with pytest.raises(Conflict):
            store.apply(Unchanged(bob), RenewEpoch(bob), AddAdminRole(bob))
        assert reread(store, bob).custodian_id is None
        assert not store.is_holder(admin_role_of(store), bob)

    def test_an_empty_admin_role_is_marked_and_given(self, store: UserStore) -> None:
        user, role = make_user(store), store.add_role("admin")
        assert admin_role_of(store).holders == frozenset()
        assert admin_role_of(store).first_admin_id is None
        store.apply(
            Unchanged(role),
            Unchanged(user),
            SetCustodian(user, None),
            RenewEpoch(user),
            MarkFirstAdmin(role, user),
            Give(role, user),
        )
        admin_role = admin_role_of(store)
        assert admin_role.first_admin_id == user.id
        assert store.is_holder(admin_role, reread(store, user))

    def test_only_members_that_are_users_count_as_other_holders(
        self, store: UserStore, plant: Plant
    ) -> None:
        user = make_user(store)
        store.apply(AddAdminRole(user))
        plant("admin", "ghost")
        admin_role = admin_role_of(store)
        assert len(admin_role.holders) == 2
        assert [holder.id for holder in store.holder_users(admin_role)] == [user.id]
        assert store.other_holder(admin_role, user) is None

    def test_the_other_holder_is_another_one(self, store: UserStore) -> None:
        alice, bob = make_user(store), make_user(store, "bob")
        store.apply(AddAdminRole(alice))
        store.apply(Give(admin_role_of(store).role, bob))
        other = store.other_holder(admin_role_of(store), alice)
        assert other is not None
        assert other.id == bob.id
        assert not store.is_holder(admin_role_of(store), make_user(store, "eve"))

    def test_two_users_under_one_guard_leave_the_admin_role_one_by_one(
        self, store: UserStore
    ) -> None:
        alice, bob = make_user(store), make_user(store, "bob")
        store.apply(AddAdminRole(alice))
        store.apply(Give(admin_role_of(store).role, bob))
        as_read = admin_role_of(store).role
        store.apply(Unchanged(as_read), Take(as_read, alice))
        with pytest.raises(Conflict):
            store.apply(Unchanged(as_read), Take(as_read, bob))
        assert [user.id for user in store.holder_users(admin_role_of(store))] == [bob.id]

    def test_a_promotion_is_one_change(self, store: UserStore) -> None:
        boss, user = make_user(store, "boss"), make_user(store)
        store.apply(AddAdminRole(boss))
        role = admin_role_of(store).role
        stale = replace(role, revision="old|old")
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


def promotion(boss: User, user: User, role: Role) -> list[Step]:
    return [
        Unchanged(role),
        Unchanged(user),
        SetCustodian(user, boss.id),
        RenewEpoch(user),
        Give(role, user),
    ]
