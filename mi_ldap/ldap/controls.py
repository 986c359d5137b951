"""The controls that ldap3 lacks.

A control is ldap3's triple `(oid, critical, value)`, `value` BER-encoded bytes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from ldap3.operation.search import compile_filter, parse_filter
from pyasn1.codec.ber import encoder

from mi_ldap.ldap import ber

Control = tuple[str, bool, bytes | None]

ASSERTION: Final = "1.3.6.1.1.12"  # RFC 4528
PASSWORD_POLICY: Final = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - draft-behera-10
PERMISSIVE_MODIFY: Final = "1.2.840.113556.1.4.1413"

ASK_PASSWORD_POLICY: Final[Control] = (PASSWORD_POLICY, False, None)
PERMISSIVE: Final[Control] = (PERMISSIVE_MODIFY, True, None)

_POLICY_ERRORS = (
    "passwordExpired",
    "accountLocked",
    "changeAfterReset",
    "passwordModNotAllowed",
    "mustSupplyOldPassword",
    "insufficientPasswordQuality",
    "passwordTooShort",
    "passwordTooYoung",
    "passwordInHistory",
    "passwordTooLong",
)


def assertion(ldap_filter: str) -> Control:
    """The operation is done only if the filter is true of its entry (RFC 4528; else code 122)."""
    parsed = parse_filter(ldap_filter, None, True, None, None, False).elements[0]
    return (ASSERTION, True, encoder.encode(compile_filter(parsed)))


@dataclass(frozen=True, slots=True)
class Policy:
    """What a password policy says with an answer (draft-behera-ldap-password-policy-10 §6.2).

    Attributes:
        error: `"accountLocked"`, `"changeAfterReset"` …, or None.
        grace_logins: how many more logins an expired password has.
        expires_in_s: seconds until it expires, where that is soon.
    """

    error: str | None = None
    grace_logins: int | None = None
    expires_in_s: int | None = None


def password_policy(value: bytes | None) -> Policy:
    """What a password policy response holds.

    Lengths may come in BER's long form (389 Directory Server sends them so).
    """
    said = Policy()
    with suppress(IndexError, ValueError):  # a malformed value says nothing
        for _, body in ber.contents(value or b""):
            for tag, content in ber.contents(body):
                if tag == 0x81 and content and content[0] < len(_POLICY_ERRORS):
                    said = replace(said, error=_POLICY_ERRORS[content[0]])
                elif tag == 0xA0:
                    said = _with_warning(said, content)
    return said


def _with_warning(said: Policy, content: bytes) -> Policy:
    for tag, number in ber.contents(content):
        value = int.from_bytes(number, "big")
        said = (
            replace(said, expires_in_s=value) if tag == 0x80 else replace(said, grace_logins=value)
        )
    return said
