"""The queries of the admin role: its members, and the mark that there was a first admin."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    String,
    Table,
    and_,
    cast,
    func,
    literal,
    select,
)

from mi_ldap.errors import AdminRoleUnclear
from mi_ldap.model import AdminRole, entry_id
from mi_ldap.sql.names import is_same
from mi_ldap.sql.records import (
    MARK_PREFIX,
    PROFILE,
    mark_name,
    revision_of,
    role_of,
    user_locator,
)
from mi_ldap.sql.tables import Tables


class AdminRoleQueries:
    """Reads of the admin role of one tenant.

    Args:
        tables: the tables.
        tenant: the id of the tenant.
        is_named: a condition that all roles named `name`, a bound parameter, meet; maybe others.
    """

    def __init__(self, tables: Tables, tenant: int, is_named: ColumnElement[bool]) -> None:
        self._tables = tables
        self._tenant = tenant
        # Built once: building a statement takes as long as executing it.
        self._statement = self._select(is_named)
        self._last_holders: tuple[str, frozenset[str]] = ("", frozenset())

    def find(self, connection: Connection, name: str) -> AdminRole | None:
        """Return the role of that name with all its members; None if there is none.

        Raises:
            AdminRoleUnclear: two roles match.
        """
        found = connection.execute(self._statement, {"name": name}).all()
        rows = [row for row in found if is_same(row.um_role_name, name, ignores_case=True)]
        if len(rows) > 1:
            raise AdminRoleUnclear
        if not rows:
            return None
        row = rows[0]
        mark = row.mark if row.member_count else self.left_mark(connection, row.um_id)
        return AdminRole(
            role_of(row.um_id, row.um_role_name, revision_of(row.member_count, row.last_key)),
            holders=self._holders_in(connection, row),
            first_admin_id=entry_id(mark),
        )

    def members_with_mark(self, role_key: int) -> Select[Any]:
        """Return the query of a role's memberships, each with the member's copy of the mark."""
        member, attribute = self._tables.user_role, self._tables.attribute
        mark = and_(
            attribute.c.um_user_id == member.c.um_user_id,
            attribute.c.um_tenant_id == member.c.um_tenant_id,
            attribute.c.um_profile_id == PROFILE,
            attribute.c.um_attr_name == mark_name(role_key),
        )
        return (
            select(
                member.c.um_id.label("um_id"),
                member.c.um_user_id.label("um_user_id"),
                attribute.c.um_attr_value.label("um_attr_value"),
            )
            .select_from(member.outerjoin(attribute, mark))
            .where(*self._members_of(role_key))
        )

    def left_mark(self, connection: Connection, role_key: int) -> str | None:
        """Return the mark of a role whose marked members another tool has removed, or None."""
        attribute = self._tables.attribute.c
        query = select(attribute.um_attr_value).where(
            attribute.um_attr_name == mark_name(role_key),
            attribute.um_profile_id == PROFILE,
            attribute.um_tenant_id == self._tenant,
        )
        return connection.scalar(query.limit(1))

    def _holders_in(self, connection: Connection, row: Row[Any]) -> frozenset[str]:
        """Return the locators of the members whose keys are joined in a row of `_select`."""
        joined = row.user_keys or ""
        # With 500 admins, splitting the text takes as long as reading it.
        last_joined, last_holders = self._last_holders
        if joined == last_joined:
            return last_holders
        keys = [int(key) for key in joined.split(",") if key]
        # A database may cut the text (MySQL's max_allowed_packet).
        if len(keys) != row.member_count or sum(keys) != (row.sum_of_user_keys or 0):
            member = self._tables.user_role.c
            query = select(member.um_user_id).where(*self._members_of(row.um_id))
            return frozenset(map(user_locator, connection.scalars(query)))
        holders = frozenset(map(user_locator, keys))
        self._last_holders = joined, holders
        return holders

    def _select(self, is_named: ColumnElement[bool]) -> Select[Any]:
        """Return the query of a role with the keys of its members joined, in one row."""
        role, member = self._tables.role, self._tables.user_role
        is_member = and_(
            member.c.um_role_id == role.c.um_id, member.c.um_tenant_id == role.c.um_tenant_id
        )
        return (
            select(
                role.c.um_id.label("um_id"),
                role.c.um_role_name.label("um_role_name"),
                func.count(member.c.um_id).label("member_count"),
                func.max(member.c.um_id).label("last_key"),
                func.sum(member.c.um_user_id).label("sum_of_user_keys"),
                func.aggregate_strings(cast(member.c.um_user_id, String(20)), ",").label(
                    "user_keys"
                ),
                self._mark_of_members(role).label("mark"),
            )
            .select_from(role.outerjoin(member, is_member))
            .where(role.c.um_tenant_id == self._tenant, is_named)
            .group_by(role.c.um_id, role.c.um_role_name)
        )

    def _mark_of_members(self, role: Table) -> ScalarSelect[Any]:
        """Return the query of the mark that the members of a role have; see `mark_name`."""
        attribute, member = self._tables.attribute, self._tables.user_role.alias()
        is_of_member = and_(
            attribute.c.um_user_id == member.c.um_user_id,
            attribute.c.um_tenant_id == member.c.um_tenant_id,
        )
        # The members should have one value. If another tool has changed some, every read returns
        # the same one.
        return (
            select(func.min(attribute.c.um_attr_value))
            .select_from(member.join(attribute, is_of_member))
            .where(
                member.c.um_role_id == role.c.um_id,
                member.c.um_tenant_id == self._tenant,
                attribute.c.um_profile_id == PROFILE,
                attribute.c.um_attr_name == literal(MARK_PREFIX) + cast(role.c.um_id, String(20)),
                attribute.c.um_attr_value != "",
            )
            .correlate(role)
            .scalar_subquery()
        )

    def _members_of(self, role_key: int) -> tuple[ColumnElement[bool], ...]:
        member = self._tables.user_role.c
        return member.um_role_id == role_key, member.um_tenant_id == self._tenant
