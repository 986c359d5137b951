"""The writes of a transaction, each one or a few statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Table, delete, exists, insert, select, update

from mi_ldap.errors import Conflict
from mi_ldap.sql.passwords import StoredPassword
from mi_ldap.sql.reads import Queries
from mi_ldap.sql.records import PROFILE, UserRecord, now


class Rows:
    """Writes rows of one tenant on a connection with an open transaction."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries
        self._tables = queries.tables
        self._tenant = queries.tenant

    # Locks

    def lock_users(self, keys: Collection[int]) -> None:
        """Lock the rows of users, in the order of their keys."""
        user = self._tables.user.c
        query = select(user.um_id).where(user.um_id.in_(sorted(keys)), self._own(self._tables.user))
        if keys:
            self._connection.execute(query.order_by(user.um_id).with_for_update()).all()

    def lock_members(self, role_key: int) -> None:
        """Lock the memberships of a role."""
        member = self._tables.user_role
        query = select(member.c.um_id).where(member.c.um_role_id == role_key, self._own(member))
        self._connection.execute(query.order_by(member.c.um_id).with_for_update()).all()

    # Users

    def add_user(self, name: str, uuid: str, password: str) -> int:
        """Insert a user; return its key."""
        ids = {"um_user_id": uuid} if self._queries.schema.has_uuid else {}
        return self._insert(
            self._tables.user,
            **ids,
            um_user_name=name,
            um_user_password=password,
            um_require_change=False,
            um_changed_time=now(),
        )

    def set_password(
        self, record: UserRecord, password: StoredPassword, instead_of: str | None = None
    ) -> bool:
        """Set a user's password; return whether it was set.

        With `instead_of` it is set only if the stored value is still that.
        """
        user = self._tables.user
        statement = update(user).where(user.c.um_id == record.key, self._own(user))
        if instead_of is not None:
            statement = statement.where(user.c.um_user_password == instead_of)
        values = {
            "um_user_password": password.value,
            "um_salt_value": password.salt,
            "um_require_change": False,
            "um_changed_time": now(),
        }
        return self._count(statement.values(values)) == 1

    def delete_user(self, record: UserRecord) -> None:
        """Delete a user with its memberships and attributes.

        `SqlHybridRoles` deletes its memberships of hybrid roles: not all with its name are its own.

        Raises:
            Conflict: there is no such user.
        """
        # First, because MI's foreign keys have no cascade.
        self.delete_references(record.key)
        user = self._tables.user
        if self._count(delete(user).where(user.c.um_id == record.key, self._own(user))) != 1:
            raise Conflict

    def delete_references(self, key: int) -> None:
        """Delete the memberships and attributes that name a user, or a former one with the key."""
        for table in (self._tables.user_role, self._tables.attribute):
            named = delete(table).where(table.c.um_user_id == key, self._own(table))
            self._connection.execute(named)

    def set_attribute(self, record: UserRecord, name: str, value: str | None) -> None:
        """Set or delete an attribute of a user in the service's profile, and in `record`."""
        attribute = self._tables.attribute
        where = (
            attribute.c.um_user_id == record.key,
            attribute.c.um_attr_name == name,
            attribute.c.um_profile_id == PROFILE,
            self._own(attribute),
        )
        if value is None:
            if record.attributes.pop(name, None) is not None:
                self._connection.execute(delete(attribute).where(*where))
        elif name in record.attributes:
            self._connection.execute(update(attribute).where(*where).values(um_attr_value=value))
            record.attributes[name] = value
        else:
            self._add_attribute(record.key, name, value)
            record.attributes[name] = value

    # Roles

    def add_role(self, name: str) -> int:
        """Insert a role; return its key."""
        return self._insert(self._tables.role, um_role_name=name, um_shared_role=False)

    def delete_role(self, key: int) -> None:
        """Delete a role with its memberships.

        Raises:
            Conflict: there is no such role.
        """
        member, role = self._tables.user_role, self._tables.role
        members = delete(member).where(member.c.um_role_id == key, self._own(member))
        self._connection.execute(members)
        if self._count(delete(role).where(role.c.um_id == key, self._own(role))) != 1:
            raise Conflict

    def is_member(self, role_key: int, user_key: int | None) -> bool:
        found = exists().where(*self._membership(role_key, user_key))
        return bool(self._connection.scalar(select(found)))

    def add_member(self, role_key: int, user_key: int) -> None:
        """Assign a role.

        Raises:
            Conflict: the user has it already.
        """
        if self.is_member(role_key, user_key):
            raise Conflict
        self._insert(self._tables.user_role, um_role_id=role_key, um_user_id=user_key)

    def remove_member(self, role_key: int, user_key: int) -> bool:
        """Revoke a role; return whether the user had it."""
        membership = self._membership(role_key, user_key)
        return self._count(delete(self._tables.user_role).where(*membership)) == 1

    def renew_revision(self, role_key: int) -> None:
        """Replace the first membership of a role by an equal one with a new key.

        A role without members keeps its revision: no change depends on its members.
        """
        member = self._tables.user_role
        # The foreign key refuses a new row for a user that is not there.
        query = (
            select(member.c.um_id, member.c.um_user_id)
            .join_from(member, self._tables.user, self._queries.user_of_member())
            .where(member.c.um_role_id == role_key, self._own(member))
            .order_by(member.c.um_id)
            .limit(1)
        )
        if first := self._connection.execute(query).first():
            where = (member.c.um_id == first.um_id, self._own(member))
            self._connection.execute(delete(member).where(*where))
            self._insert(member, um_role_id=role_key, um_user_id=first.um_user_id)

    def copy_mark(self, role_key: int, name: str, value: str | None) -> None:
        """Store the mark with all members that lack it.

        Args:
            role_key: the key of the role.
            name: the name of the attribute, see `records.mark_name`.
            value: the mark; None for the one that some members, or former ones, have already.
        """
        member = self._tables.user_role
        # The foreign key refuses an attribute of a user that is not there.
        is_there = exists().where(self._queries.user_of_member()).correlate(member)
        query = self._queries.admin_roles.members_with_mark(role_key).where(is_there)
        rows = self._connection.execute(query).all()
        present = [row.um_attr_value for row in rows if row.um_attr_value]
        value = (
            value
            or min(present, default=None)
            or self._queries.admin_roles.left_mark(self._connection, role_key)
        )
        for row in rows:
            if value and not row.um_attr_value:
                self._add_attribute(row.um_user_id, name, value)

    # Helpers

    def _add_attribute(self, user_key: int, name: str, value: str) -> None:
        self._insert(
            self._tables.attribute,
            um_attr_name=name,
            um_attr_value=value,
            um_profile_id=PROFILE,
            um_user_id=user_key,
        )

    def _membership(self, role_key: int, user_key: int | None) -> list[Any]:
        member = self._tables.user_role
        return [
            member.c.um_role_id == role_key,
            member.c.um_user_id == user_key,
            self._own(member),
        ]

    def _own(self, table: Table) -> Any:
        return table.c.um_tenant_id == self._tenant

    def _insert(self, table: Table, **values: object) -> int:
        return insert_row(self._connection, table, {"um_tenant_id": self._tenant, **values})

    def _count(self, statement: Any) -> int:
        return int(self._connection.execute(statement).rowcount)


def insert_row(connection: Connection, table: Table, values: Mapping[str, Any]) -> int:
    """Insert a row; return its generated key."""
    key = connection.execute(insert(table), values).inserted_primary_key
    return int(key[0]) if key else 0
