"""Why a server refused a bind: conditions of accounts, and how servers report them.

Conditions have the names of draft-behera-ldap-password-policy-10 §6.2, and the three below that the
draft lacks. Messages were read from OpenLDAP 2.5.13, 389 Directory Server 2.3.1 and Samba 4.17.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mi_ldap.ldap.result_codes import LdapError, ResultCode

WRONG_PASSWORD: Final = "wrongPassword"  # noqa: S105 - the name of a condition
ACCOUNT_DISABLED: Final = "accountDisabled"
AGAINST_POLICY: Final = "againstPolicy"

CONSTRAINT: Final = frozenset({ResultCode.CONSTRAINT_VIOLATION})
INVALID_CREDENTIALS: Final = frozenset({ResultCode.INVALID_CREDENTIALS})
UNWILLING: Final = frozenset({ResultCode.UNWILLING_TO_PERFORM})

_WRONG_NAME_OR_PASSWORD: Final = frozenset(
    {
        ResultCode.NO_SUCH_OBJECT,
        ResultCode.INVALID_DN_SYNTAX,
        ResultCode.INAPPROPRIATE_AUTHENTICATION,
        ResultCode.INVALID_CREDENTIALS,
    }
)
"""Codes of a bind with a wrong name or password, or of an entry that may not bind."""


@dataclass(frozen=True, slots=True)
class ServerMessagePattern:
    """One way in which a server reports a condition: a result code and a part of its message.

    Attributes:
        condition: `"accountLocked"`.
        text: a regular expression, found anywhere in the message.
    """

    condition: str
    codes: frozenset[ResultCode]
    text: str = ""

    def matches(self, refused: LdapError) -> bool:
        return refused.code in self.codes and bool(re.search(self.text, refused.message))


# slapo-ppolicy of OpenLDAP 2.5 reports all other conditions in its control.
OPENLDAP: Final = (ServerMessagePattern(ACCOUNT_DISABLED, UNWILLING),)

DS389: Final = (
    # Its control says "locked" for an inactivated account, too, so the message decides.
    ServerMessagePattern("accountLocked", CONSTRAINT, "(?i)retry limit"),
    ServerMessagePattern("passwordExpired", INVALID_CREDENTIALS, "(?i)password expired"),
    ServerMessagePattern(
        ACCOUNT_DISABLED, UNWILLING | CONSTRAINT, "(?i)inactivated|inactivity limit"
    ),
)

ACTIVE_DIRECTORY: Final = (
    # Windows error codes in hexadecimal: ERROR_PASSWORD_MUST_CHANGE, ERROR_PASSWORD_EXPIRED,
    # ERROR_ACCOUNT_DISABLED or ERROR_ACCOUNT_EXPIRED, ERROR_ACCOUNT_LOCKED_OUT.
    ServerMessagePattern("changeAfterReset", INVALID_CREDENTIALS, "data 773"),
    ServerMessagePattern("passwordExpired", INVALID_CREDENTIALS, "data 532"),
    ServerMessagePattern(ACCOUNT_DISABLED, INVALID_CREDENTIALS, "data (533|701)"),
    ServerMessagePattern("accountLocked", INVALID_CREDENTIALS, "data 775"),
)


def condition_in(refused: LdapError, patterns: Iterable[ServerMessagePattern]) -> str | None:
    """Return the condition of the first pattern that matches."""
    return next((each.condition for each in patterns if each.matches(refused)), None)


def bind_condition(refused: LdapError, patterns: Iterable[ServerMessagePattern]) -> str | None:
    """Return the condition of an account whose bind was refused, the same word for every server.

    The server's specific messages come first (389 DS reports an inactivated account as locked in
    its control), the result code last: 49 is used for nearly all conditions.
    """
    reported = condition_in(refused, patterns) or refused.policy
    return reported or (WRONG_PASSWORD if refused.code in _WRONG_NAME_OR_PASSWORD else None)
