"""The check `icp`: whether the Integration Control Plane 2 can use its account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mi_ldap.checks.findings import Finding
from mi_ldap.deadline import deadline
from mi_ldap.errors import MiLdapError
from mi_ldap.name_rules import PRIMARY_ADMINS
from mi_ldap.services.accounts import find_user
from mi_ldap.services.container import Services

_DEADLINE_S: Final = 15.0
_CHECK: Final = "icp"
_OTHER: Final = "or set icp_config.account to another user"


def examine_icp(services: Services) -> Iterator[Finding]:
    """Yield a finding about `icp_config.account`, if ICP is enabled."""
    icp = services.settings.icp_config
    if not icp.enabled:
        return
    if icp.account is None:
        yield Finding(_CHECK, "pass", "ICP only reads: icp_config.account names no user.")
        return
    try:
        with deadline(_DEADLINE_S):
            yield _finding(services, icp.account)
    except MiLdapError as error:
        sentence = f"The user {icp.account}, icp_config.account, cannot be read: {error}"
        yield Finding(_CHECK, "fail", sentence, "Correct what the findings above report.")


def _finding(services: Services, name: str) -> Finding:
    store = services.store
    user = find_user(store, name)
    if user is None:
        sentence = f"There is no user {name}, so ICP is refused (icp_config.account)."
        return Finding(_CHECK, "fail", sentence, f"mi user create {name}, {_OTHER}.")
    if not user.enabled:
        sentence = f"The user {name} is disabled, so ICP is refused (icp_config.account)."
        return Finding(_CHECK, "fail", sentence, f"Enable it in the user store, {_OTHER}.")
    admin_role = store.admin_role()
    if admin_role is None or not store.is_holder(admin_role, user):
        role = services.settings.super_admin.admin_role
        sentence = (
            f"The user {name} is not an admin, so ICP sees no users, and gets no heartbeat after a "
            "start (icp_config.account)."
        )
        remedy = f"mi role assign {name} {role}, {_OTHER}."
        if user.domain:
            remedy = f"{PRIMARY_ADMINS} Set icp_config.account to one."
        return Finding(_CHECK, "fail", sentence, remedy)
    return Finding(_CHECK, "pass", f"ICP creates and deletes users as the admin {user.name}.")
