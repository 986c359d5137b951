"""`SqlHybridRoles`: hybrid roles in MI's `UM_HYBRID_` tables."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

from mi_ldap.errors import DirectoryUnavailable, Forbidden, MiLdapError
from mi_ldap.hybrid_roles import HybridAccount, HybridAdminRole, HybridMember, HybridRoleReads
from mi_ldap.model import EntryId, Names, Role, User
from mi_ldap.sql.database_errors import DatabaseUnavailable, NotStorable
from mi_ldap.sql.discovery import create_missing, table_names
from mi_ldap.sql.engine import Database
from mi_ldap.sql.hybrid_members import bare_id, domain_and_name, members_of
from mi_ldap.sql.hybrid_queries import HybridQueries, role_key
from mi_ldap.sql.hybrid_rows import HybridRows
from mi_ldap.sql.hybrid_transaction import HybridTransaction
from mi_ldap.sql.hybrid_upkeep import HybridUpkeep
from mi_ldap.sql.hybrid_view import HybridView
from mi_ldap.sql.locks import lock_database, release
from mi_ldap.sql.names import is_storable
from mi_ldap.sql.read_cache import ReadCache
from mi_ldap.sql.tables import NAME_LENGTH, define_tables
from mi_ldap.store import DeleteUser, RevokeRole, Step

log = structlog.get_logger()

T = TypeVar("T")

_RECHECK_S: Final = 5.0
"""Seconds until a read looks again for tables that were missing."""

_NO_TABLES: Final = (
    "Hybrid roles cannot be changed: the database lacks tables of them, and the service's account "
    "may not create them. Create them with: mi-ldap database create."
)


class SqlHybridRoles:
    """Implements `mi_ldap.hybrid_roles.HybridRoles`, whose docstrings specify each method.

    MI's rows name a member by its name and the domain of its user store. For each name the
    service's table `mi_ldap_user` has the id that the name belongs to, and the user's custodian and
    account state.

    Args:
        database: shared with the user store, if that is in the same database.
        admin_role: the full name of the admin role, if it is a hybrid role; else `""`.
        writable: False if the settings allow no changes.
    """

    hides_groups = True

    def __init__(self, database: Database, admin_role: str = "", *, writable: bool = True) -> None:
        self.writable = writable
        self.database = database
        self._admin_role_name = admin_role
        self._cache = ReadCache(database)
        self._tables = define_tables(database.config.dialect)
        self._lock = threading.Lock()
        self._found: HybridQueries | None = None
        self._recheck_at = 0.0

    def close(self) -> None:
        self.database.close()

    def view(self) -> HybridRoleReads:
        return HybridView(self, self._cache, self._queries)

    def contains(self, role: Role) -> bool:
        """Return False: no user store has its roles in these tables."""
        return False

    def clean_up(self) -> None:
        """Do nothing: see `members_without_id`."""

    def check(self) -> None:
        # Missing tables are no fault: the first change creates them.
        if queries := self._queries(rechecks=True):
            self.database.read(queries.probe)

    def find_role(self, name: str) -> Role | None:
        try:
            return self._read(lambda queries, connection: queries.find_role(connection, name))
        except NotStorable:
            return None

    def role_names(self) -> Names:
        found = self._read(lambda queries, connection: queries.role_names(connection))
        return Names(found or ())

    def members(self, role: Role) -> tuple[HybridMember, ...]:
        key = role_key(role)
        return self._read(lambda queries, connection: queries.members(connection, key)) or ()

    def members_without_id(self) -> tuple[HybridMember, ...]:
        return self._read(lambda queries, connection: queries.members_without_id(connection)) or ()

    def roles_of(self, user: User) -> tuple[Role, ...]:
        return self._read(lambda queries, connection: queries.roles_of(connection, user)) or ()

    def admin_role(self) -> HybridAdminRole | None:
        return self._read(lambda queries, connection: queries.admin_role(connection))

    def accounts(self, user_ids: Collection[str]) -> Mapping[str, HybridAccount]:
        return self._read(lambda queries, connection: queries.accounts(connection, user_ids)) or {}

    def dependents_of(self, user: User) -> tuple[EntryId, ...]:
        return self._read(lambda queries, connection: queries.dependents_of(connection, user)) or ()

    def create_role(self, name: str) -> Role:
        if not is_storable(name) or len(name) > NAME_LENGTH:
            raise NotStorable
        return self._write(lambda rows: HybridTransaction(rows).create_role(name))

    def apply(self, steps: tuple[Step, ...], apply_to_stores: Callable[[], None]) -> None:
        is_applied_to_stores = False

        def carry_out(rows: HybridRows) -> None:
            nonlocal is_applied_to_stores
            # `Database.write` repeats a transaction whose commit failed, but the user stores must
            # not carry out their steps twice.
            if is_applied_to_stores:
                raise DatabaseUnavailable
            HybridTransaction(rows).carry_out(steps)
            apply_to_stores()
            is_applied_to_stores = True

        if not all(isinstance(step, DeleteUser | RevokeRole) for step in steps):
            self._write(carry_out)
            return
        # These need no tables of the service's own, which its account may not be allowed to create:
        # without them members are known by their names.
        if queries := self._queries(rechecks=True):
            self._write(carry_out, queries)
        else:
            apply_to_stores()

    def namesakes(self, user: User) -> Mapping[EntryId, str]:
        domain, name = domain_and_name(user)
        found = self._read(
            lambda queries, connection: queries.memberships.identities(connection, domain, name)
        )
        prefix = f"{user.domain}/" if user.domain else ""
        others = (each for each in found or () if each.user_id != bare_id(user))
        return {EntryId(prefix + each.user_id): prefix + each.name for each in others}

    def namesakes_without_id(self, user: User) -> tuple[HybridMember, ...]:
        found = self._read(
            lambda queries, connection: queries.memberships.without_id(connection, user)
        )
        return members_of(found or ())

    def update_users(self, gone: Sequence[User], renamed: Sequence[User]) -> None:
        self._write(lambda rows: HybridUpkeep(rows).update_users(gone, renamed))

    def store_ids(self, found: Sequence[tuple[HybridMember, User]]) -> None:
        self._write(lambda rows: HybridUpkeep(rows).store_ids(found))

    def delete_stale_members(self, members: Sequence[HybridMember]) -> None:
        self._write(lambda rows: HybridUpkeep(rows).delete_stale_members(members))

    def _read(self, action: Callable[[HybridQueries, Connection], T]) -> T | None:
        """Return the result of a read; None in a database without MI's tables of hybrid roles."""
        queries = self._queries()
        if queries is None:
            return None
        return self.database.read(lambda connection: action(queries, connection))

    def _write(self, action: Callable[[HybridRows], T], queries: HybridQueries | None = None) -> T:
        """Return the result of a change in one transaction.

        Args:
            action: carries out the change.
            queries: for a change that needs no tables but those that exist; otherwise missing
                tables are created first.

        Raises:
            Forbidden: missing tables cannot be created.
        """
        found = queries or self._prepared()
        return self.database.write(
            lambda connection: action(HybridRows(connection, found)), release
        )

    def _queries(self, *, rechecks: bool = False) -> HybridQueries | None:
        """Return the queries; None while MI's tables of hybrid roles are missing.

        Tables that were missing are looked for again after some seconds; at once with `rechecks`.
        """
        found = self._found
        # Another process may create the tables. If they have the admins, they must be read at once.
        is_recent = not self._admin_role_name and time.monotonic() < self._recheck_at
        if (found is None or not found.has_service_tables) and (rechecks or not is_recent):
            self._recheck_at = time.monotonic() + _RECHECK_S
            present = self.database.read(table_names)
            if not all(table.name in present for table in self._tables.hybrid):
                return None
            has_service_tables = all(table.name in present for table in self._tables.service_tables)
            self._found = found = HybridQueries(
                self._tables,
                self.database.config.tenant_id,
                has_service_tables=has_service_tables,
                admin_role_name=self._admin_role_name,
            )
        return found

    def _prepared(self) -> HybridQueries:
        """Return the queries for a change; create missing tables first.

        Raises:
            Forbidden: the tables cannot be created.
        """
        with self._lock:
            found = self._queries(rechecks=True)
            if found is None or not found.has_service_tables:
                self._create_tables()
                found = self._queries(rechecks=True)
        if found is None or not found.has_service_tables:
            raise Forbidden(_NO_TABLES)
        return found

    def _create_tables(self) -> None:
        wanted = [*self._tables.hybrid, *self._tables.service_tables]

        def create(connection: Connection) -> list[str]:
            # Another machine may be creating them.
            if connection.dialect.name != "sqlite":
                lock_database(connection)
            return create_missing(connection, wanted)

        try:
            created = self.database.write(create, release)
        except DirectoryUnavailable:
            raise
        except MiLdapError as error:
            raise Forbidden(_NO_TABLES) from error
        log.info("hybrid_tables_created", tables=created)
