"""Sockets of clients, plain and TLS, without a buffer of their own for data that is sent.

The caller sets the timeouts.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Final, Protocol

from mi_ldap.socket_events import wait_readable, wait_writable

SLICE: Final = 64 * 1024
"""Bytes that are encrypted and handed to the kernel at a time."""

_TLS_HANDSHAKE: Final = b"\x16"  # the content type of the first record (RFC 8446 §5.1)


class PlainHttpError(ConnectionError):
    """The client's first bytes are not a TLS handshake; mostly it sends plain HTTP."""


class ClientSocket(Protocol):
    """A connected client; one task may receive while another one sends."""

    raw: socket.socket

    async def handshake(self) -> None:
        """Do what precedes the first byte of HTTP."""

    async def receive(self, at_most: int) -> bytes:
        """Wait for data and return it; `b""` at the end of the stream."""

    def write(self, data: memoryview) -> memoryview:
        """Pass at most `SLICE` bytes to the kernel; return what it did not take, for `flush`."""

    async def flush(self, rest: memoryview) -> None:
        """Send the bytes that `write` returned."""

    async def end(self) -> None:
        """Send the end of the stream."""


class PlainSocket:
    """TCP without TLS."""

    def __init__(self, accepted: socket.socket) -> None:
        self.raw = accepted

    async def handshake(self) -> None:
        """Do nothing: plain TCP has no handshake."""

    async def receive(self, at_most: int) -> bytes:
        return await receive(self.raw, at_most)

    def write(self, data: memoryview) -> memoryview:
        return _write(self.raw, data)

    async def flush(self, rest: memoryview) -> None:
        await _send(self.raw, rest)

    async def end(self) -> None:
        self.raw.shutdown(socket.SHUT_WR)


class TlsSocket:
    """TLS over TCP, without a buffer for data that is sent."""

    # asyncio's TLS encrypts and buffers everything that is written to it, so a client that requests
    # large responses and does not read them would use unlimited memory. Here a slice is encrypted
    # only when the kernel has accepted the previous one.

    def __init__(self, accepted: socket.socket, context: ssl.SSLContext) -> None:
        self.raw = accepted
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        # While a response is sent, another task may receive, and have to answer a key update: its
        # bytes must not get into the middle of a record.
        self._sending = asyncio.Lock()

    async def handshake(self) -> None:
        """Do the TLS handshake.

        Raises:
            PlainHttpError: the client does not begin one.
            OSError: the handshake failed, or the client closed the connection.
        """
        first = await receive(self.raw, SLICE)
        if first and not first.startswith(_TLS_HANDSHAKE):
            raise PlainHttpError
        self._feed_tls(first)
        while not await self._advance_handshake():
            await self._fill()

    async def receive(self, at_most: int) -> bytes:
        while True:
            try:
                return self._tls.read(at_most)
            except ssl.SSLWantReadError:
                if not self._sending.locked():  # else it goes with the next slice
                    await self._flush()  # a key update must be answered
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            await self._fill()

    def write(self, data: memoryview) -> memoryview:
        self._tls.write(data)
        encrypted = memoryview(self._outgoing.read())
        return encrypted if self._sending.locked() else _write(self.raw, encrypted)

    async def flush(self, rest: memoryview) -> None:
        async with self._sending:
            await _send(self.raw, rest)

    async def end(self) -> None:
        with suppress(ssl.SSLWantReadError):  # the client's close_notify is not waited for
            self._tls.unwrap()
        await self._flush()
        self.raw.shutdown(socket.SHUT_WR)

    async def _advance_handshake(self) -> bool:
        """Do the next step of the handshake; return True when it is complete."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            await self._flush()
            return False
        except ssl.SSLError:
            await self._flush()  # sends the alert with the reason
            raise
        await self._flush()
        return True

    async def _fill(self) -> None:
        self._feed_tls(await receive(self.raw, SLICE))

    def _feed_tls(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            async with self._sending:
                await _send(self.raw, memoryview(self._outgoing.read()))


async def receive(raw: socket.socket, at_most: int) -> bytes:
    """Wait for data and return it; `b""` at the end of the stream."""
    while True:
        try:
            return raw.recv(at_most)
        except BlockingIOError:
            await wait_readable(raw)


def _write(raw: socket.socket, data: memoryview) -> memoryview:
    """Pass data to the kernel; return what it did not take."""
    try:
        return data[raw.send(data) :]
    except BlockingIOError:
        return data


async def _send(raw: socket.socket, data: memoryview) -> None:
    """Send all of the data."""
    while data := _write(raw, data):
        await wait_writable(raw)
