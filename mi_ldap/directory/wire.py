"""The socket of a connection, with one deadline for a whole answer.

A socket's own timeout begins anew with each piece that arrives, so that a server which sends an
answer drop by drop would hold a thread for ever.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Protocol

PATIENCE_S = 0.25
"""After so long a silence somebody else looks whether the server is still there."""


class Line(Protocol):
    """Who wants to know how it goes with the server at the other end."""

    def failed(self) -> None:
        """An operation was not answered, or was cut off."""

    def is_hopeless(self) -> bool:
        """Whether waiting is in vain; asked after each `PATIENCE_S` of silence."""


class Wire:
    """What ldap3 uses of a socket; `end_at` (`time.monotonic()`) ends all sending and receiving.

    Attributes:
        line: told what happens here; None while the connection is being made.
        error: the first error of the socket, as it was before ldap3 made a text of it.
    """

    def __init__(self, plain: socket.socket, end_at: float) -> None:
        self._socket = plain
        self.end_at = end_at
        self.line: Line | None = None
        self.error: OSError | None = None

    @property
    def bare(self) -> socket.socket:
        """The socket itself, to be wrapped in TLS."""
        return self._socket

    def recv(self, size: int) -> bytes:
        try:
            data = self._received(size)
        except OSError as error:
            self._note(error)
            raise
        if not data:
            self._note(ConnectionResetError("the server hung up"))
        return data

    def sendall(self, data: bytes) -> None:
        try:
            self._socket.settimeout(self._left_s())
            self._socket.sendall(data)
        except OSError as error:
            self._note(error)
            raise

    def is_silent(self) -> bool:
        """Whether the other side is there and has said nothing that was not read."""
        try:
            self._socket.setblocking(False)
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        self.line = None  # what fails on it from now on says nothing new
        return False

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()

    def _received(self, size: int) -> bytes:
        while True:
            left_s = self._left_s()
            self._socket.settimeout(min(left_s, PATIENCE_S))
            try:
                return self._socket.recv(size)
            except TimeoutError:
                if self.line and self.line.is_hopeless():
                    raise

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
