"""The admins: who they are, who answers for them, whether the next login makes the first one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from mi_ldap.addresses import is_loopback
from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding, counted
from mi_ldap.directory.reads.service_account import OwnAccount
from mi_ldap.directory.reads.visibility import Visibility
from mi_ldap.errors import AdminRoleUnclear, AmbiguousName, StateUnavailable
from mi_ldap.model import AdminRole, User, without_primary
from mi_ldap.settings import Settings

SHOWN = 10


def admins(patient: CheckContext) -> Iterator[Finding]:
    """Who is an admin and how it was found, who answers for whom, whether the door is open."""
    try:
        role = patient.admin_group.read()
    except AdminRoleUnclear:
        yield Finding(
            "admins",
            "fail",
            f"Two groups are called {patient.bench.admin_role}, or its members can't be read.",
            "Rename one of them, or let the account read their members.",
        )
        return
    if role is None and _is_known_to_have_had_admins(patient):
        yield _lost_role(patient)
    elif role is None:
        yield Finding("admins", "pass", f"There is no group {patient.bench.admin_role} yet.")
    else:
        yield from _holders(patient, role)
    yield from _own_account(patient)
    yield from _conditions_on_roles(patient)
    yield from _door(patient)


def _own_account(patient: CheckContext) -> Iterator[Finding]:
    """Warn if the service's account is a user: who can reset its password gets its rights."""
    own = OwnAccount(patient.reader, patient.account_dn).users()
    if own:
        shown = ", ".join(user.name for user in own)
        yield Finding(
            "admins",
            "warn",
            f"The service's own account is among the users: {shown}.",
            "Move it out of user_store.user_search_base, or leave it out with "
            "user_store.user_name_list_filter.",
        )


def _conditions_on_roles(patient: CheckContext) -> Iterator[Finding]:
    """Warn if the filters for users test membership: leaving such a group hides an admin."""
    items = Visibility(patient.tree, patient.nesting).memberships
    if items:
        shown = ", ".join(f"{item.attribute}{item.operator}{item.value}" for item in items)
        yield Finding(
            "admins",
            "warn",
            f"The filters for users ask for membership in groups ({shown}): an admin who leaves "
            "such a group can't log in any more. Through the API that counts as the admin's "
            "removal; other tools can do it at any time.",
            "Leave the groups out of user_store.user_name_list_filter and "
            "user_name_search_filter, or let only the admins' own custodians change them.",
        )


def _is_known_to_have_had_admins(patient: CheckContext) -> bool:
    with suppress(StateUnavailable):
        return patient.services.bootstrap.has_record()
    return False


def _lost_role(patient: CheckContext) -> Finding:
    role = patient.bench.admin_role
    return Finding(
        "admins",
        "fail",
        f"There is no group {role}, although an admin was made here before: no user is one now.",
        "Restore the group, correct user_store.group_search_base or super_admin.admin_role, or: "
        "mi-ldap recover-admin NAME",
    )


def _holders(patient: CheckContext, role: AdminRole) -> Iterator[Finding]:
    users = list(patient.admin_group.users(role))
    enabled = [user for user in users if user.enabled]
    through = [user for user in users if patient.admin_group.holds_through_others(role, user)]
    found = f"{role.role.locator} holds {counted(len(users), 'admins')}"
    if role.nested:
        found += f", {len(through)} through {counted(len(role.nested), 'groups')} in it"
    if enabled:
        shown = ", ".join(user.name for user in enabled[:SHOWN])
        yield Finding("admins", "pass", f"{found}, {len(enabled)} enabled: {shown}.")
    elif role.first_admin_id or role.holders:
        remedy = "mi-ldap recover-admin NAME"
        yield Finding("admins", "fail", f"{found}, and none of them is an enabled user.", remedy)
    yield from _custodians(patient, role, users)


def _custodians(patient: CheckContext, role: AdminRole, users: list[User]) -> Iterator[Finding]:
    """Who has lost its custodian can be removed by nobody."""
    gone = [user for user in users if user.custodian_id and not _has_custodian(patient, role, user)]
    if gone:
        shown = ", ".join(user.name for user in gone[:SHOWN])
        yield Finding(
            "admins",
            "warn",
            f"The custodian of {shown} is gone or no admin: nobody can remove them by the API.",
            "mi-ldap recover-admin NAME --adopt makes NAME their custodian.",
        )


def _has_custodian(patient: CheckContext, role: AdminRole, user: User) -> bool:
    found = patient.reader.user(user.custodian_id) if user.custodian_id else None
    return found is not None and patient.admin_group.holds(role, found)


def _door(patient: CheckContext) -> Iterator[Finding]:
    """Whether the next login makes the first admin."""
    settings = patient.services.settings
    is_open = False
    with suppress(StateUnavailable, AdminRoleUnclear):
        is_open = patient.services.bootstrap.is_open()
    if not is_open:
        yield Finding("first-admin", "pass", "No login makes a first admin.")
        return
    if patient.embedded and is_loopback(settings.server.host):
        sentence = f"Nobody is admin yet, on this machine {_winner(settings)}."
        yield Finding("first-admin", "pass", sentence)
        return
    unknown = _names_of_nobody(patient)
    if unknown:
        yield _anybody_becomes_it(unknown)
        return
    remedy = (
        "Log in as the user who is to be admin, or set bootstrap.users to the names that may, or "
        'bootstrap.mode = "off".'
    )
    yield Finding("first-admin", "warn", f"Nobody is admin: {_winner(settings)}.", remedy)


def _names_of_nobody(patient: CheckContext) -> list[str]:
    """Names that may become the first admin, and that no entry has: a login makes the entry."""
    bootstrap = patient.services.settings.bootstrap
    if patient.embedded or bootstrap.mode != "first_login":
        return []
    return [name for name in bootstrap.users if not _is_there(patient, without_primary(name))]


def _is_there(patient: CheckContext, name: str) -> bool:
    try:
        return patient.reader.find_user(name) is not None
    except AmbiguousName:
        return True


def _anybody_becomes_it(unknown: list[str]) -> Finding:
    one = len(unknown) == 1
    what = f"{unknown[0]} does" if one else f"{', '.join(unknown)} do"
    return Finding(
        "first-admin",
        "fail",
        f"{what} not exist: whoever first logs in under {'this name' if one else 'such a name'}, "
        "from anywhere, chooses its password and becomes an admin.",
        "Correct bootstrap.users, or make the user with your own tools first.",
    )


def _winner(settings: Settings) -> str:
    bootstrap = settings.bootstrap
    if bootstrap.mode == "configured":
        return f"the first login of {settings.super_admin.username} makes it one"
    if bootstrap.users:
        return f"the first of {', '.join(bootstrap.users)} to log in becomes one"
    return "whoever logs in first becomes one"
