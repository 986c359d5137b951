"""Creation of the tables, and a report of those that are missing, for commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection, Table
from sqlalchemy import inspect as inspector_of
from sqlalchemy.engine.reflection import Inspector

from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.discovery import create_missing, find_layout, table_names
from mi_ldap.sql.engine import Database
from mi_ldap.sql.tables import Layout, Tables, define_tables


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """The layout of MI's tables, and what they lack.

    Attributes:
        layout: `"current"`, `"old"`, or None if there is no table `UM_USER`; also None in a report
            on hybrid roles alone.
        missing_tables: names of tables, in their order of creation.
        missing_columns: `"um_user.um_salt_value"`.
        missing_indexes: indexes that the store's queries need, `"um_user_role(um_role_id)"`.
    """

    layout: Layout | None
    missing_tables: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    missing_indexes: tuple[str, ...] = ()


def create_tables(config: DatabaseConfig, *, only_hybrid: bool = False) -> list[str]:
    """Create the tables that are missing, in the current layout; return their names.

    Nothing is dropped or altered. A second call creates nothing.

    Args:
        config: the database.
        only_hybrid: whether users are elsewhere, so that only hybrid roles need tables.

    Raises:
        MiLdapError: the database cannot be reached, or refuses to create them.
    """
    tables = define_tables(config.dialect)
    wanted = hybrid_tables(tables)
    if not only_hybrid:
        wanted = [*tables.required, *wanted]
    with closing(Database(config, creates=True)) as database:
        return database.write(lambda connection: create_missing(connection, wanted))


def inspect(config: DatabaseConfig, *, only_hybrid: bool = False) -> SchemaReport:
    """Report the layout, and what is missing for the store.

    Args:
        config: the database.
        only_hybrid: whether to report on the tables of hybrid roles alone.

    Raises:
        MiLdapError: the database cannot be reached.
    """
    report = report_on_hybrid if only_hybrid else _report
    with closing(Database(config)) as database:
        return database.read(lambda connection: report(connection, config.dialect))


def hybrid_tables(tables: Tables) -> list[Table]:
    """Return the tables that hybrid roles need: MI's and the service's own."""
    return [*tables.hybrid, *tables.service_tables]


def report_on_hybrid(connection: Connection, dialect: str) -> SchemaReport:
    """Report what is missing of the tables of hybrid roles."""
    return _missing(connection, hybrid_tables(define_tables(dialect)), None)


def _report(connection: Connection, dialect: str) -> SchemaReport:
    layout: Layout | None = None
    if define_tables(dialect).user.name in table_names(connection):
        layout = find_layout(connection, dialect)
    tables = define_tables(dialect, layout or "current")
    return _missing(connection, [*tables.required, *tables.hybrid], layout)


def _missing(
    connection: Connection, tables: Sequence[Table], layout: Layout | None
) -> SchemaReport:
    inspector, present = inspector_of(connection), table_names(connection)
    missing = [table.name for table in tables if table.name not in present]
    columns: list[str] = []
    indexes: list[str] = []
    for table in tables:
        if table.name in present:
            columns += _missing_columns(inspector, table, present[table.name])
            indexes += _missing_indexes(inspector, table, present[table.name])
    return SchemaReport(layout, tuple(missing), tuple(columns), tuple(indexes))


def _missing_columns(inspector: Inspector, table: Table, name: str) -> list[str]:
    present = {column["name"].lower() for column in inspector.get_columns(name)}
    wanted = [column.name.lower() for column in table.columns]
    return [f"{table.name}.{column}" for column in wanted if column not in present]


def _missing_indexes(inspector: Inspector, table: Table, name: str) -> list[str]:
    """Return the wanted indexes whose first column is the first of no index of the table."""
    indexes = inspector.get_indexes(name)
    present = {_first(index.get("expressions") or index["column_names"]) for index in indexes}
    for unique in inspector.get_unique_constraints(name):
        present.add(_first(unique["column_names"]))
    wanted = {_first([str(each) for each in index.expressions]) for index in table.indexes}
    return sorted(f"{table.name}({column})" for column in wanted - present)


def _first(columns: Sequence[str | None]) -> str:
    """Return the first column or expression: `um_role_id` or `lower(um_user_name)`."""
    # PostgreSQL returns `lower((um_user_name)::text)`.
    found = _PLAIN.match(_CAST.sub("", (columns[0] or "").lower()))
    if found is None:
        return ""
    function, column = found.groups()
    return f"{function}({column})" if function else str(column)


_CAST = re.compile(r"::[a-z ]+")
_PLAIN = re.compile(r"(?:(\w+)\()?\(*(?:\w+\.)?(\w+)\)*$")
