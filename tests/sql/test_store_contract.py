"""The contract of a store, on each database."""

from __future__ import annotations

import pytest

from mi_ldap.sql import SqlStore
from tests.sql.contract import OnMariaDb, OnPostgreSql, OnSqlite, UsersInDatabase
from tests.sql.stores import Place
from tests.store_contract import Plant


class InDatabase(UsersInDatabase):
    @pytest.fixture
    def store(self, place: Place) -> SqlStore:
        return place.open()

    @pytest.fixture
    def plant(self, place: Place) -> Plant:
        return place.plant


class TestOnSqlite(OnSqlite, InDatabase):
    pass


class TestOnPostgreSql(OnPostgreSql, InDatabase):
    pass


class TestOnMariaDb(OnMariaDb, InDatabase):
    pass
