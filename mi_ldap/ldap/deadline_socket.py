"""The socket of a connection, with one deadline for a whole response."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Final, Protocol

from mi_ldap.ldap import ber
from mi_ldap.ldap.message_reader import MessageReader, ProtocolViolation
from mi_ldap.ldap.messages import Message

_RECEIVE_BYTES: Final = 65536

SILENCE_S = 0.25
"""Seconds without data from the server after which `ConnectionObserver.is_failed` is called."""


class ConnectionObserver(Protocol):
    """Observer of a connection to a server."""

    def failed(self) -> None:
        """Note that an operation was not answered, or its connection was closed."""

    def answered(self) -> None:
        """Note that data was received from the server."""

    def is_failed(self, silent_s: float) -> bool:
        """Whether to stop waiting for the server; called after each `SILENCE_S` without data."""


class DeadlineSocket:
    """The socket interface that ldap3 uses, with the deadline `end_at` (`time.monotonic()`).

    Args:
        plain: the connected socket, with or without TLS.
        end_at: the first deadline.

    Attributes:
        observer: informed of responses and failures; None while the connection is being opened.
        error: the first error of the socket; ldap3 keeps only its text.
    """

    def __init__(self, plain: socket.socket, end_at: float) -> None:
        self._socket = plain
        self.end_at = end_at
        self.observer: ConnectionObserver | None = None
        self.error: OSError | None = None
        self._reader = MessageReader()

    @property
    def plain(self) -> socket.socket:
        """The socket itself, to be wrapped in TLS."""
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
                self._reader.feed(self._receive(_RECEIVE_BYTES))
        except OSError as error:
            self._record(error)
            raise
        return message

    def sendall(self, data: bytes) -> None:
        """Send complete requests.

        Raises:
            OSError: sending failed, or the server sent data before the request: a second response
                to the previous request would be read as the response to this one.
        """
        try:
            if not self._is_open_without_data():
                raise ProtocolViolation(
                    "the server closed the connection, or sent data before a request"
                )
            self._reader.note_sent(data)
            # sendall() of a TLS socket restarts the timeout for each record: send in a loop.
            rest = memoryview(data)
            while rest:
                self._socket.settimeout(self._time_left_s())
                rest = rest[self._socket.send(rest) :]
        except OSError as error:
            self._record(error)
            raise

    def is_idle(self) -> bool:
        """Whether the connection is open and has no unread data."""
        if self._is_open_without_data():
            return True
        # Servers close idle connections (olcIdleTimeout): this says nothing about the server, and
        # errors while closing must not start a health check.
        self.observer = None
        return False

    def _is_open_without_data(self) -> bool:
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

    def _receive(self, size: int) -> bytes:
        began_at = time.monotonic()
        while True:
            # A socket's own timeout starts again with each piece that arrives: a server that sends
            # a response byte by byte would block this thread forever.
            self._socket.settimeout(min(self._time_left_s(), SILENCE_S))
            try:
                data = self._socket.recv(size)
            except TimeoutError:
                if self.observer and self.observer.is_failed(time.monotonic() - began_at):
                    raise
            else:
                if not data:
                    raise ConnectionResetError("the server closed the connection")
                if self.observer:
                    self.observer.answered()
                return data

    def _record(self, error: OSError) -> None:
        if self.error is None:
            self.error = error
            if self.observer:
                self.observer.failed()

    def _time_left_s(self) -> float:
        left_s = self.end_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the response did not arrive in time")
        return left_s
