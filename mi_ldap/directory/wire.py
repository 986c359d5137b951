"""The socket of a connection, with one deadline for a whole answer.

A socket's own timeout begins anew with each piece that arrives, so that a server which sends an
answer drop by drop would hold a thread for ever.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Final, Protocol

from mi_ldap.directory import ber
from mi_ldap.directory.message_reader import BadAnswer, MessageReader
from mi_ldap.directory.messages import Message

_AT_ONCE: Final = 65536

PATIENCE_S = 0.25
"""After so long a silence somebody else looks whether the server is still there."""


class Line(Protocol):
    """Who wants to know how it goes with the server at the other end."""

    def failed(self) -> None:
        """An operation was not answered, or was cut off."""

    def answered(self) -> None:
        """Something has come from the server."""

    def is_hopeless(self, silent_s: float) -> bool:
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
        self._reader = MessageReader()

    @property
    def bare(self) -> socket.socket:
        """The socket itself, to be wrapped in TLS."""
        return self._socket

    def recv(self, _size: int) -> bytes:
        """One whole message, whatever the size: ldap3 asks for bytes and looks for messages."""
        return ber.element(ber.SEQUENCE, self.next_message().body)

    def next_message(self, end_of_next_piece: Callable[[], float] | None = None) -> Message:
        """The next message of the server's.

        Args:
            end_of_next_piece: until when the next piece of an answer may take that is too long for
                one deadline, as `end_at`.

        Raises:
            OSError: none came in time, or one that cannot be in good faith (`BadAnswer`).
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
        """Send whole requests.

        Raises:
            OSError: that failed, or the server has said something before it was asked: a second
                answer to the last request would be taken for the answer to this one.
        """
        try:
            if not self._is_quiet():
                raise BadAnswer("the server has hung up, or speaks before it is asked")
            self._reader.note_sent(data)
            # A socket within TLS gives each record its own time, so the loop is ours.
            rest = memoryview(data)
            while rest:
                self._socket.settimeout(self._left_s())
                rest = rest[self._socket.send(rest) :]
        except OSError as error:
            self._note(error)
            raise

    def is_silent(self) -> bool:
        """Whether the other side is there and has said nothing that was not read."""
        if self._is_quiet():
            return True
        self.line = None  # what fails on it from now on says nothing new
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
                if self.line and self.line.is_hopeless(time.monotonic() - began_at):
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
