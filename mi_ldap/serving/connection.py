"""One client's connection: the TLS handshake, requests in, answers out, each bounded in time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import IncompleteReadError, StreamReader, StreamReaderProtocol, StreamWriter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from mi_ldap.serving.refusals import HEAD_LIMIT, Refusal, too_slow
from mi_ldap.serving.requests import read_body, read_head

Address = tuple[Any, ...]
"""What a socket calls its ends: `("127.0.0.1", 9164)`, longer for IPv6."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds."""

    handshake_s: float = 5.0
    head_s: float = 5.0
    body_s: float = 30.0
    answer_s: float = 60.0
    """To take an answer in."""
    queue_s: float = 2.0
    """How long a complete request waits for a thread; after that it is answered 503."""
    farewell_s: float = 2.0
    """How long a closing connection is still listened to, so that a last answer gets through."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that is ready for requests; made by `open_connection`."""

    stream: StreamReader
    writer: StreamWriter
    client: Address
    server: Address
    cfg: Any
    patience: Patience

    async def next_request(self, idle_s: float | None = None) -> Any:
        """The next request with its whole body, as gunicorn's `Request`; None when none comes.

        Args:
            idle_s: how long the client may stay silent before it begins; the time for the head
                starts then. None for a new connection, whose time for the head has started.

        Raises:
            Refusal: it cannot be read, or not in time.
        """
        clock = asyncio.get_running_loop().time
        head_by = clock() + self.patience.head_s
        first = await self._first_byte(head_by if idle_s is None else clock() + idle_s)
        if not first:
            return None
        if idle_s is not None:
            head_by = clock() + self.patience.head_s
        with suppress(IncompleteReadError):
            request = await self._head(first, head_by)
            await self._body(request)
            return request
        return None

    async def _first_byte(self, until: float) -> bytes:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                return await self.stream.read(1)
        return b""

    async def _head(self, first: bytes, until: float) -> Any:
        try:
            async with asyncio.timeout_at(until):
                return await read_head(self.stream, first, self.cfg, self.client)
        except TimeoutError:
            raise too_slow("head") from None

    async def _body(self, request: Any) -> None:
        try:
            async with asyncio.timeout(self.patience.body_s):
                await read_body(self.stream, self.writer, request)
        except TimeoutError:
            raise too_slow("body") from None

    async def send(self, data: bytes) -> None:
        """Write it all.

        Raises:
            OSError: the client is gone, or does not read.
        """
        self.writer.write(data)
        async with asyncio.timeout(self.patience.answer_s):
            await self.writer.drain()

    async def hear_out(self) -> None:
        """Take in what is still being sent: closing over it would destroy the answer on its way."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.patience.farewell_s):
                while await self.stream.read(HEAD_LIMIT):
                    pass

    async def close(self) -> None:
        """Say goodbye, in TLS too."""
        self.writer.close()
        async with asyncio.timeout(self.patience.farewell_s):
            await self.writer.wait_closed()


async def open_connection(
    accepted: socket.socket,
    client: Address,
    tls: ssl.SSLContext | None,
    cfg: Any,
    patience: Patience,
) -> Connection:
    """Do the TLS handshake, where there is TLS.

    Raises:
        OSError: the client speaks no TLS that is accepted here, or not in time.
    """
    loop = asyncio.get_running_loop()
    server = accepted.getsockname()
    began = loop.time()
    is_mistaken = tls is not None and not await _begins_tls(accepted, patience.handshake_s)
    spent_s = loop.time() - began
    stream = StreamReader(HEAD_LIMIT, loop)
    protocol = StreamReaderProtocol(stream, loop=loop)
    tls_options: dict[str, Any] = {
        "ssl": tls,
        "ssl_handshake_timeout": max(patience.handshake_s - spent_s, 0.001),
        "ssl_shutdown_timeout": patience.farewell_s,
    }
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, accepted, **({} if tls is None or is_mistaken else tls_options)
    )
    transport.set_write_buffer_limits(high=1)  # 0 never resumes: asyncio's TLS pauses at >= high
    writer = StreamWriter(transport, protocol, stream, loop)
    connection = Connection(stream, writer, client, server, cfg, patience)
    if is_mistaken:
        await _explain_https(connection)
    return connection


async def _begins_tls(accepted: socket.socket, patience_s: float) -> bool:
    """Look at the first byte without taking it."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(accepted, readable.set)
    try:
        async with asyncio.timeout(patience_s):
            await readable.wait()
    finally:
        loop.remove_reader(accepted)
    return accepted.recv(1, socket.MSG_PEEK) in (_TLS_HANDSHAKE, b"")


async def _explain_https(connection: Connection) -> NoReturn:
    refusal = Refusal(400, "This port speaks https: write https:// in the address.")
    await connection.send(refusal.response())
    await connection.hear_out()
    connection.writer.transport.abort()
    raise ConnectionAbortedError


_TLS_HANDSHAKE = b"\x16"
