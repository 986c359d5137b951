"""What the contract of a store demands where a database has its roles, and the databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.model import Role
from mi_ldap.store import AssignRole, UserStore
from tests.sql.servers import MariaDb, PostgreSql
from tests.sql.stores import Place, server_place, sqlite_place
from tests.store_contract import StoreContract, make_user, role_now


class RolesInDatabase(StoreContract):
    folds_width = False

    def role_with_revision(self, store: UserStore) -> Role:
        """A role with a member: no decision depends on the members of an empty one."""
        role = store.create_role("dev")
        store.apply(AssignRole(role, make_user(store, "member")))
        return role_now(store, role)


class UsersInDatabase(RolesInDatabase):
    def test_the_policy_refuses_with_its_reason_and_keeps_the_old_one(
        self, store: UserStore
    ) -> None:
        """There is none: whatever our own rules let through is taken."""
        user = make_user(store)
        store.reset_password(user, "x")
        store.authenticate(user, "x")


class OnSqlite:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        with sqlite_place(tmp_path) as place:
            yield place


class OnPostgreSql:
    @pytest.fixture
    def place(self, postgresql: PostgreSql) -> Iterator[Place]:
        with server_place(postgresql) as place:
            yield place


class OnMariaDb:
    @pytest.fixture
    def place(self, mariadb: MariaDb) -> Iterator[Place]:
        with server_place(mariadb) as place:
            yield place
