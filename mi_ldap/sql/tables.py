"""MI's `UM_` tables in both layouts, as its database scripts create them.

The current layout has `UM_USER.UM_USER_ID`, a UUID, and no unique index on the name. The older one
has no such column, and a unique index on name and tenant.

The scripts do not quote names. So the tables are in lower case in PostgreSQL, and in upper case in
MySQL, where their names are names of files. Columns are addressed by their lower-case keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.mysql import TIMESTAMP

Layout = Literal["current", "old"]
NAME_LENGTH = 255
MAX_VALUES = 500
"""The most values in a condition; SQLite before 3.32 accepts 999 parameters in a statement."""


class _SqliteTime(TypeDecorator[Any]):
    """A time in SQLite; what is no time is returned as None instead of raising an error."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value.isoformat(" ", "microseconds") if isinstance(value, datetime) else value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        try:
            return datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return None


_CHANGED_TIME = DateTime().with_variant(TIMESTAMP(), "mysql").with_variant(_SqliteTime(), "sqlite")


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one database.

    Attributes:
        layout: `"current"`, or `"old"` without `UM_USER.UM_USER_ID`.
    """

    layout: Layout
    metadata: MetaData
    user: Table
    role: Table
    user_role: Table
    attribute: Table
    domain: Table
    hybrid_role: Table
    hybrid_user_role: Table
    hybrid_user: Table
    hybrid_role_state: Table

    @property
    def required(self) -> tuple[Table, ...]:
        """The tables without which the store does not work."""
        return self.user, self.role, self.user_role, self.attribute

    @property
    def hybrid(self) -> tuple[Table, ...]:
        """MI's tables of hybrid roles, which an installation may lack."""
        return self.domain, self.hybrid_role, self.hybrid_user_role

    @property
    def service_tables(self) -> tuple[Table, ...]:
        """The service's own tables, which the first change of a hybrid role creates."""
        return self.hybrid_user, self.hybrid_role_state


def define_tables(dialect: str, layout: Layout = "current") -> Tables:
    """Return the tables of a layout, with the names that they have in the dialect."""
    make = _TableFactory(dialect, MetaData())
    user, role, user_role = _user(make, layout), _role(make), _user_role(make)
    attribute = _attribute(make)
    _index(dialect, user, role, user_role, attribute)
    return Tables(
        layout=layout,
        metadata=make.metadata,
        user=user,
        role=role,
        user_role=user_role,
        attribute=attribute,
        domain=_domain(make),
        hybrid_role=_hybrid_role(make),
        hybrid_user_role=_hybrid_user_role(make),
        hybrid_user=_hybrid_user(make),
        hybrid_role_state=_hybrid_role_state(make),
    )


def _user(make: _TableFactory, layout: Layout) -> Table:
    ids = [make.column("um_user_id", String(NAME_LENGTH), nullable=False)]
    unique = UniqueConstraint("um_user_id", "um_tenant_id")
    if layout == "old":
        ids, unique = [], UniqueConstraint("um_user_name", "um_tenant_id")
    return make.table(
        "um_user",
        *ids,
        make.column("um_user_name", String(NAME_LENGTH), nullable=False),
        make.column("um_user_password", String(NAME_LENGTH), nullable=False),
        make.column("um_salt_value", String(31)),
        make.column("um_require_change", Boolean, server_default=text("FALSE")),
        make.column("um_changed_time", _CHANGED_TIME, nullable=False, **make.now()),
        unique,
    )


def _role(make: _TableFactory) -> Table:
    return make.table(
        "um_role",
        make.column("um_role_name", String(NAME_LENGTH), nullable=False),
        make.column("um_shared_role", Boolean, server_default=text("FALSE")),
        UniqueConstraint("um_role_name", "um_tenant_id"),
    )


def _user_role(make: _TableFactory) -> Table:
    return make.table(
        "um_user_role",
        make.column("um_role_id", Integer, nullable=False),
        make.column("um_user_id", Integer, nullable=False),
        UniqueConstraint("um_user_id", "um_role_id", "um_tenant_id"),
        make.reference("um_role_id", "um_role"),
        make.reference("um_user_id", "um_user"),
    )


def _attribute(make: _TableFactory) -> Table:
    return make.table(
        "um_user_attribute",
        make.column("um_attr_name", String(NAME_LENGTH), nullable=False),
        make.column("um_attr_value", String(1024)),
        make.column("um_profile_id", String(NAME_LENGTH)),
        make.column("um_user_id", Integer),
        make.reference("um_user_id", "um_user"),
    )


def _domain(make: _TableFactory) -> Table:
    return make.table(
        "um_domain",
        make.column("um_domain_name", String(NAME_LENGTH), nullable=False),
        UniqueConstraint("um_domain_name", "um_tenant_id"),
        id_name="um_domain_id",
    )


