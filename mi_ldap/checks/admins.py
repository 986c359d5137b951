"""The admins, their custodians, and whether the next login creates the first admin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding, counted, listed
from mi_ldap.checks.first_admin import first_admin
from mi_ldap.checks.store_admins import admins_of_store, can_read_admins, had_admins
from mi_ldap.directory.reads.service_account import ServiceAccount
from mi_ldap.directory.reads.visibility import Visibility
from mi_ldap.errors import AdminRoleUnclear, AmbiguousName
from mi_ldap.model import AdminRole, User


def admins(context: CheckContext) -> Iterator[Finding]:
    """Report the admins, admins without a custodian, and whether a login can create the first."""
    yield from _own_account(context)
    yield from _membership_filters(context)
    if context.services.settings.is_admin_role_hybrid:
        if not can_read_admins(context.services):
            sentence = "Not examined until hybrid roles can be read: see hybrid-roles below."
            yield Finding("admins", "skip", sentence)
            return
        yield from admins_of_store(context.services)
    else:
        yield from _admins_of_group(context)
    yield from first_admin(context.services, partial(_exists, context), embedded=context.embedded)


def _admins_of_group(context: CheckContext) -> Iterator[Finding]:
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
    if role is None and had_admins(context.services):
        yield _missing_admin_role(context)
    elif role is None:
        yield Finding("admins", "pass", f"There is no group {context.target.admin_role} yet.")
    else:
        yield from _admins(context, role)


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


def _exists(context: CheckContext, name: str) -> bool:
    try:
        return context.reader.find_user(name) is not None
    except AmbiguousName:
        # No login succeeds with an ambiguous name, so none creates this user.
        return True
