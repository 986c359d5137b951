"""Stores on a database of the tests, and what other tools do to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from mi_ldap.sql import DatabaseConfig, SqlStore
from mi_ldap.sql.engine import Database
from mi_ldap.sql.schema import create_tables
from tests.sql.mi_tables import script
from tests.sql.servers import DatabaseServer

ADMIN_ROLE = "admin"


@dataclass
class Place:
    """An empty database with MI's tables.

    Attributes:
        config: how the service reaches it.
        tool: how a tool that may do everything reaches it.
        tools: the connections of that tool.
    """

    config: DatabaseConfig
    tool: DatabaseConfig
    tools: Database
    opened: list[SqlStore] = field(default_factory=list)

    def open(
        self, observe: Callable[[str], None] = lambda operation: None, **settings: Any
    ) -> SqlStore:
        """A store of its own, as that of another machine."""
        store = SqlStore(replace(self.config, **settings), ADMIN_ROLE, observe)
        self.opened.append(store)
        return store

    def execute(self, *statements: str, **values: Any) -> None:
        """Have a tool execute statements of SQL in one transaction; `:name` is a value."""

        def run(connection: Connection) -> None:
            for statement in statements:
                connection.execute(text(statement), values)

        self.tools.write(run)

    def run_script(self, layout: str) -> None:
        """Make the tables as MI does, by its account."""
        with closing(Database(self.config, creates=True)) as database:
            for statement in script(self.config.dialect, layout):
                database.write(partial(Connection.exec_driver_sql, statement=statement))

    def query(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        found = self.tools.read(
            lambda connection: connection.execute(text(statement), values).all()
        )
        return [tuple(row) for row in found]

    def plant(self, role: str, user: str) -> None:
        """Make a user that is not there a member of a role.

        Its key is that of the user who is created next: an old row, in tables whose foreign keys
        are not enforced.
        """
        (key,) = self.query("SELECT COALESCE(MAX(UM_ID), 0) + 1 FROM UM_USER")[0]
        member = (
            "INSERT INTO UM_USER_ROLE (UM_ROLE_ID, UM_USER_ID, UM_TENANT_ID) "
            "SELECT UM_ID, :key, UM_TENANT_ID FROM UM_ROLE WHERE UM_ROLE_NAME = :role"
        )
        values = {"key": key, "role": role}
        if self.config.dialect == "sqlite":  # foreign keys are not enforced unless one asks for it
            with closing(sqlite3.connect(self.tool.database)) as connection, connection:
                connection.execute(member, values)
            return
        unchecked = {
            "postgresql": "SET LOCAL session_replication_role = replica",
            "mysql": "SET FOREIGN_KEY_CHECKS = 0",
        }
        self.execute(unchecked[self.config.dialect], member, **values)

    def empty(self) -> None:
        """Delete all rows, and let keys begin at 1 again."""
        tables = [
            *("UM_USER_ATTRIBUTE", "UM_USER_ROLE", "UM_HYBRID_USER_ROLE", "UM_HYBRID_ROLE"),
            *("MI_LDAP_USER", "MI_LDAP_HYBRID_ROLE", "UM_DOMAIN", "UM_ROLE", "UM_USER"),
        ]
        statements = [f"DELETE FROM {table}" for table in tables]  # noqa: S608
        if self.config.dialect == "postgresql":
            statements += [f"ALTER SEQUENCE {table}_SEQ RESTART" for table in tables]
        elif self.config.dialect == "mysql":
            statements += [f"ALTER TABLE {table} AUTO_INCREMENT = 1" for table in tables]
        self.execute(*statements)

    def close(self) -> None:
        for store in self.opened:
            store.close()


@contextmanager
def sqlite_place(folder: Path) -> Iterator[Place]:
    """A file with the tables."""
    with bare_sqlite_place(folder) as place:
        create_tables(place.config)
        yield place


@contextmanager
def bare_sqlite_place(folder: Path) -> Iterator[Place]:
    """A file without tables."""
    config = DatabaseConfig("sqlite", (), str(folder / "users.sqlite"))
    tools = Database(config, creates=True)
    with closing(tools), closing(Place(config, config, tools)) as place:
        yield place


@contextmanager
def server_place(server: DatabaseServer) -> Iterator[Place]:
    """The database of a server, with the tables and no rows."""
    if not server.has_tables:
        create_tables(server.config)
        server.has_tables = True
    with closing(Place(server.config, server.tool, server.tools)) as place:
        place.empty()
        yield place
