"""What every store owes its callers of steps and guards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mi_ldap.errors import (
    Conflict,
    LoginRefused,
)
from mi_ldap.model import Role, User
from mi_ldap.store import (
    AssignRole,
    DeleteUser,
    NotMember,
    RenewEpoch,
    RenewRevision,
    RevokeRole,
    SetCustodian,
    Unchanged,
    UserStore,
)
from tests.contract.words import (
    PASSWORD,
    make_user,
    remove,
    reread,
    role_now,
)


class ChangeContract:
    def test_no_steps_are_no_change(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply()
        assert reread(store, user) == user

    def test_a_custodian_is_set_replaced_and_cleared(self, store: UserStore) -> None:
        user, boss = make_user(store), make_user(store, "boss")
        store.apply(SetCustodian(user, boss.id))
        dependent = reread(store, user)
        assert dependent.custodian_id == boss.id
        assert store.details(dependent).custodian == boss
        assert [each.id for each in store.dependents_of(boss)] == [user.id]
        store.apply(SetCustodian(dependent, user.id))
        store.apply(SetCustodian(reread(store, user), None))
        assert reread(store, user).custodian_id is None
        assert store.dependents_of(boss) == ()

    def test_that_a_user_ever_had_a_custodian_is_kept_whatever_happens(
        self, store: UserStore
    ) -> None:
        user, boss = make_user(store), make_user(store, "boss")
        assert user.appointment == ""
        store.apply(SetCustodian(user, boss.id, appoints=True))
        promoted = reread(store, user)
        assert promoted.epoch == user.epoch
        store.apply(SetCustodian(promoted, None), RenewEpoch(promoted))
        store.reset_password(user, PASSWORD)
        store.apply(RenewEpoch(reread(store, user), for_reset=True))
        store.apply(Unchanged(reread(store, user)))
        store.apply(RenewEpoch(reread(store, user)))
        later = reread(store, user)
        assert later.custodian_id is None
        assert later.appointment == promoted.appointment != ""
        store.apply(SetCustodian(later, user.id, appoints=True))
        assert reread(store, user).appointment not in {"", later.appointment}

    def test_a_custodian_that_takes_over_appoints_nobody(self, store: UserStore) -> None:
        user, boss = make_user(store), make_user(store, "boss")
        store.apply(SetCustodian(user, boss.id, appoints=True))
        promoted = reread(store, user)
        store.apply(SetCustodian(promoted, user.id))
        assert reread(store, user).appointment == promoted.appointment

    def test_who_is_adopted_keeps_that_it_was(self, store: UserStore) -> None:
        user, boss = make_user(store), make_user(store, "boss")
        store.apply(SetCustodian(user, boss.id))
        adopted = reread(store, user)
        assert adopted.appointment
        for custodian_id in (user.id, None):
            store.apply(SetCustodian(reread(store, user), custodian_id))
            assert reread(store, user).appointment == adopted.appointment

    def role_with_revision(self, store: UserStore) -> Role:
        """A role whose revision can be renewed."""
        return store.create_role("dev")

    def test_a_revision_is_renewed_as_it_was_read_or_not_at_all(self, store: UserStore) -> None:
        role = self.role_with_revision(store)
        store.apply(Unchanged(role), RenewRevision(role))
        with pytest.raises(Conflict):
            store.apply(Unchanged(role), RenewRevision(role))
        renewed = role_now(store, role)
        store.apply(Unchanged(renewed), RenewRevision(renewed))

    def test_what_was_decided_before_a_renewed_revision_is_void(self, store: UserStore) -> None:
        user, role = make_user(store), self.role_with_revision(store)
        store.apply(Unchanged(role), RenewRevision(role))
        with pytest.raises(Conflict):
            store.apply(Unchanged(role), AssignRole(role, user))
        assert store.roles_of(user) == ()

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

    def test_a_user_is_busy_while_it_is_made_or_its_password_is_reset(
        self, store: UserStore
    ) -> None:
        user = store.create_user("alice")
        assert user.busy
        store.apply(RenewEpoch(user))
        finished = reread(store, user)
        assert not finished.busy
        store.apply(RenewEpoch(finished, for_reset=True))
        held = reread(store, user)
        assert held.busy
        store.apply(RenewEpoch(held))
        assert not reread(store, user).busy

    def test_an_epoch_is_replaced_as_it_was_read_or_not_at_all(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply(RenewEpoch(user, for_reset=True))
        with pytest.raises(Conflict):
            store.apply(RenewEpoch(user))
        assert reread(store, user).busy

    def test_a_renewed_epoch_may_leave_what_others_are_about(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply(Unchanged(user), RenewEpoch(user, for_reset=True))
        held = reread(store, user)
        store.apply(Unchanged(held), RenewEpoch(held, keeps_mark=True))
        renewed = reread(store, user)
        assert renewed.busy
        assert renewed.epoch != held.epoch
        store.apply(Unchanged(renewed), RenewEpoch(renewed))
        assert not reread(store, user).busy

    def test_an_unchanged_user_passes_the_guard(self, store: UserStore) -> None:
        user, role = make_user(store), store.create_role("dev")
        store.apply(Unchanged(user))
        user = reread(store, user)
        store.apply(Unchanged(user), RenewEpoch(user))
        user = reread(store, user)
        store.apply(Unchanged(user), AssignRole(role, user))
        user = reread(store, user)
        store.apply(Unchanged(user), SetCustodian(user, user.id), RenewEpoch(user))

    def test_a_guard_alone_ends_no_token(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply(Unchanged(user))
        assert reread(store, user).epoch == user.epoch
        store.apply(SetCustodian(reread(store, user), user.id))
        assert reread(store, user).epoch == user.epoch

    def test_logins_and_memberships_leave_a_user_unchanged(self, store: UserStore) -> None:
        user, role = make_user(store), store.create_role("dev")
        with pytest.raises(LoginRefused):
            store.authenticate(user, "wrong")
        store.authenticate(user, PASSWORD)
        store.apply(AssignRole(role, user))
        store.apply(Unchanged(user))

    def test_a_password_that_is_set_meanwhile_lets_a_new_user_be_finished(
        self, store: UserStore
    ) -> None:
        user = store.create_user("alice")
        store.reset_password(user, PASSWORD)
        store.apply(Unchanged(user), RenewEpoch(user))
        store.authenticate(user, PASSWORD)

    @pytest.mark.parametrize("change", [RenewEpoch, lambda user: SetCustodian(user, user.id)])
    def test_a_changed_user_fails_the_guard_and_nothing_is_done(
        self, store: UserStore, change: Callable[[User], RenewEpoch | SetCustodian]
    ) -> None:
        user, role = make_user(store), store.create_role("dev")
        store.apply(change(user))
        with pytest.raises(Conflict):
            store.apply(Unchanged(user), AssignRole(role, user))
        with pytest.raises(Conflict):
            store.apply(Unchanged(user), DeleteUser(user))
        assert store.details(user).roles == ()
        assert store.find_user("alice") is not None

    def test_a_namesake_is_another_user_to_every_guard(self, store: UserStore) -> None:
        first, role = make_user(store), store.create_role("dev")
        remove(store, first)
        second = make_user(store)
        assert second.id != first.id
        assert store.user(first.id) is None
        for step in (RenewEpoch(first), DeleteUser(first), AssignRole(role, first)):
            with pytest.raises(Conflict):
                store.apply(Unchanged(first), step)
        with pytest.raises(Conflict):
            store.apply(DeleteUser(first))
        assert store.find_user("alice") == second
        assert store.details(second).roles == ()

    def test_an_unchanged_role_passes_the_guard(self, store: UserStore) -> None:
        user, role = make_user(store), store.create_role("dev")
        store.apply(Unchanged(role))
        role = role_now(store, role)
        store.apply(Unchanged(role), AssignRole(role, user))
        role = role_now(store, role)
        store.apply(Unchanged(role), Unchanged(user), RevokeRole(role, user), RenewEpoch(user))

    def test_a_role_that_lost_or_won_a_member_fails_the_guard(self, store: UserStore) -> None:
        alice, bob, role = make_user(store), make_user(store, "bob"), store.create_role("dev")
        store.apply(Unchanged(role), AssignRole(role, alice))
        with pytest.raises(Conflict):
            store.apply(Unchanged(role), AssignRole(role, bob))
        held = role_now(store, role)
        store.apply(Unchanged(held), RevokeRole(held, alice))
        with pytest.raises(Conflict):
            store.apply(Unchanged(held), AssignRole(held, bob))
        assert store.member_names(role).names == ()

    def test_not_held_guards_a_removal(self, store: UserStore) -> None:
        user, role = make_user(store), store.create_role("dev")
        store.apply(AssignRole(role, user))
        with pytest.raises(Conflict):
            store.apply(NotMember(role, user), DeleteUser(user))
        assert store.find_user("alice") == user
        store.apply(RevokeRole(role_now(store, role), user))
        store.apply(NotMember(role, user), DeleteUser(user))
        assert store.find_user("alice") is None

    def test_when_one_step_fails_none_was_done(self, store: UserStore) -> None:
        user, dev, ops = make_user(store), store.create_role("dev"), store.create_role("ops")
        with pytest.raises(Conflict):
            store.apply(
                Unchanged(user),
                SetCustodian(user, user.id),
                AssignRole(dev, user),
                RevokeRole(ops, user),
            )
        assert store.details(user).roles == ()
        assert reread(store, user).custodian_id is None

    def test_several_roles_are_changed_together(self, store: UserStore) -> None:
        user = make_user(store)
        roles = [store.create_role(name) for name in ("a", "b", "c")]
        store.apply(AssignRole(roles[0], user), AssignRole(roles[1], user))
        store.apply(
            RevokeRole(role_now(store, roles[0]), user),
            RevokeRole(role_now(store, roles[1]), user),
            AssignRole(roles[2], user),
        )
        assert [role.name for role in store.details(user).roles] == ["c"]

    def test_of_two_changes_under_one_guard_one_is_made(self, store: UserStore) -> None:
        users = [make_user(store, name) for name in ("alice", "bob")]
        role = store.create_role("dev")
        start = threading.Barrier(2)

        def attempt(user: User) -> bool:
            start.wait()
            try:
                store.apply(
                    Unchanged(role), Unchanged(user), RenewEpoch(user), AssignRole(role, user)
                )
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(attempt, users))
        assert results.count(True) == 1
        assert store.member_names(role).names == (users[results.index(True)].name,)