def _hybrid_role(make: _TableFactory) -> Table:
    return make.table(
        "um_hybrid_role",
        make.column("um_role_name", String(NAME_LENGTH), nullable=False),
        UniqueConstraint("um_role_name", "um_tenant_id"),
    )


def _hybrid_user_role(make: _TableFactory) -> Table:
    return make.table(
        "um_hybrid_user_role",
        make.column("um_user_name", String(NAME_LENGTH)),
        make.column("um_role_id", Integer, nullable=False),
        make.column("um_domain_id", Integer),
        UniqueConstraint("um_user_name", "um_role_id", "um_tenant_id", "um_domain_id"),
        make.reference("um_role_id", "um_hybrid_role"),
        make.reference("um_domain_id", "um_domain", "um_domain_id"),
    )


def _hybrid_user(make: _TableFactory) -> Table:
    """Return the table of users' ids with their names in MI's table, custodians, account states."""
    return make.table(
        "mi_ldap_user",
        make.column("domain_name", String(NAME_LENGTH), nullable=False),
        make.column("user_id", String(NAME_LENGTH), nullable=False),
        make.column("user_name", String(NAME_LENGTH), nullable=False),
        make.column("custodian", String(NAME_LENGTH)),
        make.column("state", String(NAME_LENGTH)),
        UniqueConstraint("user_id", "domain_name", "um_tenant_id"),
        Index("mi_ldap_hybrid_name_index", "user_name"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


def _hybrid_role_state(make: _TableFactory) -> Table:
    """Return the table of the service's own columns of hybrid roles."""
    return make.table(
        "mi_ldap_hybrid_role",
        make.column("um_role_id", Integer, nullable=False),
        make.column("revision", String(NAME_LENGTH)),
        make.column("first_admin", String(NAME_LENGTH)),
        make.column("role_name", String(NAME_LENGTH)),
        UniqueConstraint("um_role_id", "um_tenant_id"),
    )


def _index(dialect: str, user: Table, role: Table, user_role: Table, attribute: Table) -> None:
    """Add the indexes that the store's queries need; MI's scripts have only the first."""
    Index("um_user_id_index", attribute.c.um_user_id)
    Index("mi_ldap_attribute_index", attribute.c.um_attr_name, attribute.c.um_profile_id)
    Index("mi_ldap_member_index", user_role.c.um_role_id, user_role.c.um_user_id)
    if dialect == "postgresql":
        Index("mi_ldap_user_name_index", func.lower(user.c.um_user_name))
        Index("mi_ldap_role_name_index", func.lower(role.c.um_role_name))
    else:
        Index("mi_ldap_user_name_index", user.c.um_user_name)


@dataclass(frozen=True, slots=True)
class _TableFactory:
    """Creates tables with names in the dialect's case."""

    dialect: str
    metadata: MetaData

    def name(self, name: str) -> str:
        return name.upper() if self.dialect == "mysql" else name

    def column(self, name: str, kind: Any, **options: Any) -> Column[Any]:
        return Column(self.name(name), kind, key=name, **options)

    def now(self) -> dict[str, Any]:
        # Without a default MariaDB before 10.10 changes the column at every update of the row.
        return {"server_default": text("CURRENT_TIMESTAMP")} if self.dialect == "mysql" else {}

    def reference(self, column: str, table: str, id_name: str = "um_id") -> ForeignKeyConstraint:
        """Return the foreign key of a table's id and tenant, without a cascade, as MI has it."""
        target = self.name(table)
        return ForeignKeyConstraint(
            [column, "um_tenant_id"], [f"{target}.{id_name}", f"{target}.um_tenant_id"]
        )

    def table(self, name: str, *rest: Any, id_name: str = "um_id", **options: Any) -> Table:
        tenant = self.column("um_tenant_id", Integer, nullable=False, server_default=text("0"))
        id_column, keys = self._id(name, id_name)
        return Table(
            self.name(name),
            self.metadata,
            id_column,
            tenant,
            *rest,
            *keys,
            mysql_engine="InnoDB",
            sqlite_autoincrement=True,
            **options,
        )

    def _id(self, table: str, name: str) -> tuple[Column[int], list[Any]]:
        """Return the generated id, with the primary key: id and tenant."""
        if self.dialect == "sqlite":
            # SQLite generates ids only if the primary key has one column. With AUTOINCREMENT an id
            # is not used again: a new user must not get the memberships of a deleted one.
            column = self.column(name, Integer, primary_key=True)
            return column, [UniqueConstraint(name, "um_tenant_id")]
        key = PrimaryKeyConstraint(name, "um_tenant_id")
        if self.dialect == "postgresql":
            default = text(f"nextval('{sequence_of(table)}')")
            return self.column(name, Integer, server_default=default), [key]
        return self.column(name, Integer, autoincrement=True), [key]


def sequence_of(table: str) -> str:
    """Return the name of the sequence of a table's ids in PostgreSQL."""
    return f"{table}_seq"
