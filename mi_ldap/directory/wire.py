"""The socket of a connection, with one deadline for a whole answer.

A socket's own timeout begins anew with each piece that arrives, so that a server which sends an
answer drop by drop would hold a thread for ever.
"""

from __future__ import annotations

import socket
import ssl
import time


class Wire:
    """What ldap3 uses of a socket; `end_at` (`time.monotonic()`) ends all sending and receiving."""

    def __init__(self, plain: socket.socket, end_at: float) -> None:
        self._socket = plain
        self.end_at = end_at

    @property
    def bare(self) -> socket.socket:
        """The socket itself, to be wrapped in TLS."""
        return self._socket

    def recv(self, size: int) -> bytes:
        self._socket.settimeout(self._left_s())
        return self._socket.recv(size)

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(self._left_s())
        self._socket.sendall(data)

    def is_silent(self) -> bool:
        """Whether the other side is there and has said nothing that was not read."""
        try:
            self._socket.setblocking(False)
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()

    def _left_s(self) -> float:
        left_s = self.end_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the time for the whole answer is over")
        return left_s
