"""The lock under which all changes of one user store are made: the row of the admin role.

All service machines wait for this lock. So does MI when it assigns the admin role, because a new
membership refers to the row. While there is no admin role, the lock is one of the database.
"""

from __future__ import annotations

import math
from typing import Final

from sqlalchemy import Connection, select, text

from mi_ldap.deadline import remaining_s
from mi_ldap.sql.database_errors import DatabaseUnavailable
from mi_ldap.sql.names import is_same
from mi_ldap.sql.reads import Queries

_ADVISORY_KEY: Final = 0x6D69_6C64_6170  # "mildap"
_MYSQL_LOCK: Final = "CONCAT('mi_ldap ', MD5(DATABASE()))"
_HELD: Final = "database_lock"


def lock(connection: Connection, queries: Queries) -> int | None:
    """Take the lock; return the key of the admin role, or None if there is none.

    The rows stay locked until the transaction ends. Of two roles of that name all are locked.
    """
    found = _lock_admin_role(connection, queries)
    if found is None and connection.dialect.name != "sqlite":  # BEGIN IMMEDIATE has locked it
        lock_database(connection)
        found = _lock_admin_role(connection, queries)
    return found


def release(connection: Connection) -> None:
    """Release the database's lock, if the transaction that has ended held it."""
    if connection.info.pop(_HELD, False):
        connection.execute(text(f"SELECT RELEASE_LOCK({_MYSQL_LOCK})"))


def lock_rows(connection: Connection, queries: Queries, role_keys: set[int]) -> dict[int, str]:
    """Lock the rows of roles, in the order of their keys; return the names of those there are."""
    role = queries.tables.role.c
    query = (
        select(role.um_id.label("um_id"), role.um_role_name.label("um_role_name"))
        .where(role.um_id.in_(sorted(role_keys)), role.um_tenant_id == queries.tenant)
        .order_by(role.um_id)
        .with_for_update()
    )
    return {row.um_id: row.um_role_name for row in connection.execute(query)} if role_keys else {}


def _lock_admin_role(connection: Connection, queries: Queries) -> int | None:
    name = queries.admin_role_name
    # By key: without an index of the names, a locking search by name would lock further rows.
    keys = {key for key, _ in queries.roles_named(connection, name)}
    locked_rows = lock_rows(connection, queries, keys)
    same = (key for key, found in locked_rows.items() if is_same(found, name, ignores_case=True))
    return min(same, default=None)


def lock_database(connection: Connection) -> None:
    """Take the lock that is used while there is no admin role; `release` must follow."""
    if connection.info.get(_HELD):  # MySQL counts how often it was taken
        return
    if connection.dialect.name == "postgresql":
        # Released at the end of the transaction.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY})
        return
    query = text(f"SELECT GET_LOCK({_MYSQL_LOCK}, :timeout)")
    if not connection.scalar(query, {"timeout": max(1, math.floor(remaining_s()))}):
        raise DatabaseUnavailable("The database is busy. Try again later.")
    # This lock belongs to the connection, not to the transaction.
    connection.info[_HELD] = True
