"""The LDAP result codes, and the exception for a response with another one than success."""

from __future__ import annotations

from enum import IntEnum


class ResultCode(IntEnum):
    """A result code (RFC 4511 §4.1.9); the name is that of its RFC, in upper case.

    A code that no RFC defines is a member too, whose name is `UNKNOWN`.
    """

    # RFC 4511, appendix A.1
    SUCCESS = 0
    OPERATIONS_ERROR = 1
    PROTOCOL_ERROR = 2
    TIME_LIMIT_EXCEEDED = 3
    SIZE_LIMIT_EXCEEDED = 4
    COMPARE_FALSE = 5
    COMPARE_TRUE = 6
    AUTH_METHOD_NOT_SUPPORTED = 7
    STRONGER_AUTH_REQUIRED = 8
    REFERRAL = 10
    ADMIN_LIMIT_EXCEEDED = 11
    UNAVAILABLE_CRITICAL_EXTENSION = 12
    CONFIDENTIALITY_REQUIRED = 13
    SASL_BIND_IN_PROGRESS = 14
    NO_SUCH_ATTRIBUTE = 16
    UNDEFINED_ATTRIBUTE_TYPE = 17
    INAPPROPRIATE_MATCHING = 18
    CONSTRAINT_VIOLATION = 19
    ATTRIBUTE_OR_VALUE_EXISTS = 20
    INVALID_ATTRIBUTE_SYNTAX = 21
    NO_SUCH_OBJECT = 32
    ALIAS_PROBLEM = 33
    INVALID_DN_SYNTAX = 34
    ALIAS_DEREFERENCING_PROBLEM = 36
    INAPPROPRIATE_AUTHENTICATION = 48
    INVALID_CREDENTIALS = 49
    INSUFFICIENT_ACCESS_RIGHTS = 50
    BUSY = 51
    UNAVAILABLE = 52
    UNWILLING_TO_PERFORM = 53
    LOOP_DETECT = 54
    NAMING_VIOLATION = 64
    OBJECT_CLASS_VIOLATION = 65
    NOT_ALLOWED_ON_NON_LEAF = 66
    NOT_ALLOWED_ON_RDN = 67
    ENTRY_ALREADY_EXISTS = 68
    OBJECT_CLASS_MODS_PROHIBITED = 69
    AFFECTS_MULTIPLE_DSAS = 71
    OTHER = 80
    # RFC 3928
    LCUP_RESOURCES_EXHAUSTED = 113
    LCUP_SECURITY_VIOLATION = 114
    LCUP_INVALID_DATA = 115
    LCUP_UNSUPPORTED_SCHEME = 116
    LCUP_RELOAD_REQUIRED = 117
    # RFC 3909
    CANCELED = 118
    NO_SUCH_OPERATION = 119
    TOO_LATE = 120
    CANNOT_CANCEL = 121
    # RFC 4528
    ASSERTION_FAILED = 122
    # RFC 4370
    AUTHORIZATION_DENIED = 123
    # RFC 4533
    E_SYNC_REFRESH_REQUIRED = 4096

    @classmethod
    def _missing_(cls, value: object) -> ResultCode | None:
        if not isinstance(value, int):
            return None
        unknown = int.__new__(cls, value)
        unknown._name_, unknown._value_ = "UNKNOWN", value
        return unknown


class LdapError(Exception):
    """The server answered an operation with a result code other than success.

    Attributes:
        code: the LDAP result code.
        message: the server's diagnostic text; for the log only, as it may contain DNs.
        policy: the password policy's error, `"passwordTooShort"`, or None.
    """

    def __init__(self, code: int, message: str, policy: str | None = None) -> None:
        super().__init__(f"LDAP result {code}: {message}")
        self.code = ResultCode(code)
        self.message, self.policy = message, policy
