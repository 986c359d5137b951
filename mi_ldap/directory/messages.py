"""LDAP's messages as bytes (RFC 4511 §4), for the operations that come by the thousand.

ldap3 takes 0.2 to 0.5 ms to write and read what a server does in thirty microseconds, nearly all of
it in pyasn1. Connections, TLS, changes and the searches of a person's making are ldap3's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from mi_ldap.directory import ber

AT_ONCE: Final = 65536

_BIND, _BOUND = 0x60, 0x61  # RFC 4511 §4.2
_SIMPLE, _SASL = 0x80, 0xA3
_VERSION = ber.element(ber.INTEGER, b"\x03")
_CONTROLS = 0xA0


class Answer(NamedTuple):
    """How an operation ended.

    Attributes:
        code: the LDAP result code.
        text: the server's diagnostic message.
        controls: their values by OID.
    """

    code: int
    text: str
    controls: dict[bytes, bytes]


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


def whole(receive: Callable[[int], bytes]) -> Iterator[bytes]:
    """The messages as they come, without their heads.

    Args:
        receive: at most so many bytes, as a socket gives them.

    Raises:
        ConnectionResetError: the server hung up.
    """
    pending = bytearray()
    while True:
        data = receive(AT_ONCE)
        if not data:
            raise ConnectionResetError("the server hung up")
        pending += data
        at = 0
        for start, end in _complete(pending):
            yield bytes(pending[start:end])
            at = end
        del pending[:at]


def _complete(pending: bytearray) -> Iterator[tuple[int, int]]:
    """Where the messages lie that are here to their end."""
    at = 0
    while True:
        try:
            _, start, end = ber.head(pending, at)
        except IndexError:
            return
        if end > len(pending):
            return
        yield start, end
        at = end


def bound(number: int, answer: bytes) -> Answer:
    """The answer to a bind.

    Raises:
        ConnectionAbortedError: it is something else (§4.4.1: that the server is about to hang up).
    """
    try:
        _, start, stop = ber.head(answer)
        if (int.from_bytes(answer[start:stop], "big"), answer[stop]) == (number, _BOUND):
            _, start, end = ber.head(answer, stop)
            return Answer(*result(answer, start, end), dict(controls(answer, end, len(answer))))
    except IndexError:
        pass
    raise ConnectionAbortedError("the server says something else than was asked for")


def result(answer: bytes, start: int, end: int) -> tuple[int, str]:
    """Code and diagnostic message (§4.1.9) of the operation that lies between `start` and `end`.

    Raises:
        IndexError: it has none.
    """
    parts = [answer[a:b] for _, a, b in ber.elements(answer, start, end)]
    return int.from_bytes(parts[0], "big"), parts[2].decode(errors="replace")


def controls(answer: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """OID and value of each control that lies between `at` and `end` (§4.1.11)."""
    for tag, start, stop in ber.elements(answer, at, end):
        if tag == _CONTROLS:
            for _, sent in ber.contents(answer[start:stop]):
                octets = [each for kind, each in ber.contents(sent) if kind == ber.OCTET_STRING]
                yield octets[0], octets[1] if len(octets) > 1 else b""
