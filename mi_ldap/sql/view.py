"""The reads of one request: those that authorize it, and a user together with its roles."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    cast,
    null,
    select,
    union_all,
)

from mi_ldap.errors import only_one
from mi_ldap.forwarded_reads import ForwardedReads
from mi_ldap.model import AdminRole, EntryId, Role, User, UserDetails
from mi_ldap.sql.database_errors import NotStorable
from mi_ldap.sql.names import is_same, is_storable
from mi_ldap.sql.read_cache import ReadCache
from mi_ldap.sql.reads import Queries
from mi_ldap.sql.records import records_of, role_of
from mi_ldap.store import Read, ReadUser, UserReads

_ROLE_COLUMNS: Final = {"um_role_id": Integer(), "um_role_name": String()}
"""Columns that the statement adds to those of a user: a row has a user, or one of its roles."""


class CachedReads(ForwardedReads):
    """Implements `mi_ldap.store.UserReads` for reads that authorize requests.

    Args:
        store: carries out the other reads.
        cache: holds users and the admin role, where the database can report changes.
        queries: those of the store.
    """

    def __init__(self, store: UserReads, cache: ReadCache, queries: Queries) -> None:
        super().__init__(store)
        self._cache = cache
        self._queries = queries

    def prefetch(self, *reads: Read) -> UserReads:
        # The store reads many users by id, such as the members of a hybrid role, in one statement.
        # Other reads are carried out when they are called: their results are usually in memory.
        has_ids_only = all(isinstance(read, ReadUser) for read in reads)
        return self._reads.prefetch(*reads) if has_ids_only and len(reads) > 1 else self

    def user(self, user_id: str) -> User | None:
        try:
            return self._cache.get(
                ("user", user_id), lambda connection: self._queries.user(connection, user_id)
            )
        except NotStorable:
            return None

    def admin_role(self) -> AdminRole | None:
        return self._cache.get("admin role", self._queries.admin_role)


class View(CachedReads):
    """Implements `mi_ldap.store.UserReads` for one request.

    `find_user` reads the roles with the user, and keeps them for `details`.

    Args:
        store: carries out the other reads.
        cache: holds users with their roles, where the database can report changes.
        queries: those of the store.
        user_queries: read a user with its roles.
    """

    def __init__(
        self, store: UserReads, cache: ReadCache, queries: Queries, user_queries: UserQueries
    ) -> None:
        super().__init__(store, cache, queries)
        self._user_queries = user_queries
        self._roles: dict[EntryId, tuple[Role, ...]] = {}

    def find_user(self, name: str) -> User | None:
        try:
            found = self._cache.get(
                ("user with roles", name),
                lambda connection: self._user_queries.find(connection, name),
                _size,
            )
        except NotStorable:
            return None
        if found is None:
            return None
        user, self._roles[user.id] = found
        return user

    def find_role(self, name: str) -> Role | None:
        """Return a role, whose revision is not read: that would count all its members."""
        try:
            return self._cache.get(
                ("role", name),
                lambda connection: self._queries.find_role(connection, name, is_shown_only=True),
            )
        except NotStorable:
            return None

    def details(self, user: User) -> UserDetails:
        roles = self._roles.get(user.id)
        if roles is None:
            return self._reads.details(user)
        custodian_id = user.custodian_id
        return UserDetails(roles, self.user(custodian_id) if custodian_id else None)


def _size(found: tuple[User, tuple[Role, ...]] | None) -> int:
    """Return the number of users and roles in a value of the cache."""
    return 1 + len(found[1]) if found else 1


class UserQueries:
    """The statement that reads a user by its name, with its roles.

    Args:
        queries: those of the store.
    """

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        name = bindparam("name", type_=String())
        # Built once: building a statement takes as long as executing it.
        self._statement = union_all(self._select_user(name), self._select_roles(name))

    def find(self, connection: Connection, name: str) -> tuple[User, tuple[Role, ...]] | None:
        """Return the user with that name and the roles assigned to it; None if there is none.

        Raises:
            AmbiguousName: two users match.
        """
        if not is_storable(name):
            return None
        schema = self._queries.schema
        rows = connection.execute(self._statement, {"name": name}).mappings().all()
        of_users = [row for row in rows if row["um_role_id"] is None]
        ignores_case = schema.config.case_insensitive_names
        found = [
            each
            for each in records_of(of_users, has_uuid=schema.has_uuid)  # type: ignore[arg-type]
            if each.is_shown and is_same(each.name, name, ignores_case=ignores_case)
        ]
        record = only_one("user", name, found)
        if record is None:
            return None
        roles = sorted(
            (row["um_role_name"], row["um_role_id"])
            for row in rows
            if row["um_role_id"] is not None and row["um_id"] == record.key
        )
        return record.user(), tuple(role_of(key, role) for role, key in roles)

    def _select_user(self, name: ColumnElement[str]) -> Select[Any]:
        """Return the query of the users of a name, with empty columns of roles."""
        no_role = (self._null(kind).label(key) for key, kind in _ROLE_COLUMNS.items())
        return self._queries.select_users_named(name).add_columns(*no_role)

    def _select_roles(self, name: ColumnElement[str]) -> Select[Any]:
        """Return the query of these users' roles, with the columns of `_select_user`."""
        tables = self._queries.tables
        user, member, role = tables.user, tables.user_role, tables.role
        given = {
            "um_id": user.c.um_id,
            "um_user_name": user.c.um_user_name,
            "um_role_id": role.c.um_id,
            "um_role_name": role.c.um_role_name,
        }
        columns = [
            given.get(str(each.key), self._null(each.type)).label(str(each.key))
            for each in self._select_user(name).selected_columns
        ]
        is_member = and_(
            member.c.um_user_id == user.c.um_id, member.c.um_tenant_id == user.c.um_tenant_id
        )
        is_role = and_(
            role.c.um_id == member.c.um_role_id, role.c.um_tenant_id == member.c.um_tenant_id
        )
        return (
            select(*columns)
            .select_from(user.join(member, is_member).join(role, is_role))
            .where(user.c.um_tenant_id == self._queries.tenant)
            .where(self._queries.has_name(user.c.um_user_name, name))
        )

    def _null(self, kind: Any) -> ColumnElement[Any]:
        # PostgreSQL takes an untyped NULL for a text; MySQL casts to no boolean and no timestamp.
        is_typed = self._queries.schema.config.dialect == "postgresql"
        return cast(null(), kind) if is_typed else null()
