"""The queries of hybrid roles, each on a connection of the caller."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from mi_ldap import account_state
from mi_ldap.errors import AdminRoleUnclear, only_one
from mi_ldap.hybrid_roles import HybridAccount, HybridAdminRole, HybridMember
from mi_ldap.model import EntryId, Role, User, entry_id
from mi_ldap.name_rules import EVERYONE, HYBRID_DOMAINS, PRIMARY
from mi_ldap.sql.hybrid_members import HybridMembers, has_name, members_of
from mi_ldap.sql.hybrid_user_roles import HybridUserRoles
from mi_ldap.sql.names import is_same, is_storable
from mi_ldap.sql.records import UNREAD
from mi_ldap.sql.tables import MAX_VALUES, Tables

_INTERNAL, _APPLICATION = HYBRID_DOMAINS


class HybridQueries:
    """Reads of hybrid roles of one tenant.

    Args:
        tables: the tables.
        tenant: the id of the tenant.
        has_service_tables: whether the service's own tables exist; without them every member is
            known by its name only.
        admin_role_name: the full name of the admin role; `""` if it is no hybrid role.
    """

    def __init__(
        self, tables: Tables, tenant: int, *, has_service_tables: bool, admin_role_name: str
    ) -> None:
        self.tables = tables
        self.tenant = tenant
        self.has_service_tables = has_service_tables
        self.admin_role_name = admin_role_name
        self.memberships = HybridMembers(tables, tenant, has_service_tables)
        self._user_roles = HybridUserRoles(self.memberships)

    def probe(self, connection: Connection) -> None:
        """Read at most one row of each table."""
        service_tables = self.tables.service_tables if self.has_service_tables else ()
        for table in (*self.tables.hybrid, *service_tables):
            connection.execute(select(table.c.um_tenant_id).limit(1)).first()

    # Roles

    def roles_named(self, connection: Connection, name: str) -> list[tuple[int, str]]:
        """Return keys and full names of all roles of that full name; case is ignored."""
        if not is_storable(name):
            return []
        role = self.tables.hybrid_role
        stored = stored_role_name(name)
        query = (
            select(role.c.um_id, role.c.um_role_name)
            .where(
                func.lower(role.c.um_role_name) == func.lower(stored),
                self.memberships.of_tenant(role),
            )
            .order_by(role.c.um_id)
        )
        found = [(key, full_role_name(text)) for key, text in connection.execute(query)]
        return [each for each in found if is_same(each[1], name, ignores_case=True)]

    def find_role(
        self, connection: Connection, name: str, *, is_shown_only: bool = False
    ) -> Role | None:
        """Return the role of that full name, or None; see `Queries.find_role`."""
        found = only_one("role", name, self.roles_named(connection, name))
        if found is None:
            return None
        key, full_name = found
        revision = UNREAD if is_shown_only else self.revision(connection, key)
        return hybrid_role(key, full_name, revision)

    def role_names(self, connection: Connection) -> tuple[str, ...]:
        """Return the full names of all roles except `Internal/everyone`, unsorted."""
        role = self.tables.hybrid_role
        rows = connection.execute(
            select(role.c.um_role_name).where(self.memberships.of_tenant(role))
        )
        found = (full_role_name(name) for (name,) in rows if name.strip())
        return tuple(name for name in found if not _is_everyone(name))

    def revision(self, connection: Connection, role_key: int) -> str:
        """Return a text that differs after every change of the members, also by another tool."""
        return self.role_state(connection, role_key)[0]

    def role_state(self, connection: Connection, role_key: int) -> tuple[str, EntryId | None]:
        """Return the revision of a role, and the id in the mark of its first admin, or None."""
        member, state = self.tables.hybrid_user_role, self.tables.hybrid_role_state
        query = select(func.count(), func.max(member.c.um_id)).where(*self.of_role(role_key))
        columns = [state.c.revision, state.c.first_admin] if self.has_service_tables else []
        for column in columns:
            where = (state.c.um_role_id == role_key, self.memberships.of_tenant(state))
            query = query.add_columns(select(column).where(*where).limit(1).scalar_subquery())
        count, last_key, *rest = connection.execute(query).one()
        nonce, first_admin = rest or ("", None)
        # With the largest key: one member may have been replaced by another. A new row has a larger
        # key than every row before it.
        return f"{count}/{last_key or 0}/{nonce or ''}", entry_id(first_admin)

    # Members

    def members(self, connection: Connection, role_key: int) -> tuple[HybridMember, ...]:
        """Return the members of a role."""
        return members_of(self.memberships.find(connection, *self.of_role(role_key)))

    def has_members(self, connection: Connection) -> bool:
        """Return whether any role has a member."""
        member = self.tables.hybrid_user_role
        query = select(member.c.um_id).where(self.memberships.of_tenant(member)).limit(1)
        return connection.execute(query).first() is not None

    def members_without_id(self, connection: Connection) -> tuple[HybridMember, ...]:
        """Return the members of all roles without a stored id."""
        found = self.memberships.find(connection, *self.memberships.may_lack_id())
        return members_of(each for each in found if each.user_id is None)

    def roles_of(self, connection: Connection, user: User) -> tuple[Role, ...]:
        """Return the roles of a user except `Internal/everyone`, for display."""
        found = self._user_roles.find(connection, user)
        named = [(key, full_role_name(name)) for key, name in found.items()]
        return tuple(hybrid_role(*each, UNREAD) for each in named if not _is_everyone(each[1]))

    # The admin role, custodians and account states

    def admin_role(self, connection: Connection) -> HybridAdminRole | None:
        """Return the admin role as `HybridRoles.admin_role` specifies it.

        Raises:
            AdminRoleUnclear: two roles match its name.
        """
        found = self.roles_named(connection, self.admin_role_name) if self.admin_role_name else []
        if len(found) > 1:
            raise AdminRoleUnclear
        if not found:
            return self._deleted_admin_role(connection)
        key, name = found[0]
        # Read before the members: if these change in between, `Unchanged` of the role fails.
        revision, first_admin = self.role_state(connection, key)
        # MI may have deleted the role that has the mark, and created another one of its name.
        first_admin = first_admin or self._first_admin_mark(connection)[1]
        return HybridAdminRole(
            hybrid_role(key, name, revision), self.members(connection, key), first_admin
        )

    def _deleted_admin_role(self, connection: Connection) -> HybridAdminRole | None:
        """Return the admin role, without members, if another tool has deleted it; else None.

        With None the next login would create a first admin again.
        """
        key, first_admin = self._first_admin_mark(connection)
        if key is None:
            return None
        revision = self.revision(connection, key)
        return HybridAdminRole(hybrid_role(key, self.admin_role_name, revision), (), first_admin)

    def _first_admin_mark(self, connection: Connection) -> tuple[int | None, EntryId | None]:
        """Return the key of the role that was marked as the admin role, and the id in the mark.

        Both are None if there is no mark. MI deletes the role, but not the mark.
        """
        if not (self.has_service_tables and self.admin_role_name):
            return None, None
        state = self.tables.hybrid_role_state
        query = select(state.c.um_role_id, state.c.role_name, state.c.first_admin).where(
            has_name(state.c.role_name, self.admin_role_name), self.memberships.of_tenant(state)
        )
        for key, name, first_admin in connection.execute(query.order_by(state.c.um_role_id)):
            if is_same(name, self.admin_role_name, ignores_case=True) and entry_id(first_admin):
                return int(key), entry_id(first_admin)
        return None, None

    def accounts(
        self, connection: Connection, user_ids: Collection[str]
    ) -> dict[str, HybridAccount]:
        """Return what is stored of those users of the primary store, by id."""
        wanted = sorted(user_ids) if self.has_service_tables else []
        user = self.tables.hybrid_user
        found: dict[str, HybridAccount] = {}
        for start in range(0, len(wanted), MAX_VALUES):
            chunk = wanted[start : start + MAX_VALUES]
            rows = connection.execute(self._select_accounts().where(user.c.user_id.in_(chunk)))
            # Compared again: a collation of MySQL may ignore the case of ids.
            found |= {row.user_id: _account(row) for row in rows if row.user_id in user_ids}
        return found

    def dependents_of(self, connection: Connection, user: User) -> tuple[EntryId, ...]:
        """Return the ids of the users whose custodian is `user`."""
        if not self.has_service_tables:
            return ()
        stored = self.tables.hybrid_user
        query = self._select_accounts().where(stored.c.custodian == str(user.id))
        found = [(entry_id(row.user_id), row.custodian) for row in connection.execute(query)]
        return tuple(each for each, custodian in found if each and custodian == user.id)

    # Conditions

    def of_role(self, role_key: int) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions for the memberships of a role."""
        member = self.tables.hybrid_user_role
        return member.c.um_role_id == role_key, self.memberships.of_tenant(member)

    def _select_accounts(self) -> Select[Any]:
        user = self.tables.hybrid_user
        return select(user.c.user_id, user.c.custodian, user.c.state).where(
            user.c.domain_name == PRIMARY, self.memberships.of_tenant(user)
        )


