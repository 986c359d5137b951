"""The error that a rejected change is answered with, for each LDAP result code.

Codes of conditions that may be temporary become `DirectoryUnavailable` (503), so that clients try
again. All others become a 4xx error with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mi_ldap.errors import (
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    Forbidden,
    MiLdapError,
    ReadOnlyStore,
)
from mi_ldap.ldap.result_codes import ResultCode


@dataclass(frozen=True, slots=True)
class ErrorMapping:
    """The error that a change which was rejected with some result code is answered with.

    Attributes:
        error: the class of the error.
        reason: the clause after "The directory rejected the operation: "; `""` where the error's
            own sentence is enough.
    """

    error: type[MiLdapError]
    reason: str = ""

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return issubclass(self.error, DirectoryUnavailable)


_LATER: Final = DirectoryUnavailable
_ENCRYPTION: Final = "it wants an encrypted connection: see user_store.start_tls"
_LIMIT: Final = "a limit was exceeded. See the service's log"

ERRORS: Final = {
    ResultCode.OPERATIONS_ERROR: ErrorMapping(_LATER),
    ResultCode.PROTOCOL_ERROR: ErrorMapping(BadRequest, "it does not know this kind of operation"),
    ResultCode.TIME_LIMIT_EXCEEDED: ErrorMapping(_LATER, _LIMIT),
    ResultCode.SIZE_LIMIT_EXCEEDED: ErrorMapping(_LATER, _LIMIT),
    ResultCode.COMPARE_FALSE: ErrorMapping(_LATER),
    ResultCode.COMPARE_TRUE: ErrorMapping(_LATER),
    ResultCode.AUTH_METHOD_NOT_SUPPORTED: ErrorMapping(
        Forbidden, "it does not take this way of logging in"
    ),
    ResultCode.STRONGER_AUTH_REQUIRED: ErrorMapping(Forbidden, _ENCRYPTION),
    # A replica refers changes to the server that accepts them; referrals are not followed.
    ResultCode.REFERRAL: ErrorMapping(ReadOnlyStore),
    ResultCode.ADMIN_LIMIT_EXCEEDED: ErrorMapping(_LATER, _LIMIT),
    ResultCode.UNAVAILABLE_CRITICAL_EXTENSION: ErrorMapping(
        BadRequest, "it lacks a control that is needed"
    ),
    ResultCode.CONFIDENTIALITY_REQUIRED: ErrorMapping(Forbidden, _ENCRYPTION),
    ResultCode.SASL_BIND_IN_PROGRESS: ErrorMapping(_LATER),
    # The value was deleted in between. Active Directory also reports an attribute that the schema
    # lacks with this code (`directory.ldap_errors`).
    ResultCode.NO_SUCH_ATTRIBUTE: ErrorMapping(Conflict),
    ResultCode.UNDEFINED_ATTRIBUTE_TYPE: ErrorMapping(BadRequest, "it does not know an attribute"),
    ResultCode.INAPPROPRIATE_MATCHING: ErrorMapping(BadRequest, "it cannot compare such values"),
    ResultCode.CONSTRAINT_VIOLATION: ErrorMapping(
        BadRequest, "a value breaks a rule of the directory"
    ),
    ResultCode.ATTRIBUTE_OR_VALUE_EXISTS: ErrorMapping(Conflict),
    ResultCode.INVALID_ATTRIBUTE_SYNTAX: ErrorMapping(
        BadRequest, "a value is not valid for its attribute"
    ),
    # A change is made to what was read before: the entry was deleted in between.
    ResultCode.NO_SUCH_OBJECT: ErrorMapping(Conflict),
    ResultCode.ALIAS_PROBLEM: ErrorMapping(BadRequest, "there is an alias in the way"),
    ResultCode.INVALID_DN_SYNTAX: ErrorMapping(BadRequest, "the name is not valid there"),
    ResultCode.ALIAS_DEREFERENCING_PROBLEM: ErrorMapping(
        BadRequest, "there is an alias in the way"
    ),
    ResultCode.INAPPROPRIATE_AUTHENTICATION: ErrorMapping(
        Forbidden, "the account cannot log in this way"
    ),
    ResultCode.INVALID_CREDENTIALS: ErrorMapping(Forbidden, "it does not accept the credentials"),
    ResultCode.INSUFFICIENT_ACCESS_RIGHTS: ErrorMapping(Forbidden),
    ResultCode.BUSY: ErrorMapping(_LATER, "it is busy. Try again later"),
    ResultCode.UNAVAILABLE: ErrorMapping(_LATER, "it is not available. Try again later"),
    ResultCode.UNWILLING_TO_PERFORM: ErrorMapping(Forbidden, "it is not willing to do this"),
    ResultCode.LOOP_DETECT: ErrorMapping(BadRequest, "it found a loop in its configuration"),
    ResultCode.NAMING_VIOLATION: ErrorMapping(
        BadRequest, "an entry cannot be named or placed like this"
    ),
    ResultCode.OBJECT_CLASS_VIOLATION: ErrorMapping(BadRequest, "the entry would break the schema"),
    ResultCode.NOT_ALLOWED_ON_NON_LEAF: ErrorMapping(
        BadRequest, "other entries lie below this one: remove them first"
    ),
    ResultCode.NOT_ALLOWED_ON_RDN: ErrorMapping(
        BadRequest, "an entry cannot lose the value that names it"
    ),
    ResultCode.ENTRY_ALREADY_EXISTS: ErrorMapping(Conflict),
    ResultCode.OBJECT_CLASS_MODS_PROHIBITED: ErrorMapping(
        BadRequest, "a class of an entry cannot be changed"
    ),
    ResultCode.AFFECTS_MULTIPLE_DSAS: ErrorMapping(BadRequest, "it would change several servers"),
    ResultCode.OTHER: ErrorMapping(_LATER),
    ResultCode.LCUP_RESOURCES_EXHAUSTED: ErrorMapping(_LATER),
    ResultCode.LCUP_SECURITY_VIOLATION: ErrorMapping(Forbidden, "it does not allow this"),
    ResultCode.LCUP_INVALID_DATA: ErrorMapping(BadRequest, "it does not understand the request"),
    ResultCode.LCUP_UNSUPPORTED_SCHEME: ErrorMapping(
        BadRequest, "it does not understand the request"
    ),
    ResultCode.LCUP_RELOAD_REQUIRED: ErrorMapping(_LATER),
    ResultCode.CANCELED: ErrorMapping(_LATER),
    ResultCode.NO_SUCH_OPERATION: ErrorMapping(_LATER),
    ResultCode.TOO_LATE: ErrorMapping(_LATER),
    ResultCode.CANNOT_CANCEL: ErrorMapping(_LATER),
    # The guard of a change: the entry is not as it was read.
    ResultCode.ASSERTION_FAILED: ErrorMapping(Conflict),
    ResultCode.AUTHORIZATION_DENIED: ErrorMapping(
        Forbidden, "it does not allow acting for another"
    ),
    ResultCode.E_SYNC_REFRESH_REQUIRED: ErrorMapping(_LATER),
}

_UNKNOWN: Final = ErrorMapping(DirectoryUnavailable)
"""For a code that no RFC defines."""

_READ_ONLY: Final = re.compile(r"(?i)read-?only|shadow context|operation restricted")
"""Messages of a read-only server with code 53: OpenLDAP 2.5 "shadow context; no update referral"
and "operation restricted", 389 2.3 "Server is read-only"."""

_SCHEMA_CODES: Final = frozenset(
    {
        ResultCode.NO_SUCH_ATTRIBUTE,
        ResultCode.UNDEFINED_ATTRIBUTE_TYPE,
        ResultCode.CONSTRAINT_VIOLATION,
        ResultCode.INVALID_ATTRIBUTE_SYNTAX,
        ResultCode.UNWILLING_TO_PERFORM,
        ResultCode.NAMING_VIOLATION,
        ResultCode.OBJECT_CLASS_VIOLATION,
        ResultCode.OBJECT_CLASS_MODS_PROHIBITED,
    }
)
"""Codes with which servers report what the schema does not allow."""

_WORD = r"['\"(]?([A-Za-z][A-Za-z0-9.;-]*)['\")]?"
_DETAILS: Final = (
    # Messages of OpenLDAP 2.5, 389 2.3 and Samba 4.17; only names from the schema are repeated.
    (rf"object class {_WORD} requires attribute {_WORD}", "the class {0} needs the attribute {1}"),
    (
        rf"missing attribute {_WORD} required by object class {_WORD}",
        "the class {1} needs the attribute {0}",
    ),
    (rf"attribute {_WORD} not allowed", "the classes of the entry do not allow the attribute {0}"),
    (
        rf"invalid structural object class chain \({_WORD}/{_WORD}\)",
        "an entry cannot be of the classes {0} and {1} at once",
    ),
    (
        r"no structural object class",
        "the classes make no entry by themselves: a structural one is missing",
    ),
    (rf"(?:unknown|unrecognized) object ?class {_WORD}", "it does not know the class {0}"),
    (r"objectClass: value #\d+ invalid per syntax", "it does not know a class"),
    (rf"{_WORD}: attribute type undefined", "it does not know the attribute {0}"),
    (rf"naming attribute {_WORD} is not present", "the name of an entry needs the attribute {0}"),
)


def error_for(code: ResultCode) -> ErrorMapping:
    """Return the error for a result code; `DirectoryUnavailable` where no RFC defines the code."""
    return ERRORS.get(code, _UNKNOWN)


def is_read_only(code: ResultCode, message: str) -> bool:
    """Whether the refusal means that the server is read-only."""
    return code == ResultCode.UNWILLING_TO_PERFORM and bool(_READ_ONLY.search(message))


def reason_for(code: ResultCode, message: str) -> str:
    """Return the reason of a refusal as a clause, naming the class or attribute if known.

    Args:
        code: the LDAP result code.
        message: the server's diagnostic text; only names from the schema are repeated from it.
    """
    if code in _SCHEMA_CODES:
        for pattern, clause in _DETAILS:
            if match := re.search(pattern, message):
                return clause.format(*match.groups())
    return error_for(code).reason
