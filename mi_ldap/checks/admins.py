"""The admins, their custodians, and whether the next login creates the first admin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from mi_ldap.addresses import is_loopback
from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding, counted, listed
from mi_ldap.directory.reads.service_account import ServiceAccount
from mi_ldap.directory.reads.visibility import Visibility
from mi_ldap.errors import AdminRoleUnclear, AmbiguousName, StateUnavailable
from mi_ldap.model import AdminRole, User
from mi_ldap.name_rules import without_primary
from mi_ldap.settings import Settings


def admins(context: CheckContext) -> Iterator[Finding]:
    """Report the admins, admins without a custodian, and whether a login can create the first."""
    try:
        role = context.admin_group.read()
    except AdminRoleUnclear:
        yield Finding(
            "admins",
            "fail",
            f"The admin role {context.target.admin_role} is ambiguous: two groups have that name, "
            "or the account cannot read its members.",
            "Rename one of them, or let the account read their members.",
        )
        return
    # There have been admins, so a missing group is an error and not a new directory.
    if role is None and _had_admins(context):
        yield _missing_admin_role(context)
    elif role is None:
        yield Finding("admins", "pass", f"There is no group {context.target.admin_role} yet.")
    else:
        yield from _admins(context, role)
    yield from _own_account(context)
    yield from _membership_filters(context)
    yield from _first_admin(context)


def _own_account(context: CheckContext) -> Iterator[Finding]:
    """Warn if the service's account is a user."""
    # Whoever resets the password of that user gets the rights of the account.
    own = ServiceAccount(context.reader, context.account_dn).users()
    if own:
        shown = ", ".join(user.name for user in own)
        yield Finding(
            "admins",
            "warn",
            f"The service's own account is among the users: {shown}.",
            "Move it out of user_store.user_search_base, or exclude it with "
            "user_store.user_name_list_filter.",
        )


def _membership_filters(context: CheckContext) -> Iterator[Finding]:
    """Warn if the filters for users test membership in groups."""
    # They hide an admin who leaves such a group.
    items = Visibility(context.layout, context.nesting).memberships
    if items:
        shown = ", ".join(f"{item.attribute}{item.operator}{item.value}" for item in items)
        yield Finding(
            "admins",
            "warn",
            f"The filters for users require membership in groups ({shown}): an admin who leaves "
            "such a group can no longer log in. The API treats that as revoking the admin role; "
            "other tools can do it at any time.",
            "Remove the groups from user_store.user_name_list_filter and user_name_search_filter, "
            "or let only the admins' custodians change them.",
        )


def _had_admins(context: CheckContext) -> bool:
    with suppress(StateUnavailable):
        return context.services.bootstrap.has_record()
    return False


def _missing_admin_role(context: CheckContext) -> Finding:
    role = context.target.admin_role
    return Finding(
        "admins",
        "fail",
        f"There is no group {role}, although an admin was created before: there is no admin now.",
        "Restore the group, correct user_store.group_search_base or super_admin.admin_role, or: "
        "mi-ldap recover-admin NAME",
    )


def _admins(context: CheckContext, role: AdminRole) -> Iterator[Finding]:
    users = list(context.admin_group.users(role))
    enabled = [user for user in users if user.enabled]
    nested = [user for user in users if context.admin_group.holds_through_others(role, user)]
    found = f"{role.role.locator} has {counted(len(users), 'admins')}"
    if role.nested:
        found += f", {len(nested)} through {counted(len(role.nested), 'groups')} in it"
    if enabled:
        shown = listed([user.name for user in enabled])
        yield Finding("admins", "pass", f"{found}, {len(enabled)} enabled: {shown}.")
    elif role.first_admin_id or role.holders:
        remedy = "mi-ldap recover-admin NAME"
        yield Finding("admins", "fail", f"{found}, and none of them is an enabled user.", remedy)
    yield from _custodians(context, role, users)


def _custodians(context: CheckContext, role: AdminRole, users: list[User]) -> Iterator[Finding]:
    """Warn of admins whose custodian is no longer an admin."""
    orphans = [
        user for user in users if user.custodian_id and not _has_custodian(context, role, user)
    ]
    if orphans:
        shown = listed([user.name for user in orphans])
        yield Finding(
            "admins",
            "warn",
            f"The custodian of {shown} was deleted or is not an admin, so nobody can remove them "
            "through the API.",
            "mi-ldap recover-admin NAME --adopt makes NAME their custodian.",
        )


def _has_custodian(context: CheckContext, role: AdminRole, user: User) -> bool:
    found = context.reader.user(user.custodian_id) if user.custodian_id else None
    return found is not None and context.admin_group.holds(role, found)


def _first_admin(context: CheckContext) -> Iterator[Finding]:
    """Report whether the next login creates the first admin."""
    settings = context.services.settings
    is_open = False
    with suppress(StateUnavailable, AdminRoleUnclear):
        is_open = context.services.bootstrap.is_open()
    if not is_open:
        yield Finding("first-admin", "pass", "No login can create a first admin.")
        return
    if context.embedded and is_loopback(settings.server.host):
        sentence = f"There is no admin yet. On this machine {_first_admin_rule(settings)}."
        yield Finding("first-admin", "pass", sentence)
        return
    unknown = _bootstrap_users_without_entry(context)
    if unknown:
        yield _unknown_bootstrap_users(unknown)
        return
    remedy = (
        "Log in as the user who is to be the admin, set bootstrap.users to the allowed names, or "
        "set "
        'bootstrap.mode = "off".'
    )
    yield Finding(
        "first-admin", "warn", f"There is no admin: {_first_admin_rule(settings)}.", remedy
    )


def _bootstrap_users_without_entry(context: CheckContext) -> list[str]:
    """Return the names in `bootstrap.users` without an entry: a login with one creates the user."""
    bootstrap = context.services.settings.bootstrap
    if context.embedded or bootstrap.mode != "first_login":
        return []
    return [name for name in bootstrap.users if not _exists(context, without_primary(name))]


def _exists(context: CheckContext, name: str) -> bool:
    try:
        return context.reader.find_user(name) is not None
    except AmbiguousName:
        # No login succeeds with an ambiguous name, so none creates this user.
        return True


def _unknown_bootstrap_users(unknown: list[str]) -> Finding:
    one = len(unknown) == 1
    what = f"{unknown[0]} does" if one else f"{', '.join(unknown)} do"
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
