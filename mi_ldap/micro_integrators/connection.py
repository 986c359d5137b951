"""HTTP/1.1 with a node over one connection, which may be used for several requests."""

from __future__ import annotations

import asyncio
import errno
import re
from dataclasses import dataclass
from itertools import count
from typing import Final

import h11

from mi_ldap.micro_integrators.transport import SLICE, NodeSocket

HEAD_LIMIT: Final = 64 * 1024
"""The largest head of an answer, in bytes."""

_FRAMING_LIMIT: Final = 256 * 1024
"""Bytes by which the framing of a chunked body may be larger than its content."""

_EVENTS_AT_ONCE: Final = 64  # of h11, before other tasks may run

_BUFFER: Final = 256 * 1024  # bytes for a body of known length
_MOST_INTERIM: Final = 16  # answers of status 1xx before the one that counts
_BEGINNING: Final = b"HTTP/1."
# h11 0.16 takes quadratic time for many spaces before a control character, and accepts bare line
# feeds. This expression takes linear time.
_HEAD: Final = re.compile(rb"HTTP/1\.[01] (?:[\t\x20-\x7e\x80-\xff]*\r\n)+\r\n")


class InvalidRequest(Exception):
    """The request cannot be sent by HTTP/1.1; nothing of it was sent."""


class BadAnswer(Exception):
    """The node sent something that is not an answer of HTTP/1.1, or broke it off."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The head of an answer.

    Attributes:
        status: 200 to 599.
        reason: its phrase.
        fields: names in lower case, and their values, in the order in which they came.
        length: bytes of the body; None if they are not known.
    """

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    length: int | None


