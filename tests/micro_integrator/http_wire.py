"""HTTP/1.1 as the stand-in reads and writes it: strict in what it accepts, raw in what it sends."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

Headers = Sequence[tuple[str, str]]

_MOST_HEAD_BYTES = 65_536
_RECEIVE_BYTES = 262_144
# RFC 9112, section 3, and RFC 9110, section 5.5; a target is ASCII without spaces.
_REQUEST_LINE = re.compile(r"([A-Z]+) (/[\x21-\x7e]*) HTTP/1\.1")
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_HEADER_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")


class BadRequest(Exception):
    """The bytes are not a request as RFC 9112 has it; the text says why."""


class Disconnected(Exception):
    """The client closed the connection in the middle of a request."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request: the target as sent; names and values of headers as sent."""

    method: str
    target: str
    headers: Headers

    def header(self, name: str) -> str | None:
        """The value of a header, the name in lower case; several are joined by a comma."""
        found = [value for key, value in self.headers if key.lower() == name]
        return ", ".join(found) if found else None


class RequestReader:
    """Reads requests from a connection, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._piece = memoryview(bytearray(_RECEIVE_BYTES))

    def head(self) -> Head | None:
        """The next head; none if the connection was closed before its first byte.

        Raises:
            BadRequest: it is malformed, or longer than 64 KB.
            Disconnected: the connection was closed within it.
        """
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MOST_HEAD_BYTES:
                raise BadRequest("The head is longer than 65536 bytes.")
            received = self._connection.recv(_RECEIVE_BYTES)
            if not received and not self._buffer:
                return None
            if not received:
                raise Disconnected
            self._buffer += received
        text = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 4]
        return _parse(text)

    def body(self, head: Head, most: int = _RECEIVE_BYTES) -> Iterator[memoryview]:
        """The pieces of a body, of at most `most` bytes; each is valid until the next is asked for.

        Raises:
            BadRequest: chunks are malformed.
            Disconnected: the connection was closed before the end.
        """
        if head.header("transfer-encoding") is None:
            yield from self._exactly(int(head.header("content-length") or 0), most)
            return
        while size := self._chunk_size():
            yield from self._exactly(size, most)
            if self._line():
                raise BadRequest("A chunk is longer than its size.")
        while self._line():
            pass  # trailers

    def _exactly(self, size: int, most: int) -> Iterator[memoryview]:
        while size:
            piece = self._some(min(size, most))
            size -= len(piece)
            yield piece

    def _some(self, most: int) -> memoryview:
        """At most `most` bytes, of what is buffered before what is not."""
        if self._buffer:
            piece = memoryview(bytes(self._buffer[:most]))
            del self._buffer[:most]
            return piece
        count = self._connection.recv_into(self._piece, min(most, _RECEIVE_BYTES))
        if not count:
            raise Disconnected
        return self._piece[:count]

    def _chunk_size(self) -> int:
        digits = self._line().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", digits):
            raise BadRequest("The size of a chunk is no hexadecimal number.")
        return int(digits, 16)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MOST_HEAD_BYTES:
                raise BadRequest("A line is longer than 65536 bytes.")
            received = self._connection.recv(_RECEIVE_BYTES)
            if not received:
                raise Disconnected
            self._buffer += received
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line


def _parse(text: str) -> Head:
    first, *lines = text.split("\r\n")
    request = _REQUEST_LINE.fullmatch(first)
    if request is None:
        raise BadRequest(f"Not a request line: {first!r}.")
    headers = []
    for line in lines:
        header = _HEADER_LINE.fullmatch(line)
        if header is None:
            raise BadRequest(f"Not a header: {line!r}.")
        headers.append((header[1], header[2]))
    head = Head(request[1], request[2], tuple(headers))
    _check_framing(head)
    return head


def _check_framing(head: Head) -> None:
    """Refuse what two servers could frame differently (RFC 9112, section 11.2)."""
    names = [name.lower() for name, _ in head.headers]
    if names.count("host") != 1:
        raise BadRequest("There is not exactly one Host header.")
    length, coding = head.header("content-length"), head.header("transfer-encoding")
    if length is not None and not re.fullmatch(r"[0-9]{1,18}", length):
        raise BadRequest(f"Not a Content-Length: {length!r}.")
    if coding is not None and coding != "chunked":
        raise BadRequest(f"Not a Transfer-Encoding that is supported: {coding!r}.")
    if coding is not None and length is not None:
        raise BadRequest("There are both Content-Length and Transfer-Encoding.")


def response_head(status: int, headers: Headers, reason: str = "") -> bytes:
    """The head of an answer, to its empty line."""
    lines = [f"HTTP/1.1 {status} {reason or _REASONS.get(status, '')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
