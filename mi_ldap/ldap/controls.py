"""The controls that requests are sent with and responses carry (RFC 4511 §4.1.11), in one table."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from mi_ldap.ldap import ber, messages
from mi_ldap.ldap.filter_encoding import encode_filter


@dataclass(frozen=True, slots=True)
class ControlType:
    """One kind of control.

    Attributes:
        oid: its object identifier.
        name: as in its specification.
        specification: where it is defined.
        use: what it is used for here.
        critical: whether a server that does not know it must refuse the request with code 12.
    """

    oid: str
    name: str
    specification: str
    use: str
    critical: bool = False

    @property
    def key(self) -> bytes:
        """The OID as it stands in a message."""
        return self.oid.encode()

    def with_value(self, value: bytes = b"") -> Control:
        """Return a control of this type; without a value if that is empty."""
        return Control(self, value)


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a request; `value` is BER-encoded, `b""` for none."""

    type: ControlType
    value: bytes = b""

    def encode(self) -> bytes:
        """Return the control as `messages.message` takes it."""
        return messages.control(self.type.oid, self.value, critical=self.type.critical)

    def for_ldap3(self) -> tuple[str, bool, bytes | None]:
        """Return the triple that ldap3 takes."""
        return self.type.oid, self.type.critical, self.value or None


ASSERTION: Final = ControlType(
    "1.3.6.1.1.12",
    "Assertion",
    "RFC 4528",
    "guards of changes: the server applies a change only if the entry still matches a filter",
    critical=True,
)
EFFECTIVE_RIGHTS: Final = ControlType(
    "1.3.6.1.4.1.42.2.27.9.5.2",
    "Get Effective Rights",
    "draft-ietf-ldapext-acl-model-08",
    "the doctor's check of rights on 389 Directory Server",
    critical=True,
)
# Not critical: only OpenLDAP computes values that this control turns off.
MANAGE_DSA_IT: Final = ControlType(
    "2.16.840.1.113730.3.4.2",
    "ManageDsaIT",
    "RFC 3296",
    "reads of groups without the values that OpenLDAP's overlay dynlist computes",
)
# Not critical: a server without pages returns all entries in one response.
PAGED_RESULTS: Final = ControlType(
    "1.2.840.113556.1.4.319",
    "Paged Results",
    "RFC 2696",
    "complete results of searches; the response holds the cookie of the next page",
)
# Not critical: a server without password policies would refuse every bind.
PASSWORD_POLICY: Final = ControlType(
    "1.3.6.1.4.1.42.2.27.8.5.1",
    "Password Policy",
    "draft-behera-ldap-password-policy-10",
    "binds and new passwords: the response names the rule that refused them",
)
PERMISSIVE_MODIFY: Final = ControlType(
    "1.2.840.113556.1.4.1413",
    "Permissive Modify",
    "[MS-ADTS] §3.1.1.3.4.1",
    "members of groups: a value that exists already, or is missing already, is no error",
    critical=True,
)
PROXIED_AUTHORIZATION: Final = ControlType(
    "2.16.840.1.113730.3.4.18",
    "Proxied Authorization",
    "RFC 4370",
    "the doctor's check of what a user may write in the own entry",
    critical=True,
)
SYNC_DONE: Final = ControlType(
    "1.3.6.1.4.1.4203.1.9.1.3",
    "Sync Done",
    "RFC 4533 §2.4",
    "the replica: ends a response, with the next cookie",
)
SYNC_REQUEST: Final = ControlType(
    "1.3.6.1.4.1.4203.1.9.1.1",
    "Sync Request",
    "RFC 4533 §2.2",
    "the replica: asks for the changes since a cookie",
    critical=True,
)
SYNC_STATE: Final = ControlType(
    "1.3.6.1.4.1.4203.1.9.1.2",
    "Sync State",
    "RFC 4533 §2.3",
    "the replica: tells whether an entry was added, changed or deleted",
)

CONTROLS: Final = (
    ASSERTION,
    EFFECTIVE_RIGHTS,
    MANAGE_DSA_IT,
    PAGED_RESULTS,
    PASSWORD_POLICY,
    PERMISSIVE_MODIFY,
    PROXIED_AUTHORIZATION,
    SYNC_DONE,
    SYNC_REQUEST,
    SYNC_STATE,
)


def assertion(ldap_filter: str) -> Control:
    """Return the control for an operation that needs the filter to match; else code 122."""
    return ASSERTION.with_value(encode_filter(ldap_filter))


# Paged results


def paged_results(size: int, cookie: bytes) -> Control:
    """Return the control for a page of at most `size` entries; `cookie` is `b""` for the first."""
    value = (ber.element(ber.INTEGER, ber.integer(size)), ber.element(ber.OCTET_STRING, cookie))
    return PAGED_RESULTS.with_value(ber.element(ber.SEQUENCE, *value))


def next_page(controls: Mapping[bytes, bytes]) -> bytes:
    """Return the cookie for the next page, `b""` after the last.

    Args:
        controls: those of the response, their values by OID.

    Raises:
        IndexError, ValueError: the server's control is malformed.
    """
    value = controls.get(PAGED_RESULTS.key)
    if value is None:
        return b""
    ((_, body),) = ber.contents(value)
    _, (_, cookie) = ber.contents(body)
    return cookie


# Password policy

_WARNING, _ERROR = 0xA0, 0x81
_TIME_BEFORE_EXPIRATION = 0x80

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


@dataclass(frozen=True, slots=True)
class Policy:
    """The response of a password policy (draft-behera-ldap-password-policy-10 §6.2).

    Attributes:
        error: `"accountLocked"`, `"changeAfterReset"` …, or None.
        grace_logins: the number of logins that an expired password still has.
        expires_in_s: seconds until the password expires, if that is soon.
    """

    error: str | None = None
    grace_logins: int | None = None
    expires_in_s: int | None = None


def password_policy(value: bytes | None) -> Policy:
    """Parse the value of a password policy response; a malformed one is an empty response."""
    policy = Policy()
    with suppress(IndexError, ValueError):
        # 389 Directory Server 2.3 sends lengths in BER's long form, `30 84 00 00 00 03 …`.
        for _, body in ber.contents(value or b""):
            for tag, content in ber.contents(body):
                if tag == _ERROR and content and content[0] < len(_POLICY_ERRORS):
                    policy = replace(policy, error=_POLICY_ERRORS[content[0]])
                elif tag == _WARNING:
                    policy = _with_warning(policy, content)
    return policy


def _with_warning(policy: Policy, content: bytes) -> Policy:
    for tag, number in ber.contents(content):
        value = int.from_bytes(number, "big")
        if tag == _TIME_BEFORE_EXPIRATION:
            policy = replace(policy, expires_in_s=value)
        else:
            policy = replace(policy, grace_logins=value)
    return policy