class NodeConnection:
    """A connection; one task may receive while another one sends.

    Attributes:
        has_answered: whether a byte of the present answer has arrived.
    """

    def __init__(self, connected: NodeSocket) -> None:
        self._socket = connected
        self._http = _client_state()
        self._input = bytearray()
        self._left: int | None = None  # missing bytes of a body with a Content-Length
        self._buffer = memoryview(b"")
        self._is_ended = False
        self._framing = 0  # bytes by which the framing so far is larger than the content
        self._ends_with_connection = False
        self.has_answered = False

    async def send_head(
        self, method: str, target: str, fields: list[tuple[str, str]], body: bytes = b""
    ) -> None:
        """Send the head, together with a body that is in memory, if there is one.

        Raises:
            InvalidRequest: the target or a field is not valid; nothing was sent.
            OSError: the connection broke.
        """
        try:
            encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in fields]
            request = h11.Request(method=method, target=target, headers=encoded)
            data = self._http.send(request) or b""
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            raise InvalidRequest(str(error)) from None
        if body:
            data += self._http.send(h11.Data(data=body)) or b""
        await self._socket.send(data)

    async def send_data(self, data: bytes) -> None:
        """Send a part of the body."""
        for piece in self._http.send_with_data_passthrough(h11.Data(data=data)) or ():
            await self._socket.send(piece)

    async def send_end(self) -> None:
        """Send the end of the body."""
        data = self._http.send(h11.EndOfMessage())
        if data:
            await self._socket.send(data)

    async def receive_head(self) -> AnswerHead:
        """Return the head of the answer, without answers of status 1xx.

        Raises:
            BadAnswer: it is not valid, or too large.
            OSError: the connection broke.
        """
        for _ in range(_MOST_INTERIM):
            self._http.receive_data(await self._read_head())
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                # Not h11's text, which quotes the head: it may contain a cookie.
                raise BadAnswer("the head is not valid") from error
            if isinstance(event, h11.Response):
                return self._begin_body(event)
            if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                break
        raise BadAnswer("no final status")

    async def receive_data(self) -> bytes | memoryview:
        """Return the next part of the body; nothing at its end.

        A part is valid until the next call, and is at most some 64 kB, or `_BUFFER`.

        Raises:
            BadAnswer: the body is shorter than announced, or not encoded as announced.
            OSError: the connection broke.
        """
        if (received := self.received_data()) is not None:
            return received
        if self._left is None:
            return await self._receive_framed()
        if not self._buffer:
            self._buffer = memoryview(bytearray(min(self._left, _BUFFER)))
        size = await self._socket.receive_into(self._buffer[: self._left])
        if not size:
            raise BadAnswer("the body is shorter than announced")
        self._left -= size
        return self._buffer[:size]

    def received_data(self) -> bytes | None:
        """Return what has arrived together with the head, or the end; None to wait for more."""
        if self._left is None:
            return None
        data = bytes(self._input[: self._left])
        del self._input[: len(data)]
        self._left -= len(data)
        return data if data or not self._left else None

    @property
    def is_reusable(self) -> bool:
        """Whether request and answer have ended, and nothing came after the answer."""
        if self._http.our_state is not h11.DONE or self._ends_with_connection:
            return False  # also if the node has announced that it closes the connection
        if self._left is None:
            is_ended = self._http.their_state is h11.DONE and not self._http.trailing_data[0]
        else:
            is_ended = self._left == 0 and not self._input
        return is_ended and not self._socket.has_input()

    def renew(self) -> None:
        """Prepare a connection that `is_reusable` for the next request."""
        self._http = _client_state()
        self._left, self._buffer = None, memoryview(b"")
        self._is_ended = self.has_answered = False
        self._framing = 0

    @property
    def is_stale(self) -> bool:
        """Whether the node has closed an idle connection, or sent something on it."""
        return self._socket.has_input()

    def close(self) -> None:
        self._socket.close()

    async def _read_head(self) -> bytes:
        """Return the bytes up to the next empty line, checked."""
        while (end := self._input.find(b"\r\n\r\n") + 4) < 4:
            # Noticed at once: a server of another protocol may close the connection, which looks
            # like a node that is down, or wait until the time limit.
            if not self._input.startswith(_BEGINNING[: len(self._input)]):
                raise BadAnswer("it is not HTTP/1.1")
            if len(self._input) > HEAD_LIMIT:
                raise BadAnswer("the head is too large")
            received = await self._socket.receive()
            if not received:
                raise ConnectionResetError(errno.ECONNRESET, "closed before the answer")
            self.has_answered = True
            self._input += received
        head = bytes(self._input[:end])
        del self._input[:end]
        if end > HEAD_LIMIT or not _HEAD.fullmatch(head):
            raise BadAnswer("the head is not valid, or too large")
        return head

    async def _receive_framed(self) -> bytes:
        """Return the next part of a body that is chunked, or ends with the connection."""
        pieces: list[bytes] = []
        size = 0
        # Small chunks are joined: each would become a TLS record of its own.
        for number in count(1):
            if self._is_ended or size >= SLICE:
                break
            if number % _EVENTS_AT_ONCE == 0:
                await asyncio.sleep(0)  # a body of tiny chunks must not block others
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise BadAnswer("the body is not encoded as announced") from error
            if isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
                size += len(event.data)
                # Once because they are no framing, once to compare the framing with the content.
                self._framing -= 2 * len(event.data)
            elif event is h11.NEED_DATA:
                if pieces:
                    break
                received = await self._socket.receive()
                self._framing += len(received)
                if self._framing > _FRAMING_LIMIT:
                    raise BadAnswer("the chunks of the body are too small")
                self._http.receive_data(received)
            else:
                self._is_ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _begin_body(self, response: h11.Response) -> AnswerHead:
        fields = tuple(
            (name.decode("ascii").lower(), value.decode("latin-1"))
            for name, value in response.headers
        )
        values = dict(fields)
        # RFC 9112 §6.1: h11 would ignore the length, and another recipient the coding.
        if "transfer-encoding" in values and "content-length" in values:
            raise BadAnswer("two lengths of the body")
        if not 200 <= response.status_code <= 599:
            raise BadAnswer("an unknown status")
        sent_length = values.get("content-length")  # h11 has checked it
        length = None if sent_length is None else int(sent_length)
        has_body = response.status_code not in (204, 304)
        if has_body and length is not None:
            # The body bypasses h11, which copies each byte three times.
            self._left = length
            return _head_of(response, fields, length)
        self._ends_with_connection = has_body and "transfer-encoding" not in values
        if self._input:  # h11 takes empty data for the end of the connection
            self._http.receive_data(bytes(self._input))
            self._input.clear()
        return _head_of(response, fields, length)


def _client_state() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)


def _head_of(
    response: h11.Response, fields: tuple[tuple[str, str], ...], length: int | None
) -> AnswerHead:
    reason = bytes(response.reason).decode("latin-1")
    return AnswerHead(response.status_code, reason, fields, length)
