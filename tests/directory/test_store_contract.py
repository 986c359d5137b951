"""The contract of a store, on each store."""

from __future__ import annotations

from typing import ClassVar

import pytest

from mi_ldap.directory import DirectoryStore
from mi_ldap.store import UserStore
from tests.directory.stores import Stores
from tests.memory_store import MemoryStore, role_locator, user_locator
from tests.store_contract import ODD_NAMES, Plant, StoreContract
from tests.subtree import Subtree


class TestInMemory(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def plant(self, store: MemoryStore) -> Plant:
        def name_member(role: str, user: str) -> None:
            store.content.roles[role_locator(role)].members.add(user_locator(user))

        return name_member


class InDirectory(StoreContract):
    settings: ClassVar[dict[str, str]] = {}

    @pytest.fixture
    def store(self, stores: Stores) -> DirectoryStore:
        return stores.open(**self.settings)

    @pytest.fixture
    def plant(self, subtree: Subtree) -> Plant:
        def name_member(role: str, user: str) -> None:
            subtree.tool.add_values(subtree.group_dn(role), member=subtree.user_dn(user))

        return name_member


class TestWithTransactions(InDirectory):
    pass


class TestWithoutTransactions(InDirectory):
    settings: ClassVar = {"USER_STORE__TRANSACTIONS": "false"}

    @pytest.mark.parametrize("name", ODD_NAMES[:4])
    def test_an_odd_name_is_kept_as_it_is_through_a_whole_life(
        self, store: UserStore, name: str
    ) -> None:
        """Names are written in the same way as above: a few will do."""
        super().test_an_odd_name_is_kept_as_it_is_through_a_whole_life(store, name)
