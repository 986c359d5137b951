"""The queries of the store, each on a connection of the caller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    func,
    select,
)

from mi_ldap.errors import only_one
from mi_ldap.model import AdminRole, Names, Role, User
from mi_ldap.sql.admin_role_queries import AdminRoleQueries
from mi_ldap.sql.database_errors import UserIdUnusable
from mi_ldap.sql.discovery import Schema
from mi_ldap.sql.name_lists import NameLists, fetch_names
from mi_ldap.sql.names import ANONYMOUS, is_same, is_storable, like_pattern
from mi_ldap.sql.passwords import PLACEHOLDER
from mi_ldap.sql.records import (
    CUSTODIAN,
    PROFILE,
    UNREAD,
    UserRecord,
    records_of,
    revision_of,
    role_of,
    user_key,
)
from mi_ldap.sql.tables import MAX_VALUES

_MAX_KEY = 2**31 - 1
_MAX_DIGITS = 10  # Python refuses to convert thousands


class Queries:
    """Reads of users, roles and memberships of one tenant.

    `mi_ldap.store.UserReads` specifies the methods that have no docstring.

    Args:
        schema: the tables.
        admin_role_name: the name of the admin role.
    """

    def __init__(self, schema: Schema, admin_role_name: str) -> None:
        self.schema = schema
        self.tables = schema.tables
        self.tenant = schema.config.tenant_id
        self.admin_role_name = admin_role_name
        self._lists = NameLists()
        user, attribute = self.tables.user, self.tables.attribute
        columns = [column for column in user.c if column.key != "um_tenant_id"]
        attributes = and_(
            attribute.c.um_user_id == user.c.um_id,
            attribute.c.um_tenant_id == user.c.um_tenant_id,
            attribute.c.um_profile_id == PROFILE,
        )
        self._users = (
            select(
                *(column.label(str(column.key)) for column in columns),
                attribute.c.um_attr_name.label("um_attr_name"),
                attribute.c.um_attr_value.label("um_attr_value"),
            )
            .select_from(user.outerjoin(attribute, attributes))
            .where(user.c.um_tenant_id == self.tenant)
        )
        # Built once: building a statement takes as long as executing it.
        name, role = bindparam("name", type_=String()), self.tables.role.c
        ordered = self._users.order_by(user.c.um_id)
        self._users_by_key = ordered.where(user.c.um_id == bindparam("key"))
        self._users_by_name = self.select_users_named(name).order_by(user.c.um_id)
        id_column = user.c.um_user_id if schema.has_uuid else user.c.um_id
        self._users_by_id = ordered.where(id_column == bindparam("id"))
        self._roles_by_name = (
            select(role.um_id, role.um_role_name)
            .where(role.um_tenant_id == self.tenant)
            .where(self.has_name(role.um_role_name, name, ignores_case=True))
            .order_by(role.um_id)
        )
        self._roles_of_user = self._select_roles_of(bindparam("key"))
        is_named = self.has_name(role.um_role_name, name, ignores_case=True)
        self.admin_roles = AdminRoleQueries(self.tables, self.tenant, is_named)

    # Users

    def records(self, connection: Connection, *where: ColumnElement[bool]) -> list[UserRecord]:
        """Return the users that meet the conditions, in the order of their keys."""
        query = self._users.where(*where).order_by(self.tables.user.c.um_id)
        return self._fetch(connection, query)

    def records_named(self, connection: Connection, name: str) -> list[UserRecord]:
        """Return all users of that name, unfinished ones too."""
        if not is_storable(name):
            return []
        ignores_case = self.schema.config.case_insensitive_names
        found = self._fetch(connection, self._users_by_name, name=name)
        return [each for each in found if is_same(each.name, name, ignores_case=ignores_case)]

    def select_users_named(self, name: ColumnElement[str]) -> Select[Any]:
        """Return a query that finds all users of a name, and maybe others, with attributes."""
        return self._users.where(self.has_name(self.tables.user.c.um_user_name, name))

    def record(self, connection: Connection, user: User) -> UserRecord | None:
        """Return the present state of a user, finished or not."""
        key = user_key(user)
        found = self._fetch(connection, self._users_by_key, key=key) if key else []
        return next((each for each in found if each.id == user.id), None)

    def _fetch(
        self, connection: Connection, query: Select[Any], **values: object
    ) -> list[UserRecord]:
        rows = connection.execute(query, values).mappings()
        return records_of(rows, has_uuid=self.schema.has_uuid)  # type: ignore[arg-type]

    def find_user(self, connection: Connection, name: str) -> User | None:
        found = [each for each in self.records_named(connection, name) if each.is_shown]
        record = only_one("user", name, found)
        return record.user() if record else None

    def user(self, connection: Connection, user_id: str) -> User | None:
        stored_id = self._stored_id(user_id)
        if stored_id is None:
            return None
        found = self._fetch(connection, self._users_by_id, id=stored_id)
        return only_user(each for each in found if each.id == user_id)

    def users(self, connection: Connection, ids: Iterable[str]) -> dict[str, list[UserRecord]]:
        """Return the users with those ids, by id, in a statement for each 500."""
        known = (self._stored_id(user_id) for user_id in ids)
        wanted = [stored_id for stored_id in known if stored_id is not None]
        column = self.tables.user.c.um_user_id if self.schema.has_uuid else self.tables.user.c.um_id
        found: dict[str, list[UserRecord]] = {}
        if len(wanted) == 1:  # the performer of each request
            for record in self._fetch(connection, self._users_by_id, id=wanted[0]):
                found.setdefault(record.id, []).append(record)
            return found
        for start in range(0, len(wanted), MAX_VALUES):
            for record in self.records(connection, column.in_(wanted[start : start + MAX_VALUES])):
                found.setdefault(record.id, []).append(record)
        return found

    def user_names(self, connection: Connection, like: str | None) -> Names:
        column = self.tables.user.c.um_user_name
        query = select(column).where(*self._listed())
        if like is None or not is_storable(like):
            return self._lists.fetch(connection, "users", query)
        matches = self._is_like(column, like_pattern(like))
        return Names(fetch_names(connection, query.where(matches)))

    def dependents_of(self, connection: Connection, user: User) -> tuple[User, ...]:
        attribute = self.tables.attribute.c
        keys = select(attribute.um_user_id).where(
            attribute.um_attr_name == CUSTODIAN,
            attribute.um_profile_id == PROFILE,
            attribute.um_attr_value == str(user.id),
            attribute.um_tenant_id == self.tenant,
        )
        found = self.records(connection, self.tables.user.c.um_id.in_(keys))
        return tuple(
            each.user() for each in found if each.custodian_id == user.id and each.is_shown
        )

    # Roles

    def roles_named(self, connection: Connection, name: str) -> list[tuple[int, str]]:
        """Return keys and names of all roles of that name; their case is ignored."""
        if not is_storable(name):
            return []
        rows = connection.execute(self._roles_by_name, {"name": name})
        found = [(key, stored) for key, stored in rows]
        return [each for each in found if is_same(each[1], name, ignores_case=True)]

    def find_role(
        self, connection: Connection, name: str, *, is_shown_only: bool = False
    ) -> Role | None:
        """Return the role of that name, or None.

        Args:
            connection: of the caller.
            name: the name; its case is ignored.
            is_shown_only: whether the role's revision is not needed, see `records.UNREAD`.

        Raises:
            AmbiguousName: two roles match.
        """
        found = only_one("role", name, self.roles_named(connection, name))
        if found is None:
            return None
        key, stored = found
        return role_of(key, stored, UNREAD if is_shown_only else self.revision(connection, key))

    def revision(self, connection: Connection, role_key: int) -> str:
        """Return a text that differs after every change of the members, by any client."""
        member = self.tables.user_role.c
        query = select(func.count(), func.max(member.um_id)).where(*self._members_of(role_key))
        count, last_key = connection.execute(query).one()
        return revision_of(count, last_key)

    def role_names(self, connection: Connection) -> Names:
        role = self.tables.role.c
        query = select(role.um_role_name).where(role.um_tenant_id == self.tenant)
        return self._lists.fetch(connection, "roles", query)

    def roles_of(self, connection: Connection, user: User) -> tuple[Role, ...]:
        rows = connection.execute(self._roles_of_user, {"key": user_key(user)})
        return tuple(role_of(key, name) for key, name in rows)

    def _select_roles_of(self, key: BindParameter[Any]) -> Select[Any]:
        member, role = self.tables.user_role.c, self.tables.role.c
        return (
            select(role.um_id, role.um_role_name)
            .join_from(self.tables.user_role, self.tables.role, self._role_of_member())
            .where(member.um_user_id == key, member.um_tenant_id == self.tenant)
            .order_by(role.um_role_name)
        )

    def member_names(self, connection: Connection, role_key: int) -> Names:
        user = self.tables.user
        query = (
            select(user.c.um_user_name)
            .join_from(self.tables.user_role, user, self.user_of_member())
            .where(*self._members_of(role_key), *self._listed())
        )
        return self._lists.fetch(connection, ("members", role_key), query)

    # The admin role

    def admin_role(self, connection: Connection) -> AdminRole | None:
        return self.admin_roles.find(connection, self.admin_role_name)

    def holders(self, connection: Connection, admin_role: AdminRole) -> list[UserRecord]:
        """Return all users with the admin role, without those that reads do not return."""
        member = self.tables.user_role.c
        keys = select(member.um_user_id).where(*self._members_of(int(admin_role.role.id)))
        found = self.records(connection, self.tables.user.c.um_id.in_(keys))
        # A user without an id cannot log in, and must not block changes of the other admins.
        return [each for each in found if each.is_shown and each.has_id]

    # Conditions

    def has_name(
        self,
        column: ColumnElement[str],
        name: str | ColumnElement[str],
        *,
        ignores_case: bool | None = None,
    ) -> ColumnElement[bool]:
        """Return a condition that all rows of that name meet, and maybe others."""
        if ignores_case is None:
            ignores_case = self.schema.config.case_insensitive_names
        if not ignores_case or self.schema.collation_ignores_case:
            return column == name
        return func.lower(column) == func.lower(name)

    def _is_like(self, column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Return a condition that all names meet that match a lower-case pattern, maybe others."""
        # An index can be used for the beginning of the column only. MariaDB's collations do not
        # take the Kelvin sign for a `k`, as LOWER() does.
        if self.schema.collation_ignores_case and pattern[:1] != "%" and "k" not in pattern:
            return column.like(pattern, escape="!")
        return func.lower(column).like(pattern, escape="!")

    def _stored_id(self, user_id: str) -> str | int | None:
        """Return the value of the column of ids; None if the text cannot be an id."""
        if self.schema.has_uuid:
            return user_id if is_storable(user_id) else None
        is_key = user_id.isascii() and user_id.isdigit() and len(user_id) <= _MAX_DIGITS
        return int(user_id) if is_key and int(user_id) <= _MAX_KEY else None

    def _listed(self) -> Iterable[ColumnElement[bool]]:
        """Return the conditions for users in lists; placeholder passwords mark unfinished ones."""
        user = self.tables.user.c
        return (
            user.um_tenant_id == self.tenant,
            user.um_user_name != ANONYMOUS,
            user.um_user_password.not_like(f"{PLACEHOLDER}%"),
        )

    def _members_of(self, role_key: int) -> Iterable[ColumnElement[bool]]:
        member = self.tables.user_role.c
        return member.um_role_id == role_key, member.um_tenant_id == self.tenant

    def _role_of_member(self) -> ColumnElement[bool]:
        member, role = self.tables.user_role.c, self.tables.role.c
        return and_(member.um_role_id == role.um_id, member.um_tenant_id == role.um_tenant_id)

    def user_of_member(self) -> ColumnElement[bool]:
        """Return the condition that joins a membership with its user."""
        member, user = self.tables.user_role.c, self.tables.user.c
        return and_(member.um_user_id == user.um_id, member.um_tenant_id == user.um_tenant_id)


def only_user(found: Iterable[UserRecord]) -> User | None:
    """Return the user of rows with one id, or None if reads return none of them."""
    shown = [each for each in found if each.is_shown]
    if len(shown) > 1:  # no unique index: it is unknown whose token has the id
        raise UserIdUnusable
    return shown[0].user() if shown else None
