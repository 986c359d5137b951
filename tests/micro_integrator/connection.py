"""A connection from a client: sending, pausing while watching for its end, closing it or worse."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress

_POLL_S = 0.02
_LINGER_S = 0.5
# Returned by close(2) at once, and the peer sees a RST.
_NO_LINGER = struct.pack("ii", 1, 0)


class ClientGone(Exception):
    """The client closed the connection."""


class Connection:
    """A connected socket, with TLS or without."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._hangup = select.poll()
        self._hangup.register(connected.fileno(), select.POLLRDHUP)

    def send(self, content: bytes | memoryview) -> None:
        """Hand the bytes to the kernel.

        Raises:
            ClientGone: the client closed the connection.
        """
        try:
            self.socket.sendall(content)
        except OSError:
            raise ClientGone from None

    def pause(self, seconds: float, until: threading.Event) -> None:
        """Wait for so many seconds, or for the event.

        Raises:
            ClientGone: the client closed the connection meanwhile.
        """
        ends_at = time.monotonic() + seconds
        while not until.is_set() and (left := ends_at - time.monotonic()) > 0:
            if self._hangup.poll(1000 * min(_POLL_S, left)):
                raise ClientGone

    def close(self, *, reset: bool = False) -> None:
        """Close it as a broken server does: without TLS' close_notify, by a RST if so wanted."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.socket.close()

    def finish(self) -> None:
        """Close it in order, so that the client has all that was sent and knows that it is all."""
        with suppress(OSError):
            self.socket.settimeout(_LINGER_S)
            if isinstance(self.socket, ssl.SSLSocket):
                with suppress(OSError):  # the client sends on, or does not answer
                    self.socket.unwrap()
            self._drain()
        self.socket.close()

    def _drain(self) -> None:
        """Read what the client still sends, until it closes, for a short time."""
        # close(2) with unread bytes would send a RST, which overtakes the answer.
        socket.socket.shutdown(self.socket, socket.SHUT_WR)
        ends_at = time.monotonic() + _LINGER_S
        while time.monotonic() < ends_at and socket.socket.recv(self.socket, 65_536):
            pass
