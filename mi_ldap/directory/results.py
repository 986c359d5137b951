"""What the server's answers mean: LDAP result codes and password policy -> our errors.

Codes as in RFC 4511 appendix A; policy as in draft-behera-ldap-password-policy-10 and OpenLDAP 2.5.
"""

from __future__ import annotations

import structlog

from mi_ldap.directory.session import Refused
from mi_ldap.errors import (
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    Forbidden,
    LoginRefused,
    MiLdapError,
    PolicyRefused,
    ReadOnlyStore,
)

log = structlog.get_logger()

CONSTRAINT_VIOLATION = 19
NO_SUCH_OBJECT = 32
UNWILLING_TO_PERFORM = 53
OBJECT_CLASS_VIOLATION = 65
OTHER = 80
VALUE_EXISTS = 20
EXISTS = frozenset({68, VALUE_EXISTS})
GONE = frozenset({16, NO_SUCH_OBJECT, 122})

_CHANGED_MEANWHILE = frozenset({16, VALUE_EXISTS, NO_SUCH_OBJECT, 68, 122})
_BAD_VALUE = frozenset({18, CONSTRAINT_VIOLATION, 21, 34, 64, 69, 71})
_READ_ONLY = frozenset({10, UNWILLING_TO_PERFORM})
_WRONG_PASSWORD = frozenset({NO_SUCH_OBJECT, 34, 48, 49})
_ENCRYPTION_WANTED = frozenset({8, 13})

_SCHEMA = "if it names miLdap attributes or classes, load config/schema/mi-ldap.ldif"
_WHERE = "32 and 50: a search base does not exist, or the service's account has no right there"

_POLICY = {
    "passwordTooShort": "it is too short",
    "passwordTooLong": "it is too long",
    "passwordInHistory": "it was used before",
    "passwordTooYoung": "the present one was set too recently to be changed",
    "insufficientPasswordQuality": "it is too weak",
    "mustSupplyOldPassword": "the old password must be given",
    "passwordModNotAllowed": "it may not be changed",
}


def login_error(refused: Refused) -> MiLdapError:
    """Why a bind was refused; what the server could not decide is no wrong password."""
    if refused.policy == "accountLocked":
        return LoginRefused("The account is locked. Ask an administrator.", "locked")
    if refused.policy == "passwordExpired":
        return LoginRefused("The password has expired. Ask an administrator.", "expired")
    if refused.code in _WRONG_PASSWORD:
        return LoginRefused()
    if refused.code == UNWILLING_TO_PERFORM:
        return LoginRefused("The account is disabled. Ask an administrator.", "disabled")
    if refused.code in _ENCRYPTION_WANTED:
        return DirectoryUnavailable("The directory wants an encrypted connection for logins.")
    return unexpected(refused)


def password_error(refused: Refused) -> MiLdapError:
    """Why a password was not set (RFC 3062)."""
    reason = _POLICY.get(refused.policy or "")
    if reason:
        return PolicyRefused(_refused(f"the password: {reason}"))
    if refused.code == CONSTRAINT_VIOLATION:
        return PolicyRefused(_refused("the password: its policy says no"))
    return change_error(refused)


def change_error(refused: Refused) -> MiLdapError:
    """Why a change was not made."""
    if refused.code in _CHANGED_MEANWHILE:
        return Conflict()
    if refused.code in _BAD_VALUE:
        log.warning("directory_refused", code=refused.code, answer=refused.message, hint=_SCHEMA)
        return BadRequest(_refused("a name or value of this request"))
    if refused.code in _READ_ONLY:
        return ReadOnlyStore()
    if refused.code == 50:
        hint = "give the service's account the rights of config/ldif/rights.ldif"
        log.error("directory_denies_account", answer=refused.message, hint=hint)
        return Forbidden(
            "The directory does not allow this to the service's account. See the service's log."
        )
    return unexpected(refused)


def is_duplicate(refused: Refused) -> bool:
    """Whether OpenLDAP's overlay `unique` refused a name that another entry has (slapo-unique)."""
    return refused.code == CONSTRAINT_VIOLATION and "non-unique" in refused.message


def unexpected(refused: Refused) -> DirectoryUnavailable:
    """An answer that is nobody's fault here: logged whole, told as an outage."""
    log.error("directory_refused", code=refused.code, answer=refused.message, hint=_WHERE)
    return DirectoryUnavailable("The directory could not carry this out. See the service's log.")


def _refused(what: str) -> str:
    return f"Error processing the request. The directory refuses {what}."
