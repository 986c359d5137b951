"""The LDAP result codes, each with the error that a refused change is answered with.

From RFC 4511 appendix A, RFC 4528 (122), RFC 4370 (123), RFC 3909 (118 to 121), RFC 3928 (113 to
117) and RFC 4533 (4096). Codes of conditions that may be temporary become `DirectoryUnavailable`
(503), so that clients try again. All others become a 4xx error with the reason.
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


@dataclass(frozen=True, slots=True)
class ResultCode:
    """One code.

    Attributes:
        name: as in its RFC, `"notAllowedOnNonLeaf"`.
        error: the error that is raised for it.
        reason: the clause after "The directory rejected the operation: "; `""` where the error's
            own sentence is enough.
    """

    name: str
    error: type[MiLdapError]
    reason: str = ""

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return issubclass(self.error, DirectoryUnavailable)


NOT_ALLOWED_ON_NON_LEAF: Final = 66

_LATER: Final = DirectoryUnavailable
_ENCRYPTION: Final = "it wants an encrypted connection: see user_store.start_tls"
_LIMIT: Final = "a limit was exceeded. See the service's log"

RESULT_CODES: Final = {
    1: ResultCode("operationsError", _LATER),
    2: ResultCode("protocolError", BadRequest, "it does not know this kind of operation"),
    3: ResultCode("timeLimitExceeded", _LATER, _LIMIT),
    4: ResultCode("sizeLimitExceeded", _LATER, _LIMIT),
    5: ResultCode("compareFalse", _LATER),
    6: ResultCode("compareTrue", _LATER),
    7: ResultCode("authMethodNotSupported", Forbidden, "it does not take this way of logging in"),
    8: ResultCode("strongerAuthRequired", Forbidden, _ENCRYPTION),
    10: ResultCode("referral", ReadOnlyStore),
    11: ResultCode("adminLimitExceeded", _LATER, _LIMIT),
    12: ResultCode("unavailableCriticalExtension", BadRequest, "it lacks a control that is needed"),
    13: ResultCode("confidentialityRequired", Forbidden, _ENCRYPTION),
    14: ResultCode("saslBindInProgress", _LATER),
    16: ResultCode("noSuchAttribute", Conflict),
    17: ResultCode("undefinedAttributeType", BadRequest, "it does not know an attribute"),
    18: ResultCode("inappropriateMatching", BadRequest, "it cannot compare such values"),
    19: ResultCode("constraintViolation", BadRequest, "a value breaks a rule of the directory"),
    20: ResultCode("attributeOrValueExists", Conflict),
    21: ResultCode("invalidAttributeSyntax", BadRequest, "a value is not valid for its attribute"),
    32: ResultCode("noSuchObject", Conflict),
    33: ResultCode("aliasProblem", BadRequest, "there is an alias in the way"),
    34: ResultCode("invalidDNSyntax", BadRequest, "the name is not valid there"),
    36: ResultCode("aliasDereferencingProblem", BadRequest, "there is an alias in the way"),
    48: ResultCode("inappropriateAuthentication", Forbidden, "the account cannot log in this way"),
    49: ResultCode("invalidCredentials", Forbidden, "it does not accept the credentials"),
    50: ResultCode("insufficientAccessRights", Forbidden),
    51: ResultCode("busy", _LATER, "it is busy. Try again later"),
    52: ResultCode("unavailable", _LATER, "it is not available. Try again later"),
    53: ResultCode("unwillingToPerform", Forbidden, "it is not willing to do this"),
    54: ResultCode("loopDetect", BadRequest, "it found a loop in its configuration"),
    64: ResultCode("namingViolation", BadRequest, "an entry cannot be named or placed like this"),
    65: ResultCode("objectClassViolation", BadRequest, "the entry would break the schema"),
    NOT_ALLOWED_ON_NON_LEAF: ResultCode(
        "notAllowedOnNonLeaf", BadRequest, "other entries lie below this one: remove them first"
    ),
    67: ResultCode("notAllowedOnRDN", BadRequest, "an entry cannot lose the value that names it"),
    68: ResultCode("entryAlreadyExists", Conflict),
    69: ResultCode(
        "objectClassModsProhibited", BadRequest, "a class of an entry cannot be changed"
    ),
    71: ResultCode("affectsMultipleDSAs", BadRequest, "it would change several servers"),
    80: ResultCode("other", _LATER),
    113: ResultCode("lcupResourcesExhausted", _LATER),
    114: ResultCode("lcupSecurityViolation", Forbidden, "it does not allow this"),
    115: ResultCode("lcupInvalidData", BadRequest, "it does not understand the request"),
    116: ResultCode("lcupUnsupportedScheme", BadRequest, "it does not understand the request"),
    117: ResultCode("lcupReloadRequired", _LATER),
    118: ResultCode("canceled", _LATER),
    119: ResultCode("noSuchOperation", _LATER),
    120: ResultCode("tooLate", _LATER),
    121: ResultCode("cannotCancel", _LATER),
    122: ResultCode("assertionFailed", Conflict),
    123: ResultCode("authorizationDenied", Forbidden, "it does not allow acting for another"),
    4096: ResultCode("e-syncRefreshRequired", _LATER),
}

UNKNOWN: Final = ResultCode("unknown", DirectoryUnavailable)
"""A code that is in none of the RFCs."""

_READ_ONLY: Final = re.compile(r"(?i)read-?only|shadow context|operation restricted")
"""Messages of a read-only server with code 53: OpenLDAP 2.5 "shadow context; no update referral"
and "operation restricted", 389 2.3 "Server is read-only"."""

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


def result_code(code: int) -> ResultCode:
    """Return the entry for a code; `UNKNOWN` where no RFC defines it."""
    return RESULT_CODES.get(code, UNKNOWN)


def is_read_only(code: int, message: str) -> bool:
    """Whether the refusal means that the server is read-only."""
    return code == _UNWILLING_TO_PERFORM and bool(_READ_ONLY.search(message))


def reason_for(code: int, message: str) -> str:
    """Return the reason of a refusal as a clause, naming the class or attribute if known.

    Args:
        code: the LDAP result code.
        message: the server's diagnostic text; only names from the schema are repeated from it.
    """
    if code in _OF_THE_SCHEMA:
        for pattern, clause in _DETAILS:
            if match := re.search(pattern, message):
                return clause.format(*match.groups())
    return result_code(code).reason


_UNWILLING_TO_PERFORM: Final = 53
_OF_THE_SCHEMA: Final = frozenset({16, 17, 19, 21, 53, 64, 65, 69})
