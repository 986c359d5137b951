"""The admins as the store of all users and roles has them, for admin roles outside a directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from mi_ldap.checks.findings import Finding, counted, listed
from mi_ldap.errors import AdminRoleUnclear, AmbiguousName, MiLdapError, StateUnavailable
from mi_ldap.model import AdminRole
from mi_ldap.services.container import Services
from mi_ldap.services.custody import Custody

_RECOVER = "mi-ldap recover-admin NAME"


def admins_of_store(services: Services) -> Iterator[Finding]:
    """Report the admins, and those without a custodian."""
    settings = services.settings
    name = settings.super_admin.admin_role
    try:
        role = services.store.admin_role()
    except AdminRoleUnclear:
        table = "UM_HYBRID_ROLE" if settings.is_admin_role_hybrid else "UM_ROLE"
        sentence = f"The admin role {name} is ambiguous: several roles have that name."
        yield Finding("admins", "fail", sentence, f"Rename all but one of them in {table}.")
        return
    if role is not None:
        yield from _admins(services, role)
    elif had_admins(services):
        yield Finding(
            "admins",
            "fail",
            f"There is no role {name}, although an admin was created before: there is no admin "
            "now.",
            f"Restore {settings.admin_role_place}, correct super_admin.admin_role, or: {_RECOVER}",
        )
    else:
        yield Finding("admins", "pass", f"There is no role {name} yet.")


def had_admins(services: Services) -> bool:
    """Whether the service has recorded an admin in this store."""
    with suppress(StateUnavailable):
        return services.bootstrap.has_record()
    return False


def can_read_admins(services: Services) -> bool:
    """Whether the hybrid roles can be read, one of which is the admin role."""
    try:
        if services.hybrid:
            services.hybrid.check()
    except MiLdapError:
        return False
    return True


def exists(services: Services, name: str) -> bool:
    """Whether the store has a user of that name."""
    try:
        return services.store.find_user(name) is not None
    except AmbiguousName:
        # No login succeeds with an ambiguous name, so none creates this user.
        return True


def _admins(services: Services, role: AdminRole) -> Iterator[Finding]:
    store, name = services.store, role.role.name
    users = list(store.holder_users(role))
    enabled = [user.name for user in users if user.enabled]
    found = f"The role {name} has {counted(len(users), 'admins')}, {len(enabled)} enabled"
    if enabled:
        yield Finding("admins", "pass", f"{found}: {listed(enabled)}.")
    elif role.first_admin_id or role.holders:
        yield Finding("admins", "fail", f"{found}.", _RECOVER)
    custody = Custody(store, services.audit)
    orphans = [
        user.name for user in users if user.custodian_id and not custody.custodian(user, role)
    ]
    if orphans:
        yield Finding(
            "admins",
            "warn",
            f"The custodian of {listed(orphans)} was deleted or is not an admin, so nobody can "
            "remove them through the API.",
            f"{_RECOVER} --adopt makes NAME their custodian.",
        )
