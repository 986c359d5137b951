"""The contract of a store, on each kind of directory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from mi_ldap.directory.layout.profiles import ACTIVE_DIRECTORY
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.store import AssignRole, DeleteUser, UserStore
from tests import kinds
from tests.directory.stores import Stores
from tests.hosts_of_kinds import Hosts
from tests.kinds import Kind
from tests.store_contract import Plant, StoreContract, make_user
from tests.subtree import Subtree


class OnKind(StoreContract):
    kind: ClassVar[Kind]

    @pytest.fixture
    def subtree(self, hosts: Hosts) -> Iterator[Subtree]:
        with hosts.place(self.kind) as subtree:
            yield subtree

    @pytest.fixture
    def store(self, stores: Stores) -> DirectoryStore:
        return stores.open()

    @pytest.fixture
    def plant(self, subtree: Subtree) -> Plant:
        def name_member(role: str, user: str) -> None:
            subtree.add_member(role, subtree.user_dn(user))

        return name_member


class WithoutPolicy(OnKind):
    def test_the_policy_refuses_with_its_reason_and_keeps_the_old_one(
        self, store: UserStore
    ) -> None:
        """There is none: whatever our own rules let through is taken."""
        user = make_user(store)
        store.reset_password(user, "x")
        store.authenticate(user, "x")


class TestPlainOpenLdap(WithoutPolicy):
    kind = kinds.PLAIN_OPENLDAP


class TestTwoReplicas(WithoutPolicy):
    kind = kinds.REPLICAS


class TestGroupsOfUniqueNames(WithoutPolicy):
    kind = kinds.UNIQUE_NAMES


class TestPosixGroups(OnKind):
    kind = kinds.RFC_2307

    def takes(self, name: str) -> bool:
        return name.isascii()  # memberUid holds nothing else


class TestDs389(OnKind):
    kind = kinds.DS389
    folds_width = False


class TestActiveDirectory(OnKind):
    kind = kinds.ACTIVE_DIRECTORY
    folds_width = False

    def takes(self, name: str) -> bool:
        fits = len(name) <= 20 and not name.endswith(".")
        return fits and not set(name) & set(ACTIVE_DIRECTORY.forbidden_in_names)

    @pytest.fixture
    def plant(self, subtree: Subtree) -> Plant:
        """What is not there can't be named; a contact can, and is no user."""

        def name_member(role: str, user: str) -> None:
            contact_dn = subtree.tool.add(subtree.user_dn(user), ["contact"])
            subtree.add_member(role, contact_dn)

        return name_member

    def test_memberships_of_an_earlier_life_are_lost_at_birth(
        self, store: UserStore, plant: Plant
    ) -> None:
        """The server sees to it itself."""
        user, role = make_user(store), store.create_role("dev")
        store.apply(AssignRole(role, user))
        present = store.user(user.id)
        assert present is not None
        store.apply(DeleteUser(present))
        assert store.details(make_user(store)).roles == ()

    def test_nobody_is_named_who_is_not_there(self, store: UserStore, subtree: Subtree) -> None:
        store.create_role("dev")
        with pytest.raises(AssertionError, match="noSuchObject"):
            subtree.add_member("dev", subtree.user_dn("nobody"))
