"""The reads of hybrid roles for one request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import TypeVar

from sqlalchemy import Connection

from mi_ldap.hybrid_roles import (
    HybridAccount,
    HybridAdminRole,
    HybridMember,
    HybridRoleReads,
)
from mi_ldap.model import EntryId, Names, Role, User
from mi_ldap.sql.database_errors import NotStorable
from mi_ldap.sql.hybrid_queries import HybridQueries
from mi_ldap.sql.read_cache import ReadCache

T = TypeVar("T")


class HybridView:
    """Implements `mi_ldap.hybrid_roles.HybridRoleReads` for one request.

    Args:
        roles: carries out the other reads.
        cache: holds what was read, where the database can report changes.
        queries: returns the queries; None while MI's tables of hybrid roles are missing.
    """

    hides_groups = True

    def __init__(
        self,
        roles: HybridRoleReads,
        cache: ReadCache,
        queries: Callable[[], HybridQueries | None],
    ) -> None:
        self._roles = roles
        self._cache = cache
        self._queries = queries

    def contains(self, role: Role) -> bool:
        return self._roles.contains(role)

    def check(self) -> None:
        self._roles.check()

    def role_names(self) -> Names:
        return self._roles.role_names()

    def members(self, role: Role) -> tuple[HybridMember, ...]:
        return self._roles.members(role)

    def dependents_of(self, user: User) -> tuple[EntryId, ...]:
        return self._roles.dependents_of(user)

    def find_role(self, name: str) -> Role | None:
        """Return a role, whose revision is not read: that would count all its members."""
        try:
            return self._get(
                ("role", name),
                lambda queries, connection: queries.find_role(connection, name, is_shown_only=True),
            )
        except NotStorable:
            return None

    def roles_of(self, user: User) -> tuple[Role, ...]:
        if self._cache.is_usable and not self._has_members():
            return ()
        found = self._get(
            ("roles of", user.id, user.name),
            lambda queries, connection: queries.roles_of(connection, user),
            lambda roles: 1 + len(roles),
        )
        return found or ()

    def admin_role(self) -> HybridAdminRole | None:
        return self._get("admin role", lambda queries, connection: queries.admin_role(connection))

    def accounts(self, user_ids: Collection[str]) -> Mapping[str, HybridAccount]:
        if len(user_ids) != 1:
            return self._roles.accounts(user_ids)
        (user_id,) = user_ids
        found = self._get(
            ("account", user_id), lambda queries, connection: queries.accounts(connection, user_ids)
        )
        return found or {}

    def _has_members(self) -> bool:
        """Whether any hybrid role has a member; in most installations none has."""
        found = self._get("members", lambda queries, connection: queries.has_members(connection))
        return bool(found)

    def _get(
        self,
        key: Hashable,
        action: Callable[[HybridQueries, Connection], T],
        size: Callable[[T], int] = lambda value: 1,
    ) -> T | None:
        """Return the result of a read; None in a database without MI's tables of hybrid roles."""
        queries = self._queries()
        if queries is None:
            return None
        found: T = self._cache.get(key, lambda connection: action(queries, connection), size)
        return found
