"""The hybrid roles of a user for display, in one statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, String, bindparam, or_, select

from mi_ldap.model import User
from mi_ldap.sql.hybrid_members import (
    HybridMembers,
    bare_id,
    domain_and_name,
    has_name,
    memberships_in,
)
from mi_ldap.sql.names import is_storable


class HybridUserRoles:
    """The statement that reads the hybrid roles of a user.

    Args:
        members: the reads of memberships.
    """

    def __init__(self, members: HybridMembers) -> None:
        # Built once: building this statement takes longer than executing it.
        self._statement = _statement(members)

    def find(self, connection: Connection, user: User) -> dict[int, str]:
        """Return keys and stored names of the roles of a user.

        The memberships are those of `HybridMembers.of_user` with `ignores_case`.
        """
        domain, name = domain_and_name(user)
        user_id = bare_id(user)
        if not is_storable(name):
            # As a parameter it would be an error. The memberships may have another name.
            name = ""
        values = {"name": name, "domain": domain, "user_id": user_id}
        rows = connection.execute(self._statement, values).all()
        names = {row.role_key: row.role_name for row in rows}
        return {
            each.role_key: names[each.role_key]
            for each in memberships_in(rows)
            if each.domain == domain
            and (each.user_id == user_id or (each.user_id is None and each.is_named(name)))
        }


def _statement(members: HybridMembers) -> Select[Any]:
    role, user = members.tables.hybrid_role, members.tables.hybrid_user
    member = members.tables.hybrid_user_role
    column = member.c.um_user_name
    conditions = [has_name(column, bindparam("name", type_=String()))]
    if members.has_service_tables:
        is_user = members.is_user(
            bindparam("domain", type_=String()), bindparam("user_id", type_=String())
        )
        # A scalar subquery is evaluated once, so that an index on the names can be used.
        stored = select(user.c.user_name).where(*is_user).limit(1).scalar_subquery()
        conditions.append(column == stored)
    return (
        members.select()
        .add_columns(role.c.um_role_name.label("role_name"))
        .join(role, role.c.um_id == member.c.um_role_id)
        .where(members.of_tenant(role), or_(*conditions))
    )
