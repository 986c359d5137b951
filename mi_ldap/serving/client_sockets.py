"""The sockets of clients, plain and TLS: what is sent waits in the kernel and nowhere else.

asyncio's TLS takes everything that is written to it, encrypts it and keeps it; a client that does
not read then costs as much memory as it asks for. Here a slice is encrypted when the one before it
has gone to the kernel. Neither class sets a time limit: the caller does.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Final, Protocol

SLICE: Final = 64 * 1024
"""Bytes that are encrypted and handed to the kernel at a time."""

_TLS_HANDSHAKE: Final = b"\x16"


class PlainHttpError(ConnectionError):
    """A client that does not begin with a TLS handshake: mostly plain HTTP."""


class ClientSocket(Protocol):
    """A connected client."""

    raw: socket.socket

    async def handshake(self) -> None:
        """Whatever comes before the first byte of HTTP."""

    async def receive(self, at_most: int) -> bytes:
        """What has arrived, `b""` at the end."""

    def write(self, data: memoryview) -> memoryview:
        """Hand data, no longer than `SLICE`, to the kernel; what it did not take, for `flush`."""

    async def flush(self, rest: memoryview) -> None:
        """Send what `write` has left."""

    async def end(self) -> None:
        """Send the end of the stream."""


class PlainSocket:
    """TCP without TLS."""

    def __init__(self, accepted: socket.socket) -> None:
        self.raw = accepted

    async def handshake(self) -> None:
        """There is none."""

    async def receive(self, at_most: int) -> bytes:
        return await receive(self.raw, at_most)

    def write(self, data: memoryview) -> memoryview:
        return _write(self.raw, data)

    async def flush(self, rest: memoryview) -> None:
        await _send(self.raw, rest)

    async def end(self) -> None:
        self.raw.shutdown(socket.SHUT_WR)


class TlsSocket:
    """TLS over TCP, without a buffer for what is sent."""

    def __init__(self, accepted: socket.socket, context: ssl.SSLContext) -> None:
        self.raw = accepted
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self) -> None:
        """Do the handshake.

        Raises:
            PlainHttpError: the client does not begin one.
            OSError: it speaks no TLS that is accepted here.
        """
        first = await receive(self.raw, SLICE)
        if first and not first.startswith(_TLS_HANDSHAKE):
            raise PlainHttpError
        self._take(first)
        while not await self._is_shaken():
            await self._fill()

    async def receive(self, at_most: int) -> bytes:
        while True:
            try:
                return self._tls.read(at_most)
            except ssl.SSLWantReadError:
                await self._flush()  # what a change of keys asks for
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            await self._fill()

    def write(self, data: memoryview) -> memoryview:
        self._tls.write(data)
        return _write(self.raw, memoryview(self._outgoing.read()))

    async def flush(self, rest: memoryview) -> None:
        await _send(self.raw, rest)

    async def end(self) -> None:
        with suppress(ssl.SSLWantReadError):  # the client's own end is not waited for
            self._tls.unwrap()
        await self._flush()
        self.raw.shutdown(socket.SHUT_WR)

    async def _is_shaken(self) -> bool:
        """Take the next step of the handshake; whether it was the last one."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            await self._flush()
            return False
        except ssl.SSLError:
            await self._flush()  # the alert says why
            raise
        await self._flush()
        return True

    async def _fill(self) -> None:
        self._take(await receive(self.raw, SLICE))

    def _take(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await _send(self.raw, memoryview(self._outgoing.read()))


async def receive(raw: socket.socket, at_most: int) -> bytes:
    """What has arrived, `b""` at the end.

    Not `loop.sock_recv`: the future that brings its exception and the frame that waits for it hold
    each other, with all that the connection has in memory, until the collector runs (Python 3.11).
    """
    while True:
        try:
            return raw.recv(at_most)
        except BlockingIOError:
            pass
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(raw, _set, ready)
        try:
            await ready
        finally:
            loop.remove_reader(raw)


def _write(raw: socket.socket, data: memoryview) -> memoryview:
    """Hand data to the kernel; what it did not take."""
    try:
        return data[raw.send(data) :]
    except BlockingIOError:
        return data


async def _send(raw: socket.socket, data: memoryview) -> None:
    """Send all of it."""
    while data := _write(raw, data):
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_writer(raw, _set, ready)
        try:
            await ready
        finally:
            loop.remove_writer(raw)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
