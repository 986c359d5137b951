"""The contract of a store, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.model import Role
from mi_ldap.sql import SqlStore
from mi_ldap.store import AssignRole, UserStore
from tests.sql.servers import MariaDb, PostgreSql
from tests.sql.stores import Place, server_place, sqlite_place
from tests.store_contract import Plant, StoreContract, make_user, role_now


class OnDatabase(StoreContract):
    folds_width = False

    @pytest.fixture
    def store(self, place: Place) -> SqlStore:
        return place.open()

    @pytest.fixture
    def plant(self, place: Place) -> Plant:
        return place.plant

    def role_with_revision(self, store: UserStore) -> Role:
        """A role with a member: no decision depends on the members of an empty one."""
        role = store.create_role("dev")
        store.apply(AssignRole(role, make_user(store, "member")))
        return role_now(store, role)

    def test_the_policy_refuses_with_its_reason_and_keeps_the_old_one(
        self, store: UserStore
    ) -> None:
        """There is none: whatever our own rules let through is taken."""
        user = make_user(store)
        store.reset_password(user, "x")
        store.authenticate(user, "x")


class TestOnSqlite(OnDatabase):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        with sqlite_place(tmp_path) as place:
            yield place


class TestOnPostgreSql(OnDatabase):
    @pytest.fixture
    def place(self, postgresql: PostgreSql) -> Iterator[Place]:
        with server_place(postgresql) as place:
            yield place


class TestOnMariaDb(OnDatabase):
    @pytest.fixture
    def place(self, mariadb: MariaDb) -> Iterator[Place]:
        with server_place(mariadb) as place:
            yield place
