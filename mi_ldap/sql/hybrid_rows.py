"""Locks and writes of the rows of hybrid roles, on a connection with an open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select, update

from mi_ldap.errors import BadRequest, Conflict
from mi_ldap.model import Role, User
from mi_ldap.sql.database_errors import Repeatable
from mi_ldap.sql.hybrid_members import HybridMembers, Membership, bare_id, domain_and_name
from mi_ldap.sql.hybrid_queries import HybridQueries, role_key, stored_role_name
from mi_ldap.sql.locks import lock_database
from mi_ldap.sql.rows import insert_row


@dataclass(frozen=True, slots=True)
class HybridRows:
    """The rows of one tenant."""

    connection: Connection
    queries: HybridQueries

    def lock_admin_role(self) -> set[int]:
        """Lock the admin role, or the database while there is none.

        Returns:
            The keys of the locked rows: none without an admin role, and for SQLite.

        Raises:
            Repeatable: the role was created or deleted while this waited.
        """
        # All changes wait for each other: they are rare, and each of them may concern the admins.
        if self.connection.dialect.name == "sqlite":  # BEGIN IMMEDIATE has locked it
            return set()
        if keys := self._admin_keys():
            if self.lock_rows(self.queries.tables.hybrid_role, keys) != len(keys):
                raise Repeatable
            return keys
        lock_database(self.connection)
        # The row is not locked while this holds the lock of the database: other changes may hold a
        # row and then lock the database for their steps in the user store.
        if self._admin_keys():
            raise Repeatable
        return set()

    def _admin_keys(self) -> set[int]:
        name = self.queries.admin_role_name
        return (
            {key for key, _ in self.queries.roles_named(self.connection, name)} if name else set()
        )

    def lock_rows(self, table: Table, keys: Iterable[int]) -> int:
        """Lock the rows with those keys; return how many there are."""
        wanted = sorted(keys)
        query = select(table.c.um_id).where(
            table.c.um_id.in_(wanted), self.memberships.of_tenant(table)
        )
        ordered = query.order_by(table.c.um_id).with_for_update()
        return len(self.connection.execute(ordered).all()) if wanted else 0

    def add_role(self, name: str) -> int:
        """Create a role; return its key."""
        return self._insert(self.queries.tables.hybrid_role, um_role_name=stored_role_name(name))

    def delete_role(self, key: int) -> None:
        """Delete a role with its memberships.

        Raises:
            Conflict: there is no such role.
        """
        tables = self.queries.tables
        self._delete(tables.hybrid_user_role, "um_role_id", [key])
        self._delete(tables.hybrid_role_state, "um_role_id", [key])
        if self._delete(tables.hybrid_role, "um_id", [key]) != 1:
            raise Conflict

    def add_member(self, key: int, user: User) -> None:
        """Assign a role, and store the user's id with its name.

        Raises:
            Conflict: the user has the role already, the role is gone, or the name is stored with
                the id of another user.
            BadRequest: see `insert_member`.
        """
        if self.memberships.of_user(self.connection, user, *self.queries.of_role(key)):
            raise Conflict
        self._restore_admin_role(key)
        domain, name = domain_and_name(user)
        self.set_identity(domain, bare_id(user), name)
        self.insert_member(key, user)

    def _restore_admin_role(self, key: int) -> None:
        """Create the admin role again, with its key, if another tool has deleted it."""
        admin_role = self.queries.admin_role(self.connection)
        if admin_role and role_key(admin_role.role) == key and not self._admin_keys():
            name = stored_role_name(self.queries.admin_role_name)
            self._insert(self.queries.tables.hybrid_role, um_id=key, um_role_name=name)

    def insert_member(self, key: int, user: User) -> None:
        """Insert a row with the name that is stored with the user's id.

        Raises:
            BadRequest: the database takes the name for that of another member.
        """
        domain, user_id = domain_and_id(user)
        name = self.memberships.name_of(self.connection, domain, user_id)
        if name and self.connection.dialect.name in {"mysql", "mariadb"}:
            self._ensure_distinct(key, domain, name)
        self._insert(
            self.queries.tables.hybrid_user_role,
            um_user_name=name,
            um_role_id=key,
            um_domain_id=self._domain_key(domain),
        )

    def _ensure_distinct(self, key: int, domain: str, name: str) -> None:
        """Raise `BadRequest` if a collation makes the name equal to that of another member."""
        # Otherwise MI's unique index refuses the row, which looks like a conflict: every attempt
        # would fail.
        same = self.queries.tables.hybrid_user_role.c.um_user_name == name
        for row in self.memberships.find(self.connection, same, *self.queries.of_role(key)):
            if row.domain == domain and row.name != name:
                raise BadRequest(
                    f"The database does not distinguish the names {row.name} and {name}: "
                    "only one of these users can have the role."
                )

    def delete_user(self, user: User) -> None:
        """Delete all memberships of a user, its id, custodian and account state."""
        self.delete_members(self.memberships.of_user(self.connection, user))
        if self.queries.has_service_tables:
            where = self.memberships.is_user(*domain_and_id(user))
            self.connection.execute(delete(self.queries.tables.hybrid_user).where(*where))

    def set_identity(self, domain: str, user_id: str, name: str) -> None:
        """Store an id with a name, unless the id is stored already.

        Raises:
            Conflict: the name is stored with another id; see `HybridRoles.update_users`.
        """
        if self.memberships.name_of(self.connection, domain, user_id) is not None:
            return
        stored = self.memberships.identities(self.connection, domain, name)
        if any(each.name == name for each in stored):
            raise Conflict
        self._insert(
            self.queries.tables.hybrid_user, domain_name=domain, user_id=user_id, user_name=name
        )

    def set_account(self, user: User, **values: str | None) -> None:
        """Set columns of the user's row, which is created if it is missing.

        Raises:
            Conflict: see `set_identity`.
        """
        self.set_identity(*domain_and_id(user), domain_and_name(user)[1])
        self.update_user(user, **values)

    def update_user(self, user: User, **values: str | None) -> None:
        """Set columns of the user's row, if there is one."""
        table = self.queries.tables.hybrid_user
        where = self.memberships.is_user(*domain_and_id(user))
        self.connection.execute(update(table).where(*where).values(values))

    def mark_first_admin(self, key: int, first_admin: str) -> None:
        """Store the mark that the role has had a first admin."""
        # With the role's name, so that the mark is found after MI has deleted the role.
        self.set_role_state(key, first_admin=first_admin, role_name=self.queries.admin_role_name)

    def set_role_state(self, key: int, **values: str) -> None:
        """Set columns of what the service stores of a role."""
        state = self.queries.tables.hybrid_role_state
        where = (state.c.um_role_id == key, self.memberships.of_tenant(state))
        if self.connection.execute(select(state.c.um_id).where(*where)).first() is None:
            self._insert(state, um_role_id=key, **values)
        else:
            self.connection.execute(update(state).where(*where).values(values))

    def _domain_key(self, name: str) -> int:
        """Return the key of a domain, whose row is created if it is missing."""
        domain = self.queries.tables.domain
        query = select(domain.c.um_domain_id).where(
            func.upper(domain.c.um_domain_name) == name, self.memberships.of_tenant(domain)
        )
        key = self.connection.scalar(query.order_by(domain.c.um_domain_id).limit(1))
        return self._insert(domain, um_domain_name=name) if key is None else int(key)

    def members(self, user: User, role: Role, *, ignores_case: bool = False) -> list[Membership]:
        """Return the user's memberships of a role; see `HybridMembers.of_user`."""
        where = self.queries.of_role(role_key(role))
        return self.memberships.of_user(self.connection, user, *where, ignores_case=ignores_case)

    def delete_members(self, found: Iterable[Membership]) -> None:
        """Delete these memberships."""
        keys = [each.key for each in found]
        self._delete(self.queries.tables.hybrid_user_role, "um_id", keys)

    def _delete(self, table: Table, column: str, keys: Sequence[int]) -> int:
        """Delete the rows whose column has one of the keys; return how many there were."""
        if not keys:
            return 0
        where = (table.c[column].in_(keys), self.memberships.of_tenant(table))
        return int(self.connection.execute(delete(table).where(*where)).rowcount)

    def _insert(self, table: Table, **values: Any) -> int:
        """Insert a row of the tenant; return its key."""
        return insert_row(self.connection, table, {"um_tenant_id": self.queries.tenant, **values})

    @property
    def memberships(self) -> HybridMembers:
        """The reads of memberships."""
        return self.queries.memberships


def domain_and_id(user: User) -> tuple[str, str]:
    """Return the domain of a user as MI names it, and the user's id in that domain."""
    return domain_and_name(user)[0], bare_id(user)
