"""Stores with hybrid roles on a database of the tests, and what MI does to its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mi_ldap.domains import HybridStore
from mi_ldap.domains.hybrid_reads import HybridReads
from mi_ldap.model import AdminRole, Names, Role, UserDetails
from mi_ldap.sql import Database, SqlHybridRoles
from mi_ldap.store import FindRole, UserStore
from tests.sql.stores import Place

ADMIN_ROLE = "Internal/admin"


@dataclass(frozen=True)
class MiRows:
    """MI, which writes names only."""

    place: Place

    def add_domain(self, name: str = "PRIMARY") -> None:
        self.place.execute(
            "INSERT INTO UM_DOMAIN (UM_DOMAIN_NAME, UM_TENANT_ID) VALUES (:name, -1234)", name=name
        )

    def add_role(self, stored_name: str) -> None:
        self.place.execute(
            "INSERT INTO UM_HYBRID_ROLE (UM_ROLE_NAME, UM_TENANT_ID) VALUES (:name, -1234)",
            name=stored_name,
        )

    def add_member(self, stored_name: str, user: str | None, domain: str = "PRIMARY") -> None:
        present = self.place.query(
            "SELECT UM_DOMAIN_ID FROM UM_DOMAIN WHERE UM_DOMAIN_NAME = :domain", domain=domain
        )
        if not present:
            self.add_domain(domain)
        self.place.execute(
            "INSERT INTO UM_HYBRID_USER_ROLE (UM_USER_NAME, UM_ROLE_ID, UM_TENANT_ID, UM_DOMAIN_ID)"
            " SELECT :user, R.UM_ID, -1234, D.UM_DOMAIN_ID FROM UM_HYBRID_ROLE R, UM_DOMAIN D "
            "WHERE D.UM_DOMAIN_NAME = :domain AND R.UM_ROLE_NAME = :role",
            user=user,
            role=stored_name,
            domain=domain,
        )

    def remove_members(self, stored_name: str) -> None:
        self.place.execute(
            "DELETE FROM UM_HYBRID_USER_ROLE WHERE UM_ROLE_ID IN "
            "(SELECT UM_ID FROM UM_HYBRID_ROLE WHERE UM_ROLE_NAME = :role)",
            role=stored_name,
        )

    def delete_role(self, stored_name: str) -> None:
        self.remove_members(stored_name)
        self.place.execute(
            "DELETE FROM UM_HYBRID_ROLE WHERE UM_ROLE_NAME = :role", role=stored_name
        )

    def members(self, stored_name: str) -> list[str]:
        """The names that MI has as members, sorted."""
        found = self.place.query(
            "SELECT M.UM_USER_NAME FROM UM_HYBRID_USER_ROLE M JOIN UM_HYBRID_ROLE R "
            "ON R.UM_ID = M.UM_ROLE_ID WHERE R.UM_ROLE_NAME = :role",
            role=stored_name,
        )
        return sorted(name for (name,) in found)


def over(
    store: UserStore,
    place: Place,
    *,
    has_accounts: bool = True,
    **settings: Any,
) -> HybridStore:
    """A store with hybrid roles in that database, beside it."""
    database = Database(replace(place.config, **settings))
    hybrid = SqlHybridRoles(database, ADMIN_ROLE if has_accounts else "")
    return HybridStore(store, hybrid, has_accounts=has_accounts)


def within(
    place: Place,
    *,
    has_accounts: bool = True,
    observe: Callable[[str], None] = lambda operation: None,
    **settings: Any,
) -> HybridStore:
    """A store with its users and hybrid roles in one database, as that of another machine."""
    store = place.open(observe, **settings)
    hybrid = SqlHybridRoles(store.database, ADMIN_ROLE if has_accounts else "")
    return HybridStore(store, hybrid, has_accounts=has_accounts)


class HybridNames:
    """A store all of whose roles are hybrid ones, shown without `Internal/`.

    Args:
        store: the store.
        plain: the names of roles that are no hybrid ones.
    """

    has_hybrid_roles_only = True

    def __init__(self, store: Any, plain: tuple[str, ...] = ()) -> None:
        self._store = store
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._store, name)
        if not callable(target):
            return target

        def call(*args: Any, **options: Any) -> Any:
            if name in ("find_role", "create_role"):
                return self._shown(target(self._full(args[0])))
            return self._shown(target(*map(self._sent, args), **options))

        return call

    def _full(self, name: str) -> str:
        is_plain = name.lower() in self._plain or not name.strip()
        return name if is_plain else f"Internal/{name}"

    def _sent(self, value: Any) -> Any:
        return FindRole(self._full(value.name)) if isinstance(value, FindRole) else value

    def _shown(self, found: Any) -> Any:  # noqa: PLR0911
        match found:
            case Role():
                return replace(found, name=found.name.removeprefix("Internal/"))
            case AdminRole():
                return replace(found, role=self._shown(found.role))
            case Names():
                return Names(tuple(name.removeprefix("Internal/") for name in found.names))
            case UserDetails():
                roles, inherited = self._shown(found.roles), self._shown(found.inherited)
                return replace(found, roles=roles, inherited=inherited)
            case HybridReads():
                return HybridNames(found, self._plain)
            case tuple():
                return tuple(map(self._shown, found))
        return found
