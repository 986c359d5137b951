"""What every store owes its callers of users and passwords."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import ClassVar

import pytest
import time_machine

from mi_ldap.deadline import deadline
from mi_ldap.errors import (
    BadRequest,
    LoginRefused,
    MiLdapError,
    PolicyRefused,
    UserExists,
)
from mi_ldap.model import User
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteRole,
    DeleteUser,
    RenewEpoch,
    RevokeRole,
    UserStore,
)
from tests.contract.words import (
    ODD_NAMES,
    PASSWORD,
    Plant,
    admin_role_of,
    make_user,
    remove,
    reread,
    role_now,
)


class UserContract:
    folds_width: ClassVar[bool] = True
    """Whether a full-width letter is the same as a plain one (RFC 4518 §2.3 says so)."""

    def takes(self, name: str) -> bool:
        """Whether the store can have a user and a role of that name, and give it to the user."""
        return bool(name)

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
        store.create_role("alice")
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
        assert (user.enabled, user.unfinished, user.custodian_id) == (True, False, None)

    @pytest.mark.parametrize("typed", ["ALICE", "Alice", "ａlice", "ALicE"])
    def test_names_of_users_have_no_case(self, store: UserStore, typed: str) -> None:
        user = make_user(store)
        if not (typed.isascii() or self.folds_width):
            assert store.find_user(typed) is None
            return
        found = store.find_user(typed)
        assert found is not None
        assert (found.id, found.name) == (user.id, "alice")

    def test_names_have_no_case_beyond_ascii_either(self, store: UserStore) -> None:
        if not self.takes("Ünal Ωmega"):
            return
        user = make_user(store, "Ünal Ωmega")
        found = store.find_user("üNAL ωMEGA")
        assert found is not None
        assert found.id == user.id

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_an_odd_name_is_kept_as_it_is_through_a_whole_life(
        self, store: UserStore, name: str
    ) -> None:
        with nullcontext() if self.takes(name) else pytest.raises(BadRequest):
            self.whole_life(store, name)

    def whole_life(self, store: UserStore, name: str) -> None:
        user, role = make_user(store, name), store.create_role(name)
        assert store.user_names().names == (name,)
        assert store.role_names().names == (name,)
        assert user.name == role.name == name
        assert store.authenticate(user, PASSWORD).must_change is False
        store.apply(AssignRole(role, user))
        assert store.member_names(role).names == (name,)
        assert [held.id for held in store.details(user).roles] == [role.id]
        store.apply(RevokeRole(role, user))
        assert store.member_names(role).names == ()
        store.apply(DeleteRole(role_now(store, role)))
        self.become_admin(store, user)
        remove(store, user)
        assert store.user_names().names == ()

    def become_admin(self, store: UserStore, user: User) -> None:
        store.apply(CreateAdminRole(user))
        assert store.is_holder(admin_role_of(store), reread(store, user))
        assert [holder.id for holder in store.holder_users(admin_role_of(store))] == [user.id]

    def test_a_taken_name_is_not_made_twice_in_any_case(self, store: UserStore) -> None:
        user = make_user(store)
        with pytest.raises(UserExists):
            store.create_user("ALICE")
        assert store.find_user("alice") == user

    def test_of_many_makers_of_one_name_one_wins(self, store: UserStore) -> None:
        def attempt(_: int) -> bool:
            try:
                user = store.create_user("alice")
            except UserExists:
                return False
            store.apply(RenewEpoch(user))
            return True

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(attempt, range(8))).count(True) == 1
        assert store.user_names().names == ("alice",)

    @pytest.mark.parametrize("name", ["x" * 240, "é" * 120, "日" * 80, "a b" * 80, '"' * 80])
    def test_a_name_may_be_long(self, store: UserStore, name: str) -> None:
        with nullcontext() if self.takes(name) else pytest.raises(BadRequest):
            self.long_life(store, name)

    def long_life(self, store: UserStore, name: str) -> None:
        user, role = make_user(store, name), store.create_role(name)
        store.apply(AssignRole(role, user))
        assert store.member_names(role).names == (name,)

    def test_a_new_user_has_no_password_and_no_roles(self, store: UserStore) -> None:
        user = store.create_user("alice")
        assert user.unfinished
        for guess in ("alice", "", "password"):
            with pytest.raises(LoginRefused):
                store.authenticate(user, guess)

    def test_an_unfinished_user_is_found_by_no_read(self, store: UserStore) -> None:
        user, role = store.create_user("alice"), store.create_role("dev")
        store.apply(AssignRole(role, user))
        for reads in (store, store.view()):
            assert (reads.find_user("alice"), reads.user(user.id)) == (None, None)
            assert reads.user_names().names == reads.member_names(role).names == ()
        assert store.is_still_unfinished(user)
        store.apply(RevokeRole(role, user))
        store.apply(RenewEpoch(user))
        assert not store.is_still_unfinished(user)
        assert store.user_names().names == store.view().user_names().names == ("alice",)

    def test_an_unfinished_user_is_replaced_once_its_creation_has_ended(
        self, store: UserStore
    ) -> None:
        first = store.create_user("alice")
        with deadline(0.5), pytest.raises(UserExists):
            store.create_user("ALICE")
        assert store.is_still_unfinished(first)
        store.end_creation(first)
        second = store.create_user("alice")
        assert second.id != first.id
        assert not store.is_still_unfinished(first)

    def test_old_unfinished_users_are_removed(self, store: UserStore) -> None:
        with time_machine.travel(time.time() - 3600):
            left, running = store.create_user("left"), store.create_user("running")
        fresh, finished = store.create_user("fresh"), make_user(store, "finished")
        for user in (left, fresh, finished):
            store.end_creation(user)
        store.clean_up()
        assert not store.is_still_unfinished(left)
        assert store.is_still_unfinished(running)
        assert store.is_still_unfinished(fresh)
        assert store.user_names().names == ("finished",)

    def test_memberships_of_an_earlier_life_are_lost_at_birth(
        self, store: UserStore, plant: Plant
    ) -> None:
        dev, ops = store.create_role("dev"), store.create_role("ops")
        plant("dev", "alice")
        plant("ops", "alice")
        user = make_user(store)
        assert store.details(user).roles == ()
        assert store.member_names(dev).names == store.member_names(ops).names == ()

    def test_discarding_removes_what_was_made_and_nothing_else(self, store: UserStore) -> None:
        first = store.create_user("alice")
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
        assert store.authenticate(user, PASSWORD).must_change is False
        for wrong in ("", "wrong", PASSWORD.upper(), f"{PASSWORD} ", f"{PASSWORD}\0"):
            with pytest.raises(LoginRefused):
                store.authenticate(user, wrong)

    @pytest.mark.parametrize("password", ["ünïcødé ½", "日本語日本語", "😀😀😀😀😀", "  spaces  "])
    def test_a_password_is_any_text(self, store: UserStore, password: str) -> None:
        user = make_user(store, password=password)
        store.authenticate(user, password)
        with pytest.raises(LoginRefused):
            store.authenticate(user, password.strip() + "x")

    def test_a_reset_replaces_the_password(self, store: UserStore) -> None:
        user = make_user(store)
        store.reset_password(user, "another one")
        store.authenticate(user, "another one")
        with pytest.raises(LoginRefused):
            store.authenticate(user, PASSWORD)

    def test_the_policy_refuses_with_its_reason_and_keeps_the_old_one(
        self, store: UserStore
    ) -> None:
        user = make_user(store)
        with pytest.raises(PolicyRefused, match="too short"):
            store.reset_password(user, "abc")
        with pytest.raises(PolicyRefused, match="too short"):
            store.change_password(user, PASSWORD, "abc")
        store.authenticate(user, PASSWORD)

    def test_a_change_wants_the_old_password(self, store: UserStore) -> None:
        user = make_user(store)
        with pytest.raises(LoginRefused):
            store.change_password(user, "wrong", "another one")
        store.authenticate(user, PASSWORD)
        store.change_password(user, PASSWORD, "another one")
        store.authenticate(user, "another one")

    def test_a_gone_user_proves_nothing_and_gets_no_password(self, store: UserStore) -> None:
        user = make_user(store)
        store.apply(DeleteUser(user))
        with pytest.raises(LoginRefused):
            store.authenticate(user, PASSWORD)
        with pytest.raises(MiLdapError):
            store.reset_password(user, "another one")

    def test_a_user_made_anew_keeps_its_password_when_the_former_one_is_reset(
        self, store: UserStore
    ) -> None:
        former = make_user(store)
        store.apply(DeleteUser(former))
        present = make_user(store)
        with pytest.raises(MiLdapError):
            store.reset_password(former, "another one")
        store.authenticate(present, PASSWORD)
