"""The socket of a connection, with one deadline for a whole response.

A socket's own timeout starts again with each piece that arrives, so a server that sends a response
byte by byte would block a thread forever.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Final, Protocol

from mi_ldap.ldap import ber
from mi_ldap.ldap.message_reader import MessageReader, ProtocolViolation
from mi_ldap.ldap.messages import Message

_AT_ONCE: Final = 65536

PATIENCE_S = 0.25
"""Silence of the server, in seconds, after which `ConnectionObserver.is_hopeless` is asked."""


class ConnectionObserver(Protocol):
    """Observer of a connection to a server."""

    def failed(self) -> None:
        """Note that an operation was not answered, or its connection was closed."""

    def answered(self) -> None:
        """Data was received from the server."""

    def is_failed(self, silent_s: float) -> bool:
        """Whether to stop waiting for the server; called after each `PATIENCE_S` of silence."""


class DeadlineSocket:
    """The socket interface that ldap3 uses, with the deadline `end_at` (`time.monotonic()`).

    Attributes:
        line: the observer; None while the connection is being opened.
        error: the first error of the socket; ldap3 keeps only its text.
    """

    def __init__(self, plain: socket.socket, end_at: float) -> None:
        self._socket = plain
        self.end_at = end_at
        self.line: ConnectionObserver | None = None
        self.error: OSError | None = None
        self._reader = MessageReader()

    @property
    def bare(self) -> socket.socket:
        """Return the socket itself, to be wrapped in TLS."""
        return self._socket

    def recv(self, _size: int) -> bytes:
        """Return one complete message, ignoring the size; ldap3 reassembles messages itself."""
        return ber.element(ber.SEQUENCE, self.next_message().body)

    def next_message(self, end_of_next_piece: Callable[[], float] | None = None) -> Message:
        """Return the next message from the server.

        Args:
            end_of_next_piece: returns the deadline for the next piece, like `end_at`, for responses
                that are too long for a single deadline.

        Raises:
            OSError: none arrived in time, or one that violates the protocol (`ProtocolViolation`).
        """
        try:
            while (message := self._reader.next_message()) is None:
                if end_of_next_piece:
                    self.end_at = end_of_next_piece()
                self._reader.feed(self._received(_AT_ONCE))
        except OSError as error:
            self._note(error)
            raise
        return message

    def sendall(self, data: bytes) -> None:
        """Send complete requests.

        Raises:
            OSError: sending failed, or the server sent data before the request: a second response
                to the previous request would be read as the response to this one.
        """
        try:
            if not self._is_quiet():
                raise ProtocolViolation("the server has hung up, or speaks before it is asked")
            self._reader.note_sent(data)
            # sendall() of a TLS socket restarts the timeout for each record: send in a loop.
            rest = memoryview(data)
            while rest:
                self._socket.settimeout(self._left_s())
                rest = rest[self._socket.send(rest) :]
        except OSError as error:
            self._note(error)
            raise

    def is_silent(self) -> bool:
        """Whether the connection is open and has no unread data."""
        if self._is_quiet():
            return True
        self.line = None  # later errors tell nothing new about the server
        return False

    def _is_quiet(self) -> bool:
        if not self._reader.is_empty:
            return False
        try:
            self._socket.setblocking(False)
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()

    def _received(self, size: int) -> bytes:
        began_at = time.monotonic()
        while True:
            left_s = self._left_s()
            self._socket.settimeout(min(left_s, PATIENCE_S))
            try:
                data = self._socket.recv(size)
            except TimeoutError:
                if self.line and self.line.is_failed(time.monotonic() - began_at):
                    raise
            else:
                if not data:
                    raise ConnectionResetError("the server hung up")
                if self.line:
                    self.line.answered()
                return data

    def _note(self, error: OSError) -> None:
        if self.error is None:
            self.error = error
            if self.line:
                self.line.failed()

    def _left_s(self) -> float:
        left_s = self.end_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the time for the whole answer is over")
        return left_s
