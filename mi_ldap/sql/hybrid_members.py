"""Memberships of hybrid roles, and the users to whom they belong.

MI's rows name a member by its name and the domain of its user store. For each name the service's
own table has the id that the name belongs to. A row whose name has no id belongs to the user whom
the user store finds by that name.

Names are compared exactly: MariaDB's usual collations ignore case and accents, so the names that a
query returns are compared again in Python. For a user store that ignores case, MI may write a name
in another case than the store. `HybridUpkeep.store_ids` gives such a row the stored name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from mi_ldap.hybrid_roles import HybridMember
from mi_ldap.model import EntryId, User
from mi_ldap.name_rules import PRIMARY
from mi_ldap.sql.names import is_storable
from mi_ldap.sql.tables import Tables


class Membership(NamedTuple):
    """A row of `UM_HYBRID_USER_ROLE`.

    Attributes:
        domain: of the user store, in capitals.
        user_id: the id in that store that the name belongs to; None if no id is stored with the
            name.
    """

    key: int
    role_key: int
    domain: str
    name: str
    user_id: str | None

    def is_named(self, name: str) -> bool:
        """Whether the row has that name; case is ignored."""
        return self.name.lower() == name.lower()

    @property
    def member(self) -> HybridMember:
        """The member that the row names, with domain and id as other modules have them."""
        domain = "" if self.domain == PRIMARY else self.domain
        if self.user_id is None:
            return HybridMember(domain, self.name, None)
        return HybridMember(
            domain, self.name, EntryId(f"{domain}/{self.user_id}" if domain else self.user_id)
        )


class Identity(NamedTuple):
    """An id with the name that is stored with it, in the service's own table."""

    user_id: str
    name: str


