"""What the doctor reads from a database, and the changes that it tries and rolls back."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Table, and_, func, select

from mi_ldap.sql.attempts import Attempts, Right, tables_without_transactions, try_changes
from mi_ldap.sql.engine import Database
from mi_ldap.sql.names import lowered
from mi_ldap.sql.passwords import PLACEHOLDER
from mi_ldap.sql.tables import Layout, Tables, define_tables

# The length of the base64 text of each digest.
DIGEST_LENGTHS: Final[Mapping[str, int]] = {
    "MD5": 24,
    "SHA-1": 28,
    "SHA-256": 44,
    "SHA-384": 64,
    "SHA-512": 88,
}


class Inspection:
    """Reads of one database.

    Args:
        database: the pool of the connections.
        layout: of MI's tables.
        has_hybrid_roles: whether there are the tables of hybrid roles.
    """

    def __init__(self, database: Database, layout: Layout, *, has_hybrid_roles: bool) -> None:
        self._has_hybrid_roles = has_hybrid_roles
        self._database = database
        self._config = database.config
        self._tables = define_tables(self._config.dialect, layout)

    def tables_without_transactions(self) -> list[str]:
        """Return the tables of MariaDB and MySQL whose engine cannot roll back a change."""
        return tables_without_transactions(self._database, self._tables.required)

    def rights(self) -> list[Right]:
        """Return the rights that the changes of the service need; see `try_changes`."""
        return try_changes(self._database, self._try_changes)

    def _try_changes(self, attempts: Attempts) -> None:
        tables, name = self._tables, f"mi_ldap.doctor.{secrets.token_hex(8)}"
        user_id = attempts.insert("create users", tables.user, _new_user(tables, name))
        role_id = attempts.insert("create roles", tables.role, {"um_role_name": name})
        membership = {"um_user_id": user_id, "um_role_id": role_id}
        row = attempts.insert("assign roles", tables.user_role, membership, user_id, role_id)
        attempts.delete("revoke roles", tables.user_role, row)
        attribute = {"um_user_id": user_id, "um_attr_name": "custodian", "um_attr_value": "x"}
        attribute["um_profile_id"] = "mi_ldap"
        row = attempts.insert("write attributes", tables.attribute, attribute, user_id)
        attempts.update("change attributes", tables.attribute, row, {"um_attr_value": "y"})
        attempts.delete("delete attributes", tables.attribute, row)
        attempts.update("set passwords", tables.user, user_id, {"um_user_password": "x"})
        attempts.lock("lock roles", tables.role, role_id)
        if self._has_hybrid_roles:
            attempts.delete("delete hybrid roles of users", tables.hybrid_user_role, 0)
        attempts.delete("delete users", tables.user, user_id)
        attempts.delete("delete roles", tables.role, role_id)

    def duplicate_names(self, table: Literal["user", "role"]) -> list[str]:
        """Return the names, sorted, that several rows have, compared as the store compares them."""
        column = self._column(table)
        statement = select(column).where(self._is_ours(column.table))
        names = self._database.read(lambda c: list(c.execute(statement).scalars()))
        folds = table == "role" or self._config.case_insensitive_names
        counts = Counter(lowered(name) if folds else name for name in names)
        return sorted(name for name, count in counts.items() if count > 1)

    def users_without_id(self) -> list[str]:
        """Return the names of the users whose `UM_USER_ID` is blank; none in the old layout."""
        user = self._tables.user.c
        if "um_user_id" not in user:
            return []
        is_blank = func.trim(user.um_user_id) == ""
        query = select(user.um_user_name).where(self._is_ours(self._tables.user), is_blank)
        return self._database.read(lambda c: sorted(c.execute(query).scalars()))

    def _column(self, table: Literal["user", "role"]) -> Any:
        tables = self._tables
        return tables.user.c.um_user_name if table == "user" else tables.role.c.um_role_name

    def dangling_rows(self) -> dict[str, int]:
        """Return how many rows of each table refer to a user or role that does not exist."""
        tables = self._tables
        found: Counter[str] = Counter()
        for table, column, target in (
            (tables.user_role, "um_user_id", tables.user),
            (tables.user_role, "um_role_id", tables.role),
            (tables.attribute, "um_user_id", tables.user),
        ):
            found[table.name] += self._orphans(table, column, target)
        return {name: count for name, count in found.items() if count}

    def _orphans(self, table: Table, column: str, target: Table) -> int:
        joined = table.outerjoin(
            target,
            and_(
                table.c[column] == target.c.um_id,
                table.c.um_tenant_id == target.c.um_tenant_id,
            ),
        )
        statement = (
            select(func.count())
            .select_from(joined)
            .where(self._is_ours(table), target.c.um_id.is_(None))
        )
        return self._database.read(lambda c: int(c.execute(statement).scalar_one()))

    def passwords(self) -> dict[tuple[int, bool], int]:
        """Return how many users have a password of that length, with a salt or without."""
        user = self._tables.user
        length, salted = func.length(user.c.um_user_password), user.c.um_salt_value.is_not(None)
        is_finished = user.c.um_user_password.not_like(f"{PLACEHOLDER}%")
        statement = (
            select(length, salted, func.count())
            .where(self._is_ours(user), is_finished)
            .group_by(length, salted)
        )
        rows = self._database.read(lambda c: c.execute(statement).all())
        return {(int(size), bool(has_salt)): int(count) for size, has_salt, count in rows}

    def _is_ours(self, table: Table) -> Any:
        return table.c.um_tenant_id == self._config.tenant_id


def _new_user(tables: Tables, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "um_user_name": name,
        "um_user_password": f"{PLACEHOLDER}doctor",
        "um_changed_time": datetime.now(UTC).replace(tzinfo=None),
    }
    return {**row, "um_user_id": name} if tables.layout == "current" else row
