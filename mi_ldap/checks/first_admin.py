"""Whether the next login creates the first admin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from mi_ldap.addresses import is_loopback
from mi_ldap.checks.findings import Finding
from mi_ldap.errors import AdminRoleUnclear, StateUnavailable
from mi_ldap.name_rules import without_primary
from mi_ldap.services.container import Services
from mi_ldap.settings import Settings


def first_admin(
    services: Services, exists: Callable[[str], bool], *, embedded: bool
) -> Iterator[Finding]:
    """Report whether the next login creates the first admin.

    Args:
        services: over the store.
        exists: whether the store has a user of that name.
        embedded: whether the store is the embedded directory.
    """
    settings = services.settings
    is_open = False
    # The check `admins` reports an unclear admin role.
    with suppress(StateUnavailable, AdminRoleUnclear):
        is_open = services.bootstrap.is_open()
    if not is_open:
        yield Finding("first-admin", "pass", "No login can create a first admin.")
        return
    if embedded and is_loopback(settings.server.host):
        sentence = f"There is no admin yet. On this machine {_first_admin_rule(settings)}."
        yield Finding("first-admin", "pass", sentence)
        return
    unknown = [] if embedded else _unknown_names(services, exists)
    if unknown:
        yield _unknown_bootstrap_users(unknown, is_writable=services.store.writable)
        return
    remedy = (
        "Log in as the user who is to be the admin, set bootstrap.users to the allowed names, or "
        "set "
        'bootstrap.mode = "off".'
    )
    yield Finding(
        "first-admin", "warn", f"There is no admin: {_first_admin_rule(settings)}.", remedy
    )


def _unknown_names(services: Services, exists: Callable[[str], bool]) -> list[str]:
    """Return the names of no user with which a login may create the first admin."""
    settings = services.settings
    names = settings.bootstrap.users
    if settings.bootstrap.mode == "configured":
        # Where users can be created, nobody else knows the configured password.
        names = () if services.store.writable else (settings.super_admin.username or "",)
    return [name for name in names if not exists(without_primary(name))]


def _unknown_bootstrap_users(unknown: list[str], *, is_writable: bool) -> Finding:
    one = len(unknown) == 1
    what = f"{unknown[0]} does" if one else f"{', '.join(unknown)} do"
    if not is_writable:
        return Finding(
            "first-admin",
            "warn",
            f"{what} not exist, and the user store is read-only: {'this name' if one else 'these'} "
            "cannot become the first admin.",
            "Correct bootstrap.users or super_admin.username, or create the user with your own "
            "tools.",
        )
    return Finding(
        "first-admin",
        "fail",
        f"{what} not exist: whoever first logs in with {'this name' if one else 'such a name'}, "
        "from any address, chooses its password and becomes an admin.",
        "Correct bootstrap.users, or create the user with your own tools first.",
    )


def _first_admin_rule(settings: Settings) -> str:
    bootstrap = settings.bootstrap
    if bootstrap.mode == "configured":
        return f"{settings.super_admin.username} becomes one at its first login"
    if bootstrap.users:
        return f"the first of {', '.join(bootstrap.users)} to log in becomes one"
    return "whoever logs in first becomes one"
