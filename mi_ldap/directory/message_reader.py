"""The messages of a server, one by one, and only those that a server in good faith can send.

A server that is broken or hostile, or somebody who stands between, may answer what was not asked,
with lengths that do not fit or that never come. Whatever reads answers, ldap3 or our own codec,
gets whole messages that answer a request which is still open (RFC 4511 §4.1.1.1), or an error.
"""

from __future__ import annotations

from typing import Final

from mi_ldap.directory import ber, messages
from mi_ldap.directory.messages import Message

LONGEST_MESSAGE: Final = 64 * 1024 * 1024
"""In bytes; an entry is one message, and a group of half a million members has some 35 MB."""

_UNBIND: Final = 0x42
_ANSWERS: Final = {
    0x60: {0x61},  # bind, RFC 4511 §4.2
    0x63: {messages.ENTRY, messages.DONE, 0x73, messages.INTERMEDIATE},  # search, §4.5
    0x66: {0x67},  # modify, §4.6
    0x68: {0x69},  # add, §4.7
    0x4A: {0x6B},  # delete, §4.8
    0x6C: {0x6D},  # modify DN, §4.9
    0x77: {0x78},  # extended, §4.12
}
_NOT_THE_LAST: Final = {messages.ENTRY, 0x73, messages.INTERMEDIATE}
_BEGINNINGS: Final = (b"", bytes((ber.SEQUENCE,)))
_UNSOLICITED: Final = 0
_NOTICE_OF_DISCONNECTION: Final = b"1.3.6.1.4.1.1466.20036"
_RESPONSE_NAME: Final = 0x8A  # §4.12


class BadAnswer(ConnectionAbortedError):
    """The server has sent what no server may send; nothing that follows can be trusted."""


class MessageReader:
    """Takes in bytes as they come, and gives whole messages."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._at = 0
        self._open: dict[int, set[int]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether everything that came was given."""
        return self._at == len(self._pending)

    def note_sent(self, data: bytes) -> None:
        """Expect answers to the requests in `data`, which are whole."""
        for _, start, end in ber.elements(data):
            (_, id_start, id_end), (tag, _, _), *_ = ber.elements(data, start, end)
            if tag != _UNBIND:
                self._open[int.from_bytes(data[id_start:id_end], "big")] = _ANSWERS[tag]

    def feed(self, data: bytes) -> None:
        """Take in what has come."""
        if self._at:
            del self._pending[: self._at]
            self._at = 0
        self._pending += data

    def next_message(self) -> Message | None:
        """The next message, None while it is not here to its end.

        Raises:
            BadAnswer: what comes is no message, or nobody asked for it.
        """
        try:
            return self._next()
        except (IndexError, ValueError) as error:
            raise BadAnswer(f"the server has sent no LDAP message: {error}") from error

    def _next(self) -> Message | None:
        if bytes(self._pending[self._at : self._at + 1]) not in _BEGINNINGS:
            raise ValueError("it does not begin like one")
        try:
            _, start, end = ber.head(self._pending, self._at)
        except IndexError:
            return None
        if end - start > LONGEST_MESSAGE:
            raise ValueError(f"it has more than {LONGEST_MESSAGE} bytes")
        if end > len(self._pending):
            return None
        with memoryview(self._pending) as pending:  # a slice of it would be a second copy
            message = _parsed(bytes(pending[start:end]))
        self._at = end
        self._check(message)
        return message

    def _check(self, message: Message) -> None:
        if message.number == _UNSOLICITED:
            raise BadAnswer(_said_unasked(message))
        if message.tag not in self._open.get(message.number, ()):
            raise BadAnswer("the server answers something that was not asked")
        if message.tag not in _NOT_THE_LAST:
            messages.answer_in(message)
            del self._open[message.number]


def _parsed(body: bytes) -> Message:
    parts = [*ber.elements(body)]
    (id_tag, id_start, id_end), (tag, start, end) = parts[:2]
    if id_tag != ber.INTEGER or not 0 < id_end - id_start <= 4 or len(parts) > 3:
        raise ValueError("it has no message id")
    return Message(int.from_bytes(body[id_start:id_end], "big"), tag, body, start, end)


def _said_unasked(message: Message) -> str:
    """What an unsolicited notification (§4.4) says, for the log."""
    parts = {tag: message.body[a:b] for tag, a, b in ber.elements(message.body, *message[3:])}
    if parts.get(_RESPONSE_NAME) != _NOTICE_OF_DISCONNECTION:
        return "the server says something unasked"
    answer = messages.answer_in(message)
    return f"the server ends the connection (LDAP result {answer.code}: {answer.text})"
