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
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.result_errors import error_for, is_read_only, reason_for

log = structlog.get_logger()

EXISTS = frozenset({ResultCode.ENTRY_ALREADY_EXISTS, ResultCode.ATTRIBUTE_OR_VALUE_EXISTS})
"""Codes for the addition of an entry or a value that exists."""
GONE = frozenset({ResultCode.NO_SUCH_ATTRIBUTE, ResultCode.NO_SUCH_OBJECT})
"""Codes for the deletion of an entry or a value that does not exist."""
CHANGED_MEANWHILE = EXISTS | GONE | {ResultCode.ASSERTION_FAILED}
"""Codes for an undo whose entry or value another client has changed since."""
_ENCRYPTION_REQUIRED = frozenset(
    {ResultCode.STRONGER_AUTH_REQUIRED, ResultCode.CONFIDENTIALITY_REQUIRED}
)

# Not the attribute's name alone: with code 16, OpenLDAP also names an attribute whose value was
# changed meanwhile.
_UNKNOWN_ATTRIBUTE = r"(?i)found in (the )?schema|undefined attribute|attribute conversion"
"""Messages for an attribute that the schema lacks, which Active Directory reports with code 16."""

_SCHEMA_HINT = "if it names miLdap attributes or classes, load config/schema/mi-ldap.ldif"
_RIGHTS_HINT = (
    "32 and 50: a search base does not exist, or the service's account has no right there"
)

_LOGIN_ERRORS = {
    "accountLocked": ("The account is locked. Ask an administrator.", "locked"),
    "passwordExpired": ("The password has expired. Ask an administrator.", "expired"),
    "changeAfterReset": ("The password must be changed first.", "must_change"),
    ACCOUNT_DISABLED: ("The account is disabled. Ask an administrator.", "disabled"),
}

_PASSWORD_REASONS = {
    "passwordTooShort": "it is too short",
    "passwordTooLong": "it is too long",
    "passwordInHistory": "it was used before",
    "passwordTooYoung": "the present one was set too recently to be changed",
    "insufficientPasswordQuality": "it is too weak",
    "mustSupplyOldPassword": "the old password must be given",
    "passwordModNotAllowed": "it may not be changed",
    AGAINST_POLICY: "it is too short or too weak, was used before, or follows another too soon",
}


def with_standard_code(error: LdapError, profile: Profile) -> LdapError:
    """Return the error of a change of members with the code of RFC 4511: 16 or 20."""
    # Active Directory returns 68 for a value that exists, and 53 for one that does not.
    if error.code in profile.already_member_codes:
        return LdapError(ResultCode.ATTRIBUTE_OR_VALUE_EXISTS, error.message)
    if error.code in profile.not_member_codes:
        return LdapError(ResultCode.NO_SUCH_ATTRIBUTE, error.message)
    return error


def _password_condition(error: LdapError, profile: Profile) -> str | None:
    """Return the condition of the policy that rejected a password; None if it is unknown."""
    # 389 DS 2.3.1: the message is more exact than the password policy control.
    return condition_in(error, profile.password) or error.policy


def login_error(error: LdapError, profile: Profile) -> MiLdapError:
    """Return the error for a refused bind.

    A disabled account is reported only after its correct password, a locked one always, as
    directory servers do.
    """
    condition = bind_condition(error, profile.bind)
    if condition in _LOGIN_ERRORS:
        sentence, reason = _LOGIN_ERRORS[condition]
        named = condition in profile.conditions_after_password or condition == "accountLocked"
        return LoginRefused(sentence, reason) if named else LoginRefused(reason=reason)
    if condition == WRONG_PASSWORD:
        return LoginRefused()
    if error.code in _ENCRYPTION_REQUIRED:
        return DirectoryUnavailable("The directory requires an encrypted connection for logins.")
    return unexpected(error)


def password_error(error: LdapError, profile: Profile, *, own: bool = False) -> MiLdapError:
    """Return the error for a password that was not set; `own` if users set their own password."""
    condition = _password_condition(error, profile)
    if own and condition is None and error.code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS:
        condition = "passwordModNotAllowed"
    if condition == WRONG_PASSWORD:
        return LoginRefused()
    if condition in _PASSWORD_REASONS:
        return _password_refused(_PASSWORD_REASONS[condition])
    if error.code == ResultCode.CONSTRAINT_VIOLATION:
        return _password_refused("it violates the password policy")
    if error.code in _ENCRYPTION_REQUIRED:
        return DirectoryUnavailable("The directory requires an encrypted connection for passwords.")
    return change_error(error)


def account_disabled() -> MiLdapError:
    """Return the error for a password whose change would enable a disabled account."""
    return PolicyRefused(
        "The account is disabled, and the directory would enable it "
        "with its new password: let an administrator of the directory enable it first."
    )


def change_error(error: LdapError) -> MiLdapError:
    """Return the error for a rejected change; permanent failures never become 503."""
    # Active Directory and Samba report an attribute that the schema lacks with code 16, which
    # otherwise means that another client has removed the value.
    if error.code == ResultCode.NO_SUCH_ATTRIBUTE and re.search(_UNKNOWN_ATTRIBUTE, error.message):
        return _rejected(BadRequest, error)
    mapping = error_for(error.code)
    if mapping.error is Conflict:
        return Conflict()
    if mapping.error is ReadOnlyStore or is_read_only(error.code, error.message):
        return ReadOnlyStore()
    if error.code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS:
        hint = "mi-ldap doctor shows which right is missing; docs/directories has them all"
        log.error("directory_denies_account", answer=error.message, hint=hint)
        return Forbidden(
            "The directory does not allow this to the service's account. See the service's log."
        )
    if mapping.is_temporary:
        return unexpected(error)
    return _rejected(mapping.error, error)


def _rejected(kind: type[MiLdapError], error: LdapError) -> MiLdapError:
    log.warning("directory_refused", code=int(error.code), answer=error.message, hint=_SCHEMA_HINT)
    reason = reason_for(error.code, error.message)
    return kind(f"The directory rejected the operation: {reason} (LDAP {error.code}).")


def is_duplicate(error: LdapError) -> bool:
    """Whether a uniqueness rule of the server rejected a name that another entry has.

    Such rules are OpenLDAP's overlay `unique` (slapo-unique) and the plugin "attribute uniqueness"
    of 389 DS.
    """
    message = error.message.lower()
    return error.code == ResultCode.CONSTRAINT_VIOLATION and (
        "non-unique" in message or "already exists" in message or "same attribute value" in message
    )


def unexpected(error: LdapError) -> DirectoryUnavailable:
    """Return the error for an unexpected result code, and log the server's message."""
    mapping = error_for(error.code)
    log.error(
        "directory_refused",
        code=int(error.code),
        name=error.code.name,
        answer=error.message,
        hint=_RIGHTS_HINT,
    )
    if mapping.is_temporary and mapping.reason:
        return DirectoryUnavailable(f"The directory rejected the operation: {mapping.reason}.")
    return DirectoryUnavailable("The directory rejected the operation. See the service's log.")


def _password_refused(reason: str) -> PolicyRefused:
    return PolicyRefused(f"The directory refuses the password: {reason}.")
