"""Splits received bytes into messages, and checks each against the open requests (sans-IO).

ldap3 and our own codec get complete messages only, each of which answers an open request, or an
error.
"""

from __future__ import annotations

from typing import Final

from mi_ldap.ldap import ber, messages
from mi_ldap.ldap.messages import Message

LONGEST_MESSAGE: Final = 64 * 1024 * 1024
"""In bytes. An entry is one message; a group with 500,000 members has about 35 MB."""

_UNBIND: Final = 0x42
_REFERENCE: Final = 0x73  # RFC 4511 §4.5.3
_RESPONSES: Final = {
    0x60: {0x61},  # bind, RFC 4511 §4.2
    0x63: {messages.ENTRY, messages.DONE, _REFERENCE, messages.INTERMEDIATE},  # search, §4.5
    0x66: {0x67},  # modify, §4.6
    0x68: {0x69},  # add, §4.7
    0x4A: {0x6B},  # delete, §4.8
    0x6C: {0x6D},  # modify DN, §4.9
    0x77: {0x78},  # extended, §4.12
}
_INTERIM: Final = {messages.ENTRY, _REFERENCE, messages.INTERMEDIATE}
_FIRST_BYTES: Final = (b"", bytes((ber.SEQUENCE,)))
_MAX_ID_BYTES: Final = 4
_UNSOLICITED: Final = 0
_NOTICE_OF_DISCONNECTION: Final = b"1.3.6.1.4.1.1466.20036"
_RESPONSE_NAME: Final = 0x8A  # §4.12


class ProtocolViolation(ConnectionAbortedError):
    """The server violated the protocol; nothing that it sends on this connection can be trusted."""


class MessageReader:
    """Splits the received bytes into messages, and checks that each answers an open request."""

    def __init__(self) -> None:
        # Messages are cut out of bytes: slicing a bytearray would copy twice. What arrives for an
        # incomplete message waits in a bytearray, so that no byte of a long one is moved often.
        self._buffer = b""
        self._at = 0
        self._waiting = bytearray()
        self._needed = 0
        self._open: dict[int, set[int]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether `next_message` has returned all received bytes."""
        return self._at == len(self._buffer) and not self._waiting

    def note_sent(self, data: bytes) -> None:
        """Register the complete requests in `data`, so that answers to them are accepted."""
        for _, start, end in ber.elements(data):
            (_, id_start, id_end), (tag, _, _), *_ = ber.elements(data, start, end)
            # An unbind has no response (RFC 4511 §4.3).
            if tag != _UNBIND:
                self._open[int.from_bytes(data[id_start:id_end], "big")] = _RESPONSES[tag]

    def feed(self, data: bytes) -> None:
        """Append received bytes."""
        self._waiting += data
        if len(self._buffer) - self._at + len(self._waiting) >= self._needed:
            self._buffer = self._buffer[self._at :] + self._waiting
            self._at = self._needed = 0
            self._waiting.clear()

    def next_message(self) -> Message | None:
        """Return the next message; None until it is complete.

        Raises:
            ProtocolViolation: the bytes are not a message, or it answers no open request.
        """
        try:
            body = self._next_body()
            return None if body is None else self._checked(_parsed(body))
        except (IndexError, ValueError) as error:
            raise ProtocolViolation(
                f"the server sent something other than LDAP: {error}"
            ) from error

    def _next_body(self) -> bytes | None:
        """Return the content of the next message; None until it is complete."""
        buffer, at = self._buffer, self._at
        if buffer[at : at + 1] not in _FIRST_BYTES:
            raise ValueError("it does not begin with a SEQUENCE")
        try:
            _, start, end = ber.head(buffer, at)
        except IndexError:
            return None
        if end - start > LONGEST_MESSAGE:
            raise ValueError(f"it has more than {LONGEST_MESSAGE} bytes")
        if end > len(buffer):
            self._needed = end - at
            return None
        self._at = end
        return buffer[start:end]

    def _checked(self, message: Message) -> Message:
        # A broken or hostile server, or an attacker on a network without TLS, may answer requests
        # that were not sent, or with another kind of response (RFC 4511 §4.1.1.1).
        if message.tag not in self._open.get(message.number, ()):
            if message.number == _UNSOLICITED:
                raise ProtocolViolation(_describe_unsolicited(message))
            raise ProtocolViolation("the server's message does not answer an open request")
        if message.tag in _INTERIM:
            return message
        # Decoded already here, so that a malformed result is never passed on to ldap3.
        message.result = messages.result_in(message)
        del self._open[message.number]
        return message


def _parsed(body: bytes) -> Message:
    id_tag, id_start, id_end = ber.head(body)
    if id_tag != ber.INTEGER or not 0 < id_end - id_start <= _MAX_ID_BYTES:
        raise ValueError("it has no message id")
    tag, start, end = ber.head(body, id_end)
    if end != len(body):
        _check_controls(body, end)
    return Message(int.from_bytes(body[id_start:id_end], "big"), tag, body, start, end)


def _check_controls(body: bytes, at: int) -> None:
    """Check that controls alone follow the operation."""
    if ber.head(body, at)[2] != len(body):
        raise ValueError("it has more than an id, an operation and controls")


def _describe_unsolicited(message: Message) -> str:
    """Describe an unsolicited notification (§4.4) for the log."""
    parts = {
        tag: message.body[a:b]
        for tag, a, b in ber.elements(message.body, message.start, message.end)
    }
    if parts.get(_RESPONSE_NAME) != _NOTICE_OF_DISCONNECTION:
        return "the server sent an unsolicited notification"
    result = messages.result_in(message)
    return f"the server ends the connection (LDAP result {result.code}: {result.text})"
