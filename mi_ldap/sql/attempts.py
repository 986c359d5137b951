"""Changes that the doctor tries, to find out which rights the service's account has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import Connection, Table, bindparam, select, text, update
from sqlalchemy.exc import DBAPIError

from mi_ldap.errors import ReadOnlyStore
from mi_ldap.sql.discovery import create_missing
from mi_ldap.sql.engine import Database
from mi_ldap.sql.rows import insert_row


@dataclass(frozen=True, slots=True)
class Right:
    """A right of the service's account.

    Attributes:
        what: the change, `"create users"`.
        held: whether the account may make the change; None if it could not be tried.
    """

    what: str
    held: bool | None


def try_changes(database: Database, changes: Callable[[Attempts], None]) -> list[Right]:
    """Try changes in a transaction that is rolled back; return the right that each one needs.

    The list is empty if the database takes no changes at all.
    """

    def carry_out(connection: Connection) -> NoReturn:
        attempts = Attempts(connection, database.config.tenant_id)
        changes(attempts)
        raise _RolledBack(attempts.rights)

    try:
        database.write(carry_out)
    except _RolledBack as ended:
        return ended.rights
    except ReadOnlyStore:
        return []


def tables_without_transactions(database: Database, tables: Iterable[Table]) -> list[str]:
    """Return the tables of MariaDB and MySQL whose engine cannot roll back a change."""
    if database.config.dialect != "mysql":
        return []
    names = [table.name.upper() for table in tables]
    found = text(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
        "AND engine <> 'InnoDB' AND upper(table_name) IN :names"
    ).bindparams(bindparam("names", names, expanding=True))
    return database.read(lambda c: sorted(c.execute(found).scalars()))


class _RolledBack(Exception):
    """Ends the transaction of `try_changes`."""

    def __init__(self, rights: list[Right]) -> None:
        super().__init__()
        self.rights = rights


class Attempts:
    """Changes that are tried, each in a savepoint: an error ends only its own change."""

    def __init__(self, connection: Connection, tenant_id: int) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self.rights: list[Right] = []

    def create_tables(self, what: str, tables: Sequence[Table]) -> int | None:
        """Return how many tables were missing; None if they were not created.

        Not for MariaDB and MySQL, which commit when a table is created.
        """
        return self._try(what, lambda: len(create_missing(self._connection, tables)))

    def insert(
        self, what: str, table: Table, values: Mapping[str, Any], *needed: int | None
    ) -> int | None:
        """Return the id of the new row; None if it was not created."""
        if None in needed:
            self.rights.append(Right(what, None))
            return None
        row = {**values, "um_tenant_id": self._tenant_id}
        return self._try(what, lambda: insert_row(self._connection, table, row))

    def update(self, what: str, table: Table, row: int | None, values: Mapping[str, Any]) -> None:
        self._change(what, row, self._row(update(table).values(values), table, row))

    def delete(self, what: str, table: Table, row: int | None) -> None:
        self._change(what, row, self._row(table.delete(), table, row))

    def lock(self, what: str, table: Table, row: int | None) -> None:
        # In PostgreSQL an account that locks a row needs the right to change it.
        query = self._row(select(_key(table)), table, row).with_for_update()
        self._change(what, row, query)

    def _change(self, what: str, row: int | None, statement: Any) -> None:
        if row is None:
            self.rights.append(Right(what, None))
            return
        self._try(what, lambda: self._execute(statement))

    def _execute(self, statement: Any) -> int:
        result = self._connection.execute(statement)
        return len(result.all()) if result.returns_rows else result.rowcount

    def _row(self, statement: Any, table: Table, row: int | None) -> Any:
        return statement.where(_key(table) == row, table.c.um_tenant_id == self._tenant_id)

    def _try(self, what: str, change: Callable[[], int]) -> int | None:
        try:
            with _savepoint(self._connection):
                result = change()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            self.rights.append(Right(what, False))
            return None
        self.rights.append(Right(what, True))
        return result


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("SAVEPOINT attempt")
    try:
        yield
    except DBAPIError as error:
        if not error.connection_invalidated:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT attempt")
        raise
    connection.exec_driver_sql("RELEASE SAVEPOINT attempt")


def _key(table: Table) -> Any:
    """Return the column of the generated ids."""
    return next(iter(table.primary_key.columns))