@dataclass(frozen=True, slots=True)
class HybridMembers:
    """Reads of memberships of one tenant.

    Attributes:
        has_service_tables: whether the service's own tables exist; without them no ids are stored.
    """

    tables: Tables
    tenant: int
    has_service_tables: bool

    def find(self, connection: Connection, *where: ColumnElement[bool]) -> list[Membership]:
        """Return the memberships that meet the conditions, without those with a blank name."""
        return memberships_in(connection.execute(self.select().where(*where)))

    def select(self) -> Select[Any]:
        """Return the query of all memberships, for `memberships_in`; a `where` can be added."""
        member, domain = self.tables.hybrid_user_role, self.tables.domain
        user = self.tables.hybrid_user
        source = member.join(domain, member.c.um_domain_id == domain.c.um_domain_id)
        columns: list[ColumnElement[Any]] = [
            member.c.um_id.label("key"),
            member.c.um_role_id.label("role_key"),
            func.upper(domain.c.um_domain_name).label("domain"),
            member.c.um_user_name.label("name"),
        ]
        if self.has_service_tables:
            is_named = and_(
                user.c.user_name == member.c.um_user_name,
                user.c.domain_name == func.upper(domain.c.um_domain_name),
                self.of_tenant(user),
            )
            source = source.outerjoin(user, is_named)
            columns += [user.c.user_id.label("user_id"), user.c.user_name.label("user_name")]
        is_of_tenant = self.of_tenant(member), self.of_tenant(domain)
        query = select(*columns).select_from(source).where(*is_of_tenant)
        return query.order_by(member.c.um_id)

    def of_user(
        self,
        connection: Connection,
        user: User,
        *where: ColumnElement[bool],
        ignores_case: bool = False,
    ) -> list[Membership]:
        """Return the user's memberships.

        These are the rows with the name that is stored with the user's id, and the rows with its
        present name if no id is stored with that name.

        Args:
            connection: of the caller.
            user: the user.
            where: further conditions.
            ignores_case: whether rows without an id may have the present name in another case. If
                the user store distinguishes case, they may be another user's, until an id is stored
                with their name. So only for display and guards.
        """
        domain, name = domain_and_name(user)
        stored = self.name_of(connection, domain, bare_id(user))
        names = {each for each in (stored, name) if each and is_storable(each)}
        if not names:
            return []
        column = self.tables.hybrid_user_role.c.um_user_name
        named: list[ColumnElement[bool]] = [column.in_(sorted(names))]
        if ignores_case and is_storable(name):
            named.append(func.lower(column) == func.lower(name))
        return [
            row
            for row in self.find(connection, or_(*named), *where)
            if row.domain == domain
            and (
                (row.name in names and row.user_id in (bare_id(user), None))
                or (ignores_case and row.is_named(name) and row.user_id is None)
            )
        ]

    def may_lack_id(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions that all memberships without an id meet, and maybe others.

        The service's own names are compared in binary, but MariaDB ignores blanks at their end.
        """
        if not self.has_service_tables:
            return ()
        member, user = self.tables.hybrid_user_role, self.tables.hybrid_user
        has_other_length = func.length(user.c.user_name) != func.length(member.c.um_user_name)
        return (or_(user.c.user_id.is_(None), func.trim(user.c.user_id) == "", has_other_length),)

    def without_id(self, connection: Connection, user: User) -> list[Membership]:
        """Return the memberships without an id that have the user's name; case is ignored."""
        domain, name = domain_and_name(user)
        if not is_storable(name):
            return []
        rows = self.find(connection, has_name(self.tables.hybrid_user_role.c.um_user_name, name))
        return [
            row
            for row in rows
            if row.domain == domain and row.user_id is None and row.is_named(name)
        ]

    def name_of(self, connection: Connection, domain: str, user_id: str) -> str | None:
        """Return the name that is stored with an id, or None."""
        if not self.has_service_tables:
            return None
        user = self.tables.hybrid_user
        query = select(user.c.user_id, user.c.user_name).where(*self.is_user(domain, user_id))
        return next((name for found, name in connection.execute(query) if found == user_id), None)

    def identities(self, connection: Connection, domain: str, name: str) -> list[Identity]:
        """Return the ids that are stored with a name; case is ignored."""
        if not self.has_service_tables or not is_storable(name):
            return []
        user = self.tables.hybrid_user
        query = select(user.c.user_id, user.c.user_name).where(
            user.c.domain_name == domain, has_name(user.c.user_name, name), self.of_tenant(user)
        )
        found = [Identity(*row) for row in connection.execute(query)]
        return [
            each for each in found if each.user_id.strip() and each.name.lower() == name.lower()
        ]

    def of_tenant(self, table: Any) -> ColumnElement[bool]:
        """Return the condition for the rows of the tenant."""
        condition: ColumnElement[bool] = table.c.um_tenant_id == self.tenant
        return condition

    def is_user(
        self, domain: str | ColumnElement[str], user_id: str | ColumnElement[str]
    ) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions for the user's row of the service's own table."""
        user = self.tables.hybrid_user
        return user.c.user_id == user_id, user.c.domain_name == domain, self.of_tenant(user)


def memberships_in(rows: Iterable[Any]) -> list[Membership]:
    """Return the memberships in rows of `HybridMembers.select`, without those with a blank name."""
    found: dict[int, Membership] = {}
    for row in rows:
        if row.name and row.name.strip():
            known = found.get(row.key)
            ids = [_id_in(row), known.user_id if known else None]
            # If another tool has stored two ids with one name, every read returns the same.
            user_id = min(filter(None, ids), default=None)
            found[row.key] = Membership(row.key, row.role_key, row.domain, row.name, user_id)
    return list(found.values())


def has_name(column: ColumnElement[str], name: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Return a condition that all rows of that name meet, in any case, and maybe others."""
    return or_(column == name, func.lower(column) == func.lower(name))


def domain_and_name(user: User) -> tuple[str, str]:
    """Return the domain of a user as MI names it, and the user's name in that domain."""
    if not user.domain:
        return PRIMARY, user.name
    return user.domain, user.name.removeprefix(f"{user.domain}/")


def bare_id(user: User) -> str:
    """Return the id of a user without the domain."""
    return user.id.removeprefix(f"{user.domain}/") if user.domain else user.id


def members_of(memberships: Iterable[Membership]) -> tuple[HybridMember, ...]:
    """Return the members, each once."""
    return tuple({each.member: None for each in memberships})


def _id_in(row: Any) -> str | None:
    """Return the id in a row of the join, if its name is exactly that of the membership."""
    user_id = getattr(row, "user_id", None)
    return user_id if user_id and user_id.strip() and row.user_name == row.name else None
