"""Creation of the tables, and the report of what is missing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.sql import DatabaseConfig, SqlStore
from mi_ldap.sql.schema import SchemaReport, create_tables, inspect
from tests.contract.words import make_user
from tests.hosts.process import LOOPBACK, free_ports
from tests.sql.servers import PostgreSql
from tests.sql.stores import Place

NAMES = [
    *("um_user", "um_role", "um_user_role", "um_user_attribute"),
    *("um_domain", "um_hybrid_role", "um_hybrid_user_role"),
    *("mi_ldap_user", "mi_ldap_hybrid_role"),
]


def test_tables_are_made_once_and_nothing_is_missing_then(bare: Place) -> None:
    before = inspect(bare.config) if bare.config.hosts else SchemaReport(None)
    assert before.layout is None
    assert [name.lower() for name in create_tables(bare.config)] == NAMES
    assert inspect(bare.config) == SchemaReport("current")
    make_user(bare.open())
    assert create_tables(bare.config) == []
    assert bare.query("SELECT UM_USER_NAME FROM UM_USER") == [("alice",)]


def test_what_is_missing_is_reported(bare: Place) -> None:
    create_tables(bare.config)
    on = " ON UM_USER_ROLE" if bare.config.dialect == "mysql" else ""
    if bare.config.dialect == "mysql":  # an index that serves a foreign key is not dropped
        bare.execute("CREATE INDEX other ON UM_USER_ATTRIBUTE (UM_USER_ID)")
        on = " ON UM_USER_ATTRIBUTE"
    index = {"mysql": "mi_ldap_attribute_index"}.get(bare.config.dialect, "mi_ldap_member_index")
    bare.execute(
        f"DROP INDEX {index}{on}",
        "DROP TABLE UM_HYBRID_USER_ROLE",
        "ALTER TABLE UM_ROLE DROP COLUMN UM_SHARED_ROLE",
    )
    report = inspect(bare.config)
    assert report.layout == "current"
    assert [name.lower() for name in report.missing_tables] == ["um_hybrid_user_role"]
    assert [name.lower() for name in report.missing_columns] == ["um_role.um_shared_role"]
    missing = {"mysql": "um_user_attribute(um_attr_name)"}
    wanted = missing.get(bare.config.dialect, "um_user_role(um_role_id)")
    assert [name.lower() for name in report.missing_indexes] == [wanted]


@pytest.mark.parametrize("layout", ["current", "old"])
def test_the_tables_of_mi_have_all_columns(bare: Place, layout: str) -> None:
    bare.run_script(layout)
    report = inspect(bare.config)
    assert report.layout == layout
    assert report.missing_columns == ()
    hybrid = {"um_domain", "um_hybrid_role", "um_hybrid_user_role"}
    assert {name.lower() for name in report.missing_tables} == hybrid


def test_a_new_file_is_private(tmp_path: Path) -> None:
    config = DatabaseConfig("sqlite", (), str(tmp_path / "users.sqlite"))
    create_tables(config)
    with closing(SqlStore(config, "admin")) as store:
        make_user(store)
        modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {0o600}


def test_a_store_without_tables_is_unavailable(bare: Place) -> None:
    if bare.config.dialect == "sqlite":
        bare.execute("CREATE TABLE other (id INTEGER)")
    store = bare.open()
    with pytest.raises(DirectoryUnavailable, match="database create"):
        store.check()
    create_tables(bare.config)
    store.check()


def test_a_missing_file_is_not_made_by_the_store(bare: Place) -> None:
    config = replace(bare.config, dialect="sqlite", hosts=(), database="/nonexistent/users.sqlite")
    with pytest.raises(DirectoryUnavailable):
        inspect(config)


def test_a_server_that_is_not_there_is_unavailable(postgresql: PostgreSql) -> None:
    (port,) = free_ports(1)
    config = replace(postgresql.config, hosts=((LOOPBACK, port),))
    with deadline(5), pytest.raises(DirectoryUnavailable):
        create_tables(config)
