"""The password policy's state of the service's own account, as reported by each bind.

A password policy may apply to the account too. Administrators are warned before the password
expires.
"""

from __future__ import annotations

import threading
from typing import Final

import structlog

from mi_ldap.ldap import bind_conditions
from mi_ldap.ldap.bind_conditions import ACCOUNT_DISABLED, WRONG_PASSWORD, bind_condition
from mi_ldap.ldap.controls import Policy
from mi_ldap.ldap.result_codes import LdapError

log = structlog.get_logger()

_HINT: Final = "set a new password that does not expire, and user_store.connection_password to it"

MUST_CHANGE: Final = "changeAfterReset"
_DAY_S: Final = 86400

REFUSALS: Final = {
    "accountLocked": "it is locked or disabled",
    ACCOUNT_DISABLED: "it is disabled",
    "passwordExpired": "its password has expired",
    MUST_CHANGE: "its password must be changed first",
    WRONG_PASSWORD: "there is no such account, or its password is another",
}

# The account binds before the root DSE is read, so the kind of server is not known yet.
_PATTERNS_BY_SERVER: Final = (
    bind_conditions.OPENLDAP,
    bind_conditions.DS389,
    bind_conditions.ACTIVE_DIRECTORY,
    (),
)


def conditions_of_any_server(refused: LdapError) -> set[str | None]:
    """Return what a refused bind means to each kind of server."""
    return {bind_condition(refused, patterns) for patterns in _PATTERNS_BY_SERVER}


def refusal(refused: LdapError) -> str:
    """Return the sentence for clients about a refused bind; it does not name the account."""
    conditions = conditions_of_any_server(refused)
    known = (reason for condition, reason in REFUSALS.items() if condition in conditions)
    reason = next(known, "")
    return f"The directory does not accept the service's own account{reason and f': {reason}'}."


class AccountPolicy:
    """The account's state after the last bind, for `/ready`, the log and the doctor."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warning = ""

    @property
    def warning(self) -> str:
        """Why the account will soon be unable to log in, as a clause, or `""`."""
        return self._warning

    def note(self, policy: Policy) -> None:
        """Store the state after a successful bind; log it when it changed or used a grace login."""
        warning = warning_of(policy)
        with self._lock:
            is_new, self._warning = warning != self._warning, warning
        # Logged at each bind, not only at the first: every new connection uses up a grace login.
        if policy.grace_logins is not None:
            log.error("directory_account_expired", grace_logins=policy.grace_logins, hint=_HINT)
        elif warning and is_new:
            log.warning("directory_account_expires", state=warning, hint=_HINT)


def warning_of(policy: Policy) -> str:
    """Return the clause that warns of the state of a policy, `""` for none."""
    if policy.error == MUST_CHANGE:
        return f"the service's account: {REFUSALS[MUST_CHANGE]}"
    if policy.grace_logins is not None:
        left = policy.grace_logins
        return f"the password of the service's account has expired, {left} grace logins are left"
    if policy.expires_in_s is not None:
        days = policy.expires_in_s // _DAY_S
        return f"the password of the service's account expires in {days} days"
    return ""
