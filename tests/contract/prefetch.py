"""What every store owes whoever reads several things together."""

from __future__ import annotations

from mi_ldap.store import (
    CreateAdminRole,
    DependentsOf,
    FindRole,
    FindUser,
    ReadAdminRole,
    ReadUser,
    RolesOf,
    SetCustodian,
    UserStore,
)
from tests.contract.words import make_user, reread


class PrefetchContract:
    def test_reads_together_have_the_answers_of_single_reads(self, store: UserStore) -> None:
        alice, bob = make_user(store), make_user(store, "bob")
        role = store.create_role("dev")
        store.apply(CreateAdminRole(alice))
        store.apply(SetCustodian(bob, alice.id))
        alice, bob = reread(store, alice), reread(store, bob)
        wanted = [FindUser(each) for each in ("alice", "ALICE", "nobody", "")]
        wanted_roles = [FindRole(each) for each in (role.name, "none", "")]
        ids = [ReadUser(each) for each in (alice.id, "no id", "")]
        people = [alice, bob]
        reads = store.prefetch(
            *wanted,
            *wanted_roles,
            *ids,
            *(RolesOf(each) for each in people),
            *(DependentsOf(each) for each in people),
            ReadAdminRole(),
        )
        assert [reads.find_user(each.name) for each in wanted] == [alice, alice, None, None]
        assert [reads.find_role(each.name) for each in wanted_roles] == [role, None, None]
        assert [reads.user(each.user_id) for each in ids] == [alice, None, None]
        assert [[each.name for each in reads.roles_of(user)] for user in people] == [["admin"], []]
        assert [reads.dependents_of(user) for user in people] == [(bob,), ()]
        assert reads.admin_role() == store.admin_role() is not None

    def test_other_reads_are_carried_out_when_they_are_called(self, store: UserStore) -> None:
        alice = make_user(store)
        reads = store.prefetch(FindUser("alice"))
        assert reads.user(alice.id) == alice
        assert set(reads.user_names().names) == {"alice"}
        assert reads.details(alice).roles == ()
        assert reads.admin_role() is None
        bob = make_user(store, "bob")
        assert reads.find_user("bob") == bob
        assert reads.prefetch(FindUser("bob")).find_user("bob") == bob

    def test_nothing_together_is_no_read(self, store: UserStore) -> None:
        assert store.prefetch().find_user("nobody") is None
