"""Answers on the wire, whole or with a fault."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from email.utils import formatdate
from enum import Enum

from tests.micro_integrator.answers import Answer, Pieces
from tests.micro_integrator.connection import Connection
from tests.micro_integrator.http_wire import response_head
from tests.micro_integrator.modes import Fault, Mode
from tests.micro_integrator.recording import Received

_SMALL_BYTES = 16_384
_GARBAGE = b"\x15\x03\x01\x00\x02\x02\x50 SSH-2.0-nonsense \xff\xfe\r\n\r\n" * 4
_INTERIM = (
    b"HTTP/1.1 102 Processing\r\n\r\n"
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
)
_HOP_HEADERS = [
    ("Connection", "keep-alive, X-Node-Secret"),
    ("X-Node-Secret", "of this hop only"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Authenticate", "Basic"),
    ("Proxy-Connection", "keep-alive"),
    ("Trailer", "X-Sum"),
    ("Upgrade", "h2c"),
    ("Set-Cookie", "JSESSIONID=of-the-node; Path=/; HttpOnly"),
    ("Access-Control-Allow-Origin", "*"),
    ("Strict-Transport-Security", "max-age=1"),
]


class Outcome(Enum):
    """What becomes of the connection after an answer."""

    KEEP = "keep"
    FINISH = "finish"
    """The body ends with the connection, which is closed in order."""
    CLOSE = "close"
    """The connection breaks."""


class Sender:
    """Sends one answer."""

    def __init__(
        self, connection: Connection, received: Received, mode: Mode, changed: threading.Event
    ) -> None:
        self._connection = connection
        self._received = received
        self._mode = mode
        self._changed = changed

    def send(self, answer: Answer, fault: Fault | None) -> Outcome:
        """Send it with the fault.

        Raises:
            ClientGone: the client closed the connection before it had all.
        """
        match fault:
            case Fault.GARBAGE:
                self._connection.send(_GARBAGE)
                return Outcome.CLOSE
            case Fault.OTHER_PROTOCOL:
                self._connection.send(b"SSH-2.0-OpenSSH_9.2p1\r\n")
                self._connection.pause(float("inf"), self._changed)
                return Outcome.CLOSE
            case Fault.ENDLESS_HEAD:
                return self._send_endless_head()
            case Fault.INTERIM:
                self._connection.send(_INTERIM)
        head = self._head(answer, fault)
        if fault is Fault.CLOSE_IN_HEAD:
            self._connection.send(head[: len(head) // 2])
            return Outcome.CLOSE
        self._send_body(head, self._pieces(answer, fault))
        if fault is Fault.HANG_IN_BODY:
            self._connection.pause(float("inf"), self._changed)
        if fault in _BREAKING:
            return Outcome.CLOSE
        return Outcome.FINISH if fault is Fault.UNTIL_CLOSE else Outcome.KEEP

    def _head(self, answer: Answer, fault: Fault | None) -> bytes:
        headers = [("Content-Type", answer.content_type), *answer.headers]
        length = answer.length
        match fault:
            case Fault.CHUNKED | Fault.BROKEN_CHUNKS:
                headers.append(("Transfer-Encoding", "chunked"))
            case Fault.UNTIL_CLOSE:
                headers.append(("Connection", "close"))
            case Fault.LENGTH_TOO_LONG:
                length += self._mode.after_bytes
            case Fault.LENGTH_TOO_SHORT:
                length = max(0, length - self._mode.after_bytes)
            case Fault.HOP_HEADERS:
                headers += _HOP_HEADERS
            case Fault.BIG_HEAD:
                line = ("X-Filler", "x" * 1000)
                headers += [line] * (self._mode.after_bytes // 1012 + 1)
        if fault not in _UNMEASURED:
            headers.append(("Content-Length", str(length)))
        headers += [("Date", formatdate(usegmt=True)), ("Server", "WSO2 Carbon Server")]
        return response_head(answer.status, headers, answer.reason)

    def _pieces(self, answer: Answer, fault: Fault | None) -> Pieces:
        mode = self._mode
        match fault:
            case Fault.CLOSE_IN_BODY | Fault.HANG_IN_BODY:
                return answer.pieces(0, max(0, min(mode.after_bytes, answer.length - 1)))
            case Fault.SLOW_BODY:
                return self._slowly(_split(answer.pieces(0, answer.length), mode.piece_bytes))
            case Fault.CHUNKED:
                return _chunks(_split(answer.pieces(0, answer.length), mode.piece_bytes))
            case Fault.BROKEN_CHUNKS:
                end = min(mode.after_bytes, answer.length)
                return _broken_chunks(_split(answer.pieces(0, end), mode.piece_bytes))
        return answer.pieces(0, answer.length)

    def _send_body(self, head: bytes, pieces: Pieces) -> None:
        """Send head and body; a small body goes with the head, in one TLS record."""
        piece = next(pieces, b"")
        # Counted before: a client that has all may ask for the record at once.
        self._received.sent += len(piece)
        if len(piece) <= _SMALL_BYTES:
            self._connection.send(head + piece)
        else:
            self._connection.send(head)
            self._connection.send(piece)
        for piece in pieces:
            self._received.sent += len(piece)
            self._connection.send(piece)

    def _slowly(self, pieces: Pieces) -> Pieces:
        yield b""  # the head goes first
        for piece in pieces:
            self._connection.pause(self._mode.seconds, self._changed)
            yield piece

    def _send_endless_head(self) -> Outcome:
        self._connection.send(b"HTTP/1.1 200 OK\r\n")
        line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
        while not self._changed.is_set():
            self._connection.send(line * 16)
        return Outcome.CLOSE


_BREAKING = {
    Fault.BROKEN_CHUNKS,
    Fault.CLOSE_AFTER_ANSWER,
    Fault.CLOSE_IN_BODY,
    Fault.HANG_IN_BODY,
    Fault.LENGTH_TOO_LONG,
}
_UNMEASURED = {Fault.BROKEN_CHUNKS, Fault.CHUNKED, Fault.UNTIL_CLOSE}


def _split(pieces: Pieces, size: int) -> Iterator[memoryview]:
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), size):
            yield view[start : start + size]


def _chunks(pieces: Iterator[memoryview]) -> Pieces:
    for piece in pieces:
        yield b"%x\r\n" % len(piece)
        yield piece
        yield b"\r\n"
    yield b"0\r\n\r\n"


def _broken_chunks(pieces: Iterator[memoryview]) -> Pieces:
    for piece in pieces:
        yield b"%x\r\n" % len(piece)
        yield piece
        yield b"\r\n"
    yield b"zz\r\n"
