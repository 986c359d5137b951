"""The contract of a store with hybrid roles, whatever has its users.

All roles of the tests are hybrid ones. The admin role is one of them, or it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mi_ldap.model import Role
from mi_ldap.store import AssignRole, UserStore
from tests.hybrid.stores import HybridNames, MiRows, over, within
from tests.memory_store import MemoryStore, role_locator, user_locator
from tests.sql.servers import MariaDb, PostgreSql
from tests.sql.stores import Place, server_place, sqlite_place
from tests.store_contract import Plant, StoreContract, make_user, role_now


class WithHybridRoles(StoreContract):
    folds_width = False
    has_accounts = True

    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        with sqlite_place(tmp_path) as place:
            yield place

    @pytest.fixture
    def plant(self, place: Place) -> Plant:
        return MiRows(place).add_member

    @property
    def plain(self) -> tuple[str, ...]:
        return () if self.has_accounts else ("admin",)

    def role_with_revision(self, store: UserStore) -> Role:
        role = store.create_role("dev")
        store.apply(AssignRole(role, make_user(store, "member")))
        return role_now(store, role)


class InOneDatabase(WithHybridRoles):
    @pytest.fixture
    def store(self, place: Place) -> Any:
        return HybridNames(within(place, has_accounts=self.has_accounts), self.plain)

    @pytest.fixture
    def plant(self, place: Place) -> Plant:
        def name_member(role: str, user: str) -> None:
            (place.plant if role in self.plain else MiRows(place).add_member)(role, user)

        return name_member

    def test_the_policy_refuses_with_its_reason_and_keeps_the_old_one(
        self, store: UserStore
    ) -> None:
        """There is none: whatever our own rules let through is taken."""
        user = make_user(store)
        store.reset_password(user, "x")
        store.authenticate(user, "x")


class TestInSqlite(InOneDatabase):
    pass


class TestInSqliteWithPlainAdmins(InOneDatabase):
    has_accounts = False


class TestInPostgreSql(InOneDatabase):
    @pytest.fixture
    def place(self, postgresql: PostgreSql) -> Iterator[Place]:
        with server_place(postgresql) as place:
            yield place


class TestInMariaDb(InOneDatabase):
    @pytest.fixture
    def place(self, mariadb: MariaDb) -> Iterator[Place]:
        with server_place(mariadb) as place:
            yield place


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


class TestBesideSqlite(BesideDatabase):
    pass


class TestBesideSqliteWithPlainAdmins(BesideDatabase):
    has_accounts = False
