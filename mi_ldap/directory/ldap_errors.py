"""Conversion of LDAP result codes and password policy errors into our errors.

Codes are those of RFC 4511 appendix A, policy errors those of draft-behera-ldap-password-policy-10.
Messages that are specific to a server are in its profile.
"""

from __future__ import annotations

import re

import structlog

from mi_ldap.directory.layout.profiles import Profile
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
from mi_ldap.ldap.bind_conditions import (
    ACCOUNT_DISABLED,
    AGAINST_POLICY,
    WRONG_PASSWORD,
    bind_condition,
    condition_in,
)
from mi_ldap.ldap.connection import LdapError
from mi_ldap.ldap.result_codes import ResultCode, error_for, is_read_only, reason_for

log = structlog.get_logger()

EXISTS = frozenset({ResultCode.ENTRY_ALREADY_EXISTS, ResultCode.ATTRIBUTE_OR_VALUE_EXISTS})
GONE = frozenset(
    {ResultCode.NO_SUCH_ATTRIBUTE, ResultCode.NO_SUCH_OBJECT, ResultCode.ASSERTION_FAILED}
)

CHANGED_MEANWHILE = EXISTS | GONE
_ENCRYPTION_WANTED = frozenset(
    {ResultCode.STRONGER_AUTH_REQUIRED, ResultCode.CONFIDENTIALITY_REQUIRED}
)

_UNKNOWN_ATTRIBUTE = r"(?i)found in (the )?schema|undefined attribute|attribute conversion"
"""Messages for an attribute that the schema lacks, which Active Directory reports with code 16.

The attribute's name in the message is not enough: with code 16, OpenLDAP also names an attribute
whose value was changed meanwhile.
"""

_SCHEMA = "if it names miLdap attributes or classes, load config/schema/mi-ldap.ldif"
_WHERE = "32 and 50: a search base does not exist, or the service's account has no right there"

_LOGIN = {
    "accountLocked": ("The account is locked. Ask an administrator.", "locked"),
    "passwordExpired": ("The password has expired. Ask an administrator.", "expired"),
    "changeAfterReset": ("The password must be changed first.", "must_change"),
    ACCOUNT_DISABLED: ("The account is disabled. Ask an administrator.", "disabled"),
}

_PASSWORD = {
    "passwordTooShort": "it is too short",
    "passwordTooLong": "it is too long",
    "passwordInHistory": "it was used before",
    "passwordTooYoung": "the present one was set too recently to be changed",
    "insufficientPasswordQuality": "it is too weak",
    "mustSupplyOldPassword": "the old password must be given",
    "passwordModNotAllowed": "it may not be changed",
    AGAINST_POLICY: "it is too short or too weak, was used before, or follows another too soon",
}


def canonical(refused: LdapError, profile: Profile) -> LdapError:
    """Return the error of a change of a group's members with the code of RFC 4511: 16 or 20."""
    if refused.code in profile.is_member:
        return LdapError(ResultCode.ATTRIBUTE_OR_VALUE_EXISTS, refused.message)
    if refused.code in profile.is_no_member:
        return LdapError(ResultCode.NO_SUCH_ATTRIBUTE, refused.message)
    return refused


def _password_condition(refused: LdapError, profile: Profile) -> str | None:
    """Return why a password was rejected; the message of 389 DS is more exact than its control."""
    return condition_in(refused, profile.password) or refused.policy


def login_error(refused: LdapError, profile: Profile) -> MiLdapError:
    """Return the error for a refused bind; a failure of the server is no wrong password.

    A disabled account is reported only after its correct password, a locked one always, as
    directory servers do.
    """
    condition = bind_condition(refused, profile.bind)
    if condition in _LOGIN:
        sentence, reason = _LOGIN[condition]
        named = condition in profile.proves or condition == "accountLocked"
        return LoginRefused(sentence, reason) if named else LoginRefused(reason=reason)
    if condition == WRONG_PASSWORD:
        return LoginRefused()
    if refused.code in _ENCRYPTION_WANTED:
        return DirectoryUnavailable("The directory wants an encrypted connection for logins.")
    return unexpected(refused)


def password_error(refused: LdapError, profile: Profile, *, own: bool = False) -> MiLdapError:
    """Return the error for a password that was not set; `own` if users set their own password."""
    condition = _password_condition(refused, profile)
    if own and condition is None and refused.code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS:
        condition = "passwordModNotAllowed"
    if condition == WRONG_PASSWORD:
        return LoginRefused()
    if condition in _PASSWORD:
        return PolicyRefused(_refused(f"the password: {_PASSWORD[condition]}"))
    if refused.code == ResultCode.CONSTRAINT_VIOLATION:
        return PolicyRefused(_refused("the password: its policy says no"))
    if refused.code in _ENCRYPTION_WANTED:
        return DirectoryUnavailable("The directory wants an encrypted connection for passwords.")
    return change_error(refused)


def closed() -> MiLdapError:
    """Return the error for a password whose change would enable a disabled account."""
    return PolicyRefused(
        "Error processing the request. The account is disabled, and the directory would enable it "
        "with its new password: let an administrator of the directory enable it first."
    )


def change_error(refused: LdapError) -> MiLdapError:
    """Return the error for a rejected change; permanent failures never become 503."""
    if refused.code == ResultCode.NO_SUCH_ATTRIBUTE and re.search(
        _UNKNOWN_ATTRIBUTE, refused.message
    ):
        return _rejected(BadRequest, refused)
    mapping = error_for(refused.code)
    if mapping.error is Conflict:
        return Conflict()
    if mapping.error is ReadOnlyStore or is_read_only(refused.code, refused.message):
        return ReadOnlyStore()
    if refused.code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS:
        hint = "mi-ldap doctor shows which right is missing; docs/directories has them all"
        log.error("directory_denies_account", answer=refused.message, hint=hint)
        return Forbidden(
            "The directory does not allow this to the service's account. See the service's log."
        )
    if mapping.is_temporary:
        return unexpected(refused)
    return _rejected(mapping.error, refused)


def _rejected(kind: type[MiLdapError], refused: LdapError) -> MiLdapError:
    log.warning("directory_refused", code=int(refused.code), answer=refused.message, hint=_SCHEMA)
    reason = reason_for(refused.code, refused.message)
    return kind(f"The directory rejected the operation: {reason} (LDAP {refused.code}).")


def is_duplicate(refused: LdapError) -> bool:
    """Whether a uniqueness rule of the server rejected a name that another entry has.

    Such rules are OpenLDAP's overlay `unique` (slapo-unique) and the plugin "attribute uniqueness"
    of 389 DS.
    """
    said = refused.message.lower()
    return refused.code == ResultCode.CONSTRAINT_VIOLATION and (
        "non-unique" in said or "already exists" in said or "same attribute value" in said
    )


def unexpected(refused: LdapError) -> DirectoryUnavailable:
    """Return the error for an unexpected answer, which is logged completely."""
    mapping = error_for(refused.code)
    log.error(
        "directory_refused",
        code=int(refused.code),
        name=refused.code.name,
        answer=refused.message,
        hint=_WHERE,
    )
    if mapping.is_temporary and mapping.reason:
        return DirectoryUnavailable(f"The directory rejected the operation: {mapping.reason}.")
    return DirectoryUnavailable("The directory rejected the operation. See the service's log.")


def _refused(what: str) -> str:
    return f"Error processing the request. The directory refuses {what}."