def stored_role_name(full_name: str) -> str:
    """Return the name in MI's table: `Internal/x` is stored as `x`."""
    return full_name.removeprefix(f"{_INTERNAL}/")


def full_role_name(stored: str) -> str:
    """Return the full name of a role from the name in MI's table."""
    return stored if stored.startswith(f"{_APPLICATION}/") else f"{_INTERNAL}/{stored}"


def hybrid_role(key: int, full_name: str, revision: str) -> Role:
    """Return the role of a row; its id and locator contain the row's key."""
    domain = full_name.partition("/")[0]
    return Role(
        EntryId(f"{domain}/{key}"),
        full_name,
        f"hybrid/{key}",
        revision,
        domain=domain,
        is_hybrid=True,
    )


def role_key(role: Role) -> int:
    """Return the key of the role's row."""
    return int(role.id.partition("/")[2])


def _is_everyone(full_name: str) -> bool:
    """Whether the name, in any case, is that of the role of all users, for which MI has a row."""
    return full_name.lower() == EVERYONE.lower()


def _account(row: Row[Any]) -> HybridAccount:
    # A state that the service did not write is ignored: with an appointment added to it, it may be
    # too long for the column.
    state = row.state if account_state.is_ours(row.state or "") else ""
    return HybridAccount(EntryId(row.user_id), entry_id(row.custodian), state or "")
