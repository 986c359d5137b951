"""The contract of a store, on each store."""

from __future__ import annotations

import pytest

from mi_ldap.directory.store import DirectoryStore
from tests.directory.stores import Stores
from tests.memory_store import MemoryStore, role_locator, user_locator
from tests.store_contract import Plant, StoreContract
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


class TestInDirectory(StoreContract):
    @pytest.fixture
    def store(self, stores: Stores) -> DirectoryStore:
        return stores.open()

    @pytest.fixture
    def plant(self, subtree: Subtree) -> Plant:
        def name_member(role: str, user: str) -> None:
            subtree.tool.add_values(subtree.group_dn(role), member=subtree.user_dn(user))

        return name_member
