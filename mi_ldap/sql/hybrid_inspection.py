"""What the doctor reads from the tables of hybrid roles, and changes that it rolls back."""

from __future__ import annotations

import secrets
from typing import Final

from mi_ldap.sql.attempts import Attempts, Right, tables_without_transactions, try_changes
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.engine import Database
from mi_ldap.sql.schema import SchemaReport, hybrid_tables, report_on_hybrid
from mi_ldap.sql.tables import define_tables

_CREATE: Final = "create the missing tables"


class HybridInspection:
    """Reads of the tables of hybrid roles in one database, and changes that are rolled back.

    Args:
        database: the connections.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables = define_tables(self.config.dialect)

    @property
    def config(self) -> DatabaseConfig:
        return self._database.config

    def report(self) -> SchemaReport:
        """Return which tables and columns are missing."""
        return self._database.read(lambda c: report_on_hybrid(c, self.config.dialect))

    def tables_without_transactions(self) -> list[str]:
        """Return the tables of MariaDB and MySQL whose engine cannot roll back a change."""
        return tables_without_transactions(self._database, hybrid_tables(self._tables))

    def rights(self, *, has_all_tables: bool) -> list[Right]:
        """Try the changes of hybrid roles, and roll them back.

        Args:
            has_all_tables: whether no table is missing. Otherwise the missing tables are created
                first, except in MySQL, which cannot roll that back: the right is then unknown.

        Returns:
            The rights; none if the database takes no changes.
        """
        if has_all_tables:
            return try_changes(self._database, self._try_changes)
        if self.config.dialect == "mysql":  # which commits when a table is created
            return [Right(_CREATE, None)]
        return try_changes(self._database, self._try_with_new_tables)

    def _try_with_new_tables(self, attempts: Attempts) -> None:
        if attempts.create_tables(_CREATE, hybrid_tables(self._tables)) is not None:
            self._try_changes(attempts)

    def _try_changes(self, attempts: Attempts) -> None:
        tables, name = self._tables, f"mi_ldap.doctor.{secrets.token_hex(8)}"
        domain = attempts.insert("add domains", tables.domain, {"um_domain_name": name.upper()})
        role = attempts.insert("create roles", tables.hybrid_role, {"um_role_name": name})
        attempts.lock("lock roles", tables.hybrid_role, role)
        member = {"um_user_name": name, "um_role_id": role, "um_domain_id": domain}
        row = attempts.insert("assign roles", tables.hybrid_user_role, member, role, domain)
        attempts.delete("revoke roles", tables.hybrid_user_role, row)
        user = {"domain_name": name.upper(), "user_id": name, "user_name": name}
        row = attempts.insert("store ids of users", tables.hybrid_user, user)
        attempts.update("store custodians", tables.hybrid_user, row, {"custodian": name})
        attempts.lock("lock users", tables.hybrid_user, row)
        attempts.delete("delete ids of users", tables.hybrid_user, row)
        states, state = tables.hybrid_role_state, {"um_role_id": role, "revision": name}
        row = attempts.insert("store revisions of roles", states, state, role)
        attempts.update("change revisions of roles", states, row, {"revision": "x"})
        attempts.delete("delete revisions of roles", states, row)
        attempts.delete("delete roles", tables.hybrid_role, role)
