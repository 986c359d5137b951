"""LDAP's messages as bytes (RFC 4511 §4), for the operations that come by the thousand.

ldap3 takes 0.2 to 0.5 ms to write and read what a server does in thirty microseconds, nearly all of
it in pyasn1. Connections, TLS and changes are ldap3's.

The server may be broken or hostile: a length that exceeds its container is an error, and the value
is never truncated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from mi_ldap.ldap import ber
from mi_ldap.ldap.result_codes import ResultCode

ENTRY: Final = 0x64  # §4.5.2
DONE: Final = 0x65
INTERMEDIATE: Final = 0x79  # §4.13

_BIND: Final = 0x60  # §4.2
_SIMPLE, _SASL = 0x80, 0xA3
_VERSION = ber.element(ber.INTEGER, b"\x03")
_CONTROLS = 0xA0


class Answer(NamedTuple):
    """How an operation ended.

    Attributes:
        code: the LDAP result code.
        text: the server's diagnostic message.
        controls: their values by OID.
        matched_dn: with code 32, the part of the name that exists, `""` where the server does not
            say.
    """

    code: ResultCode
    text: str
    controls: Mapping[bytes, bytes]
    matched_dn: str = ""


class Message(NamedTuple):
    """One complete message of a server.

    Attributes:
        number: the id of the request that it answers.
        tag: the tag of its operation, such as `DONE`.
        body: its bytes without tag and length.
        start, end: where the content of the operation lies in `body`; controls may follow.
    """

    number: int
    tag: int
    body: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A raw entry: its DN, and the values of its attributes by lower-case name."""

    dn: str
    attributes: Mapping[str, list[bytes]]

    def all(self, attribute: str) -> list[str]:
        return [
            value.decode(errors="replace") for value in self.attributes.get(attribute.lower(), ())
        ]

    def first(self, attribute: str) -> str | None:
        values = self.attributes.get(attribute.lower())
        return values[0].decode(errors="replace") if values else None


def message(number: int, operation: bytes, controls: bytes = b"") -> bytes:
    """A message; `controls` are such as `control` writes, one after the other."""
    message_id = ber.element(ber.INTEGER, ber.integer(number))
    sent_with = ber.element(_CONTROLS, controls) if controls else b""
    return ber.element(ber.SEQUENCE, message_id, operation, sent_with)


def control(oid: str, value: bytes = b"", *, critical: bool = False) -> bytes:
    """A control (§4.1.11), without a value where there is none."""
    return ber.element(
        ber.SEQUENCE,
        ber.element(ber.OCTET_STRING, oid.encode()),
        ber.element(ber.BOOLEAN, b"\xff") if critical else b"",
        ber.element(ber.OCTET_STRING, value) if value else b"",
    )


def simple_bind(dn: str, password: str) -> bytes:
    """The operation that proves a password (§4.2)."""
    return _bind(dn, ber.element(_SIMPLE, password.encode()))


def sasl_bind(mechanism: str) -> bytes:
    """The operation that names a SASL mechanism, with an empty response (§4.2, RFC 4422)."""
    named = ber.element(ber.OCTET_STRING, mechanism.encode())
    return _bind("", ber.element(_SASL, named, ber.element(ber.OCTET_STRING)))


def _bind(dn: str, proof: bytes) -> bytes:
    return ber.element(_BIND, _VERSION, ber.element(ber.OCTET_STRING, dn.encode()), proof)


def answer_in(message: Message) -> Answer:
    """Parse the result in a message (§4.1.9), with its controls.

    Raises:
        IndexError, ValueError: the message has no result.
    """
    body, end = message.body, message.end
    parts = [*islice(ber.elements(body, message.start, end), 3)]
    if [tag for tag, _, _ in parts[1:]] != [ber.OCTET_STRING] * 2:
        raise ValueError("a result without matched DN and diagnostic message")
    code, matched_dn, text = (body[start:stop] for _, start, stop in parts)
    return Answer(
        ResultCode(ber.enumerated(parts[0][0], code)),
        text.decode(errors="replace"),
        dict(controls(body, end, len(body))) if end < len(body) else {},
        matched_dn.decode(errors="replace"),
    )


def controls(answer: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """OID and value of each control that lies between `at` and `end` (§4.1.11).

    Raises:
        IndexError, ValueError: the bytes are not controls.
    """
    for tag, start, stop in ber.elements(answer, at, end):
        if tag == _CONTROLS:
            for _, sent in ber.contents(answer[start:stop]):
                octets = [each for kind, each in ber.contents(sent) if kind == ber.OCTET_STRING]
                yield octets[0], octets[1] if len(octets) > 1 else b""


def entry_in(message: Message) -> Entry:
    """Parse the entry in a message (§4.5.2).

    Raises:
        IndexError, ValueError: the message has no entry.
    """
    body = message.body
    (_, dn_start, dn_end), (_, at, end) = ber.elements(body, message.start, message.end)
    attributes: dict[str, list[bytes]] = {}
    # Without the generator `ber.elements`, for speed: filling memory parses a million attributes.
    while at < end:
        _, at, attribute_end = ber.head(body, at)
        _, name_at, name_end = ber.head(body, at)
        _, value_at, values_end = ber.head(body, name_end)
        if not name_end <= values_end <= attribute_end <= end:
            raise IndexError("an attribute ends beyond its entry")
        values = []
        while value_at < values_end:
            _, start, value_at = ber.head(body, value_at)
            values.append(body[start:value_at])
        if value_at > values_end:
            raise IndexError("a value ends beyond its attribute")
        attributes[body[name_at:name_end].decode().lower()] = values
        at = attribute_end
    return Entry(body[dn_start:dn_end].decode(errors="replace"), attributes)
