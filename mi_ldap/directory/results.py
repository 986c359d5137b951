"""What the server's answers mean: LDAP result codes and password policy -> our errors.

Codes as in RFC 4511 appendix A; policy as in draft-behera-ldap-password-policy-10. What a server
says in a way of its own is in its profile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import structlog

from mi_ldap.directory.profiles import (
    ACCOUNT_DISABLED,
    AGAINST_POLICY,
    WRONG_PASSWORD,
    Profile,
    Saying,
)
from mi_ldap.directory.result_codes import is_read_only, reason_for, result_code
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

NO_SUCH_ATTRIBUTE = 16
CONSTRAINT_VIOLATION = 19
VALUE_EXISTS = 20
NO_SUCH_OBJECT = 32
UNWILLING_TO_PERFORM = 53
INSUFFICIENT_RIGHTS = 50
OBJECT_CLASS_VIOLATION = 65
EXISTS = frozenset({68, VALUE_EXISTS})
GONE = frozenset({NO_SUCH_ATTRIBUTE, NO_SUCH_OBJECT, 122})

_CANNOT_TELL = frozenset({NO_SUCH_OBJECT, 34, 48, 49})
"""Codes of a bind whose name or password is wrong, or whose entry may not bind."""

CHANGED_MEANWHILE = EXISTS | GONE
_ENCRYPTION_WANTED = frozenset({8, 13})

_UNKNOWN_ATTRIBUTE = r"(?i)found in (the )?schema|undefined attribute|attribute conversion"
"""How Active Directory tells of an attribute that its schema lacks, under the code 16.

Its name alone says nothing: OpenLDAP names the attribute whose value was swapped meanwhile, too.
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


def canonical(refused: Refused, profile: Profile) -> Refused:
    """The answer to a change of a group's members, its code as RFC 4511 has it: 16 or 20."""
    if refused.code in profile.is_member:
        return Refused(VALUE_EXISTS, refused.message)
    if refused.code in profile.is_no_member:
        return Refused(NO_SUCH_ATTRIBUTE, refused.message)
    return refused


def bind_word(refused: Refused, profile: Profile) -> str | None:
    """What a refused bind says of the account: one word, whichever server says it.

    A server's own way comes first (389 calls an inactivated account locked in its control), the
    code alone last: 49 stands for nearly all of them.
    """
    told = _said(refused, profile.bind) or refused.policy
    return told or (WRONG_PASSWORD if refused.code in _CANNOT_TELL else None)


def _password_word(refused: Refused, profile: Profile) -> str | None:
    """What is wrong with a password; 389 is more exact in its message than in its control."""
    return _said(refused, profile.password) or refused.policy


def _said(refused: Refused, sayings: Iterable[Saying]) -> str | None:
    return next((saying.word for saying in sayings if saying.fits(refused)), None)


def login_error(refused: Refused, profile: Profile) -> MiLdapError:
    """Why a bind was refused; what the server could not decide is no wrong password.

    A closed account is named to whoever gave its password; a locked one to all, as servers do.
    """
    word = bind_word(refused, profile)
    if word in _LOGIN:
        sentence, reason = _LOGIN[word]
        named = word in profile.proves or word == "accountLocked"
        return LoginRefused(sentence, reason) if named else LoginRefused(reason=reason)
    if word == WRONG_PASSWORD:
        return LoginRefused()
    if refused.code in _ENCRYPTION_WANTED:
        return DirectoryUnavailable("The directory wants an encrypted connection for logins.")
    return unexpected(refused)


def password_error(refused: Refused, profile: Profile, *, own: bool = False) -> MiLdapError:
    """Why a password was not set, `own` where the user itself asked for it."""
    word = _password_word(refused, profile)
    if own and word is None and refused.code == INSUFFICIENT_RIGHTS:
        word = "passwordModNotAllowed"
    if word == WRONG_PASSWORD:
        return LoginRefused()
    if word in _PASSWORD:
        return PolicyRefused(_refused(f"the password: {_PASSWORD[word]}"))
    if refused.code == CONSTRAINT_VIOLATION:
        return PolicyRefused(_refused("the password: its policy says no"))
    if refused.code in _ENCRYPTION_WANTED:
        return DirectoryUnavailable("The directory wants an encrypted connection for passwords.")
    return change_error(refused)


def closed() -> MiLdapError:
    """Setting the password would open an account that an administrator closed."""
    return PolicyRefused(
        "Error processing the request. The account is disabled, and the directory would enable it "
        "with its new password: let an administrator of the directory enable it first."
    )


def change_error(refused: Refused) -> MiLdapError:
    """Why a change was not made: what will not go away is never told as an outage."""
    if refused.code == NO_SUCH_ATTRIBUTE and re.search(_UNKNOWN_ATTRIBUTE, refused.message):
        return _rejected(BadRequest, refused)
    known = result_code(refused.code)
    if known.error is Conflict:
        return Conflict()
    if known.error is ReadOnlyStore or is_read_only(refused.code, refused.message):
        return ReadOnlyStore()
    if refused.code == INSUFFICIENT_RIGHTS:
        hint = "python app.py doctor shows which right is missing; docs/directories has them all"
        log.error("directory_denies_account", answer=refused.message, hint=hint)
        return Forbidden(
            "The directory does not allow this to the service's account. See the service's log."
        )
    if known.is_temporary:
        return unexpected(refused)
    return _rejected(known.error, refused)


def _rejected(kind: type[MiLdapError], refused: Refused) -> MiLdapError:
    log.warning("directory_refused", code=refused.code, answer=refused.message, hint=_SCHEMA)
    reason = reason_for(refused.code, refused.message)
    return kind(f"The directory rejected the operation: {reason} (LDAP {refused.code}).")


def is_duplicate(refused: Refused) -> bool:
    """Whether a server's own rule refused a name that another entry has.

    OpenLDAP's overlay `unique` (slapo-unique) and 389's plugin "attribute uniqueness" say so.
    """
    said = refused.message.lower()
    return refused.code == CONSTRAINT_VIOLATION and (
        "non-unique" in said or "already exists" in said or "same attribute value" in said
    )


def unexpected(refused: Refused) -> DirectoryUnavailable:
    """An answer that is nobody's fault here: logged whole, told as an outage."""
    known = result_code(refused.code)
    log.error(
        "directory_refused",
        code=refused.code,
        name=known.name,
        answer=refused.message,
        hint=_WHERE,
    )
    if known.is_temporary and known.reason:
        return DirectoryUnavailable(f"The directory rejected the operation: {known.reason}.")
    return DirectoryUnavailable("The directory rejected the operation. See the service's log.")


def _refused(what: str) -> str:
    return f"Error processing the request. The directory refuses {what}."
