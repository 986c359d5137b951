"""MI's tables in a database that the benchmark starts, and what its driver alone takes."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

from benchmarks.population import OUTSIDERS, PASSWORD, Population, entry_uuid, user_name
from benchmarks.target import MARIADB, Target
from mi_ldap.sql import DatabaseConfig
from mi_ldap.sql import mysql as mysql_driver
from mi_ldap.sql import postgresql as postgresql_driver
from mi_ldap.sql.schema import create_tables
from tests.sql.servers import DatabaseServer, MariaDb, PostgreSql

_TENANT = -1234
_SALT = "bWktYmVuY2gtc2FsdC0wMQ=="
_ROWS_AT_ONCE = 5000
_CONNECT_S = 10.0
_JDBC = {"postgresql": "postgresql", "mysql": "mariadb"}

_NAMES = "SELECT UM_USER_NAME FROM UM_USER WHERE UM_TENANT_ID = %s ORDER BY UM_USER_NAME"
_PASSWORD = (
    "SELECT UM_USER_PASSWORD, UM_SALT_VALUE FROM UM_USER "  # noqa: S105
    "WHERE {} AND UM_TENANT_ID = %s"
)
_ADD_USERS = (
    "INSERT INTO UM_USER (UM_ID, UM_USER_ID, UM_USER_NAME, UM_USER_PASSWORD, UM_SALT_VALUE, "
    "UM_CHANGED_TIME, UM_TENANT_ID) VALUES (%s, %s, %s, %s, %s, '2026-01-01 00:00:00', %s)"
)
_ADD_ROLES = "INSERT INTO UM_ROLE (UM_ID, UM_ROLE_NAME, UM_TENANT_ID) VALUES (%s, %s, %s)"
_ADD_MEMBERS = "INSERT INTO UM_USER_ROLE (UM_USER_ID, UM_ROLE_ID, UM_TENANT_ID) VALUES (%s, %s, %s)"
_GIVE = (
    "INSERT INTO UM_USER_ROLE (UM_USER_ID, UM_ROLE_ID, UM_TENANT_ID) "
    "SELECT u.UM_ID, r.UM_ID, u.UM_TENANT_ID FROM UM_USER u, UM_ROLE r "
    "WHERE u.UM_USER_NAME = %s AND r.UM_ROLE_NAME = %s"
)
_TAKE = (
    "DELETE FROM UM_USER_ROLE WHERE UM_USER_ID = (SELECT UM_ID FROM UM_USER "
    "WHERE UM_USER_NAME = %s) AND UM_ROLE_ID = (SELECT UM_ID FROM UM_ROLE WHERE UM_ROLE_NAME = %s)"
)


@contextmanager
def started(directory: str, population: Population) -> Iterator[Target]:
    """Start PostgreSQL or MariaDB with the population in MI's tables."""
    with MariaDb() if directory == MARIADB else PostgreSql() as server:
        create_tables(server.config)
        with closing(connect(server.config)) as connection:
            _fill(connection, population)
            _advance_keys(connection, server)
        host, port = server.config.hosts[0]
        url = f"jdbc:{_JDBC[server.config.dialect]}://{host}:{port}/{server.config.database}"
        yield Target(directory, url, server.config.username, server.config.password)


def connect(config: DatabaseConfig) -> Any:
    """Return a connection of the driver that the service uses, in autocommit mode; close it."""
    driver: Any = postgresql_driver if config.dialect == "postgresql" else mysql_driver
    return driver.connect(config, *config.hosts[0], _CONNECT_S)


class BareDatabase:
    """The database asked by its driver alone.

    Args:
        target: the database.
    """

    def __init__(self, target: Target) -> None:
        self._connection = connect(target.database_config)

    def close(self) -> None:
        self._connection.close()

    def list_s(self, *, paged: bool) -> float:
        """Seconds for the names of all users, as JSON."""
        began_s = time.perf_counter()
        with self._connection.cursor() as cursor:
            cursor.execute(_NAMES, (_TENANT,))
            names = [{"userId": name} for (name,) in cursor.fetchall()]
        json.dumps({"count": len(names), "list": names})
        return time.perf_counter() - began_s

    def give(self, role: str, *users: str) -> None:
        """Let users have a role."""
        self._each(_GIVE, role, users)

    def take(self, role: str, *users: str) -> None:
        """Revoke a role from users."""
        self._each(_TAKE, role, users)

    def _each(self, statement: str, role: str, users: tuple[str, ...]) -> None:
        with self._connection.cursor() as cursor:
            for user in users:
                cursor.execute(statement, (user, role))


def password_check(target: Target) -> Callable[[str, str], bool]:
    """Return what verifies a password with one statement on a kept connection."""
    config = target.database_config
    connection = connect(config)
    # As the index has the names.
    is_lowered = config.dialect == "postgresql"
    has_name = "LOWER(UM_USER_NAME) = LOWER(%s)" if is_lowered else "UM_USER_NAME = %s"
    statement = _PASSWORD.format(has_name)

    def check(name: str, password: str) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(statement, (name, _TENANT))
            stored, salt = cursor.fetchone() or ("", "")
        return bool(stored == _digest(password, salt))

    return check


def _fill(connection: Any, population: Population) -> None:
    digest = _digest(PASSWORD, _SALT)
    names = [*map(user_name, range(1, population.users + 1)), *OUTSIDERS]
    keys = {name: number for number, name in enumerate(names, 1)}
    users = (
        (number, entry_uuid(number), name, digest, _SALT, _TENANT) for name, number in keys.items()
    )
    roles = [
        (number, name, members) for number, (name, members) in enumerate(population.roles(), 1)
    ]
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        _add(cursor, _ADD_USERS, users)
        _add(cursor, _ADD_ROLES, ((number, name, _TENANT) for number, name, _ in roles))
        members = (
            (keys[member], number, _TENANT) for number, _, found in roles for member in found
        )
        _add(cursor, _ADD_MEMBERS, members)
        cursor.execute("COMMIT")


def _add(cursor: Any, statement: str, rows: Iterator[tuple[object, ...]]) -> None:
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        cursor.executemany(statement, batch)


def _advance_keys(connection: Any, server: DatabaseServer) -> None:
    """Let new rows get keys after those that were given, and count the rows for the planner."""
    with connection.cursor() as cursor:
        if server.config.dialect == "postgresql":
            for table in ("um_user", "um_role"):
                cursor.execute(f"SELECT setval('{table}_seq', (SELECT MAX(um_id) FROM {table}))")  # noqa: S608
            cursor.execute("ANALYZE")
        else:
            cursor.execute("ANALYZE TABLE UM_USER, UM_ROLE, UM_USER_ROLE")
            cursor.fetchall()


def _digest(password: str, salt: str | None) -> str:
    return base64.b64encode(hashlib.sha256((password + (salt or "")).encode()).digest()).decode()
