"""The contract of a store with hybrid roles, whatever has its users.

All roles of the tests are hybrid ones. The admin role is one of them, or it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.hybrid.stores import HybridNames, MiRows, over, within
from tests.memory_store import MemoryStore, role_locator, user_locator
from tests.sql.contract import (
    OnMariaDb,
    OnPostgreSql,
    OnSqlite,
    RolesInDatabase,
    UsersInDatabase,
)
from tests.sql.stores import Place
from tests.store_contract import Plant


class WithHybridRoles(RolesInDatabase):
    has_accounts = True

    @pytest.fixture
    def plant(self, place: Place) -> Plant:
        return MiRows(place).add_member

    @property
    def plain(self) -> tuple[str, ...]:
        return () if self.has_accounts else ("admin",)


class InOneDatabase(WithHybridRoles, UsersInDatabase):
    @pytest.fixture
    def store(self, place: Place) -> Any:
        return HybridNames(within(place, has_accounts=self.has_accounts), self.plain)

    @pytest.fixture
    def plant(self, place: Place) -> Plant:
        def name_member(role: str, user: str) -> None:
            (place.plant if role in self.plain else MiRows(place).add_member)(role, user)

        return name_member


class TestInSqlite(OnSqlite, InOneDatabase):
    pass


class TestInSqliteWithPlainAdmins(OnSqlite, InOneDatabase):
    has_accounts = False


class TestInPostgreSql(OnPostgreSql, InOneDatabase):
    pass


class TestInMariaDb(OnMariaDb, InOneDatabase):
    pass


class BesideDatabase(WithHybridRoles):
    folds_width = True

    @pytest.fixture
    def memory(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def store(self, memory: MemoryStore, place: Place) -> Iterator[Any]:
        store = over(memory, place, has_accounts=self.has_accounts)
        yield HybridNames(store, self.plain)
        store.close()

    @pytest.fixture
    def plant(self, place: Place, memory: MemoryStore) -> Plant:
        def name_member(role: str, user: str) -> None:
            if role in self.plain:
                memory.content.roles[role_locator(role)].members.add(user_locator(user))
            else:
                MiRows(place).add_member(role, user)

        return name_member


class TestBesideSqlite(OnSqlite, BesideDatabase):
    pass


class TestBesideSqliteWithPlainAdmins(OnSqlite, BesideDatabase):
    has_accounts = False
