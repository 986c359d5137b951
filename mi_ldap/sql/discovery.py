"""Detection of the layout of the tables, at the first use of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Table, inspect, select, text

from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.tables import Layout, Tables, define_tables, sequence_of

log = structlog.get_logger()

_COLLATION = text(
    "SELECT collation_name FROM information_schema.columns WHERE table_schema = DATABASE() "
    "AND table_name = :table AND column_name = :column"
)


@dataclass(frozen=True, slots=True)
class Schema:
    """The database as it was found.

    Attributes:
        collation_ignores_case: whether `=` ignores the case of names, and may use an index.
    """

    config: DatabaseConfig
    tables: Tables
    collation_ignores_case: bool

    @property
    def has_uuid(self) -> bool:
        return self.tables.layout == "current"


def discover(connection: Connection, config: DatabaseConfig) -> Schema:
    """Read which tables and columns there are.

    Raises:
        NoSuchTableError: there is no table `UM_USER`.
    """
    layout = find_layout(connection, config.dialect)
    tables = define_tables(config.dialect, layout)
    schema = Schema(
        config,
        tables,
        collation_ignores_case=_ignores_case(connection, tables),
    )
    log.info("database_layout", dialect=config.dialect, layout=layout)
    return schema


def find_layout(connection: Connection, dialect: str) -> Layout:
    """Return the layout of the tables in the database."""
    user = define_tables(dialect).user
    columns = {column["name"].lower() for column in inspect(connection).get_columns(user.name)}
    return "current" if "um_user_id" in columns else "old"


def table_names(connection: Connection) -> dict[str, str]:
    """Return the names of the tables in the database, by the names that `define_tables` uses."""
    names = inspect(connection).get_table_names()
    # SQLite keeps the case of CREATE TABLE, and ignores it in statements.
    ignores_case = connection.dialect.name == "sqlite"
    return {name.lower() if ignores_case else name: name for name in names}


def create_missing(connection: Connection, tables: Sequence[Table]) -> list[str]:
    """Create those of the tables that are missing; return their names."""
    present = table_names(connection)
    missing = [table for table in tables if table.name not in present]
    for table in missing:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"CREATE SEQUENCE IF NOT EXISTS {sequence_of(table.name)}"))
        table.create(connection)
    return [table.name for table in missing]


def probe(connection: Connection, tables: Tables) -> None:
    """Read at most one row of each table that the store needs."""
    for table in tables.required:
        connection.execute(select(table.c.um_tenant_id).limit(1)).first()


def _ignores_case(connection: Connection, tables: Tables) -> bool:
    """Whether names of users and roles have a collation of MySQL that ignores their case."""
    if connection.dialect.name not in {"mysql", "mariadb"}:
        return False
    columns = (tables.user.c.um_user_name, tables.role.c.um_role_name)
    found = [
        connection.scalar(_COLLATION, {"table": column.table.name, "column": column.name})
        for column in columns
    ]
    return all(str(collation).endswith("_ci") for collation in found)
