"""A client's connection: TLS handshake, requests and responses, each with a timeout."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import timeout_at
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from mi_ldap.serving.client_sockets import (
    SLICE,
    ClientSocket,
    PlainHttpError,
    PlainSocket,
    receive,
)
from mi_ldap.serving.connection_table import ConnectionTable, Entry, Phase
from mi_ldap.serving.environ import Address
from mi_ldap.serving.errors import RequestError, too_slow
from mi_ldap.serving.request_body import (
    BodyReader,
    BodyStream,
    ChunkedBody,
    ChunkedStream,
    SizedBody,
    SizedStream,
)
from mi_ldap.serving.request_head import HeadReader, RequestHead, StreamsBody, streams_nothing

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)  # socket(7): SO_LINGER on, for 0 seconds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of a connection, in seconds."""

    handshake_s: float = 5.0
    head_s: float = 5.0
    body_s: float = 30.0
    send_s: float = 15.0
    """For the client to receive the next 64 kB of a response."""
    queue_s: float = 2.0
    """For a complete request to get a thread; then it is answered with 503."""
    linger_s: float = 2.0
    """For reading further input after the last response, which a reset would destroy."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request with its complete body, decoded from chunks; without one if it is streamed."""

    head: RequestHead
    body: bytes


class Connection:
    """A client's connection, whose buffered bytes are counted in the table.

    Args:
        accepted: the client's socket.
        endpoints: the addresses of the client and of the server.
        table: the worker's connections.
        entry: the entry of this connection in the table.
        timeouts: the timeouts of the connection.
        streams_body: tells which requests' bodies are streamed.
    """

    def __init__(
        self,
        accepted: ClientSocket,
        endpoints: tuple[Address, Address],
        table: ConnectionTable,
        entry: Entry,
        timeouts: Timeouts,
        streams_body: StreamsBody = streams_nothing,
    ) -> None:
        self._socket = accepted
        self.endpoints = endpoints
        self._table = table
        self._entry = entry
        self._timeouts = timeouts
        self._streams_body = streams_body
        self._buffer = bytearray()

    async def handshake(self) -> None:
        """Do the TLS handshake, if TLS is configured.

        Raises:
            RequestError: the client sent plain HTTP.
            OSError: the handshake failed or timed out.
        """
        try:
            async with asyncio.timeout(self._timeouts.handshake_s):
                await self._socket.handshake()
        except PlainHttpError:
            # Answered in plain HTTP: a TLS alert would tell the person nothing.
            self._socket = PlainSocket(self._socket.raw)
            sentence = "This port is for https: write https:// in the address."
            raise RequestError(400, sentence) from None

    async def next_request(self, idle_s: float | None = None) -> Request | None:
        """Read the next request; None if the client sends none.

        Args:
            idle_s: timeout before the first byte of the request, which starts the timeout of the
                head. None for a new connection, where the timeout of the head has started.

        Raises:
            RequestError: the request is invalid or timed out.
            OSError: the client closed the connection during the request.
        """
        now = asyncio.get_running_loop().time
        head_by = now() + self._timeouts.head_s
        if not await self._begins(head_by if idle_s is None else now() + idle_s):
            return None
        if idle_s is not None:
            head_by = now() + self._timeouts.head_s
        head = await self._read(HeadReader(self._streams_body).read, head_by, "head")
        if head.length == 0 or head.streams_body:
            return Request(head, b"")
        # RFC 9110 §10.1.1: not needed if the client has sent some of the body already.
        if head.expects_continue and not self._buffer:
            await self.send([_CONTINUE])
        reader: BodyReader = ChunkedBody() if head.length is None else SizedBody(head.length)
        return Request(head, await self._read(reader.read, now() + self._timeouts.body_s, "body"))

    async def body_parts(self, head: RequestHead) -> AsyncIterator[bytes]:
        """Yield the body of a request whose body is streamed, some `SLICE` bytes at a time.

        Raises:
            RequestError: it is not encoded as announced, or does not move.
            OSError: the client closed the connection before its end.
        """
        now = asyncio.get_running_loop().time
        if head.expects_continue and not self._buffer:
            await self.send([_CONTINUE])
        stream: BodyStream = ChunkedStream() if head.length is None else SizedStream(head.length)
        left, until = SLICE, now() + self._timeouts.body_s
        while True:
            if part := stream.take(self._buffer):
                left -= len(part)
                if left <= 0:  # as for a response: 64 kB in that time, not a byte
                    left, until = SLICE, now() + self._timeouts.body_s
                yield part
            if stream.is_complete:
                return
            try:
                async with timeout_at(until):
                    if not await self._receive():
                        raise ConnectionResetError
            except TimeoutError:
                raise too_slow("body") from None

    async def wait_for_close(self) -> None:
        """Return when the client has closed the connection; keep some input of further requests.

        May run while a response is sent.
        """
        with suppress(OSError):
            # What a client sends beyond it stays in the kernel.
            while len(self._buffer) < SLICE:
                received = await self._receive()
                if not received:
                    return
                self._table.hold(self._entry, received)
            await asyncio.get_running_loop().create_future()

    def call_on_input(self, call: Callable[[], None] | None) -> None:
        """Call a function once when something arrives, or the connection is closed.

        Args:
            call: the function; None to call none any more.
        """
        loop, descriptor = asyncio.get_running_loop(), self._socket.raw.fileno()

        def call_once() -> None:
            loop.remove_reader(descriptor)
            if call is not None:
                call()

        if call is None:
            loop.remove_reader(descriptor)
        else:
            loop.add_reader(descriptor, call_once)

    async def send(self, pieces: Sequence[bytes]) -> None:
        """Send all pieces in slices of `SLICE` bytes.

        Raises:
            OSError: the client closed the connection, or does not receive a slice in time.
        """
        for number, piece in enumerate(pieces):
            content = memoryview(piece)
            for start in range(0, len(content), SLICE):
                rest = self._socket.write(content[start : start + SLICE])
                if rest:
                    await self._wait_for_client(rest, pieces[number:])
                if start:
                    await asyncio.sleep(0)  # a fast client must not block others

    def forget_request(self) -> None:
        """Stop counting the last request's body."""
        self._table.release(self._entry, self._entry.held)

    async def drain_input(self) -> None:
        """Read and discard input for a short time."""
        # Closing with unread input sends a reset, which makes the client discard the response.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeouts.linger_s):
                while await receive(self._socket.raw, SLICE):
                    await asyncio.sleep(0)

    async def close(self) -> None:
        """Send the end of the stream, also within TLS."""
        async with asyncio.timeout(self._timeouts.linger_s):
            await self._socket.end()

    def abort(self) -> None:
        """Make the kernel discard unsent data when the socket is closed."""
        with suppress(OSError):
            self._socket.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    async def _wait_for_client(self, rest: memoryview, pieces: Sequence[bytes]) -> None:
        """Wait until the client has received the rest of a slice; count the bytes meanwhile."""
        held = sum(map(len, pieces))
        phase = self._entry.phase
        self._table.hold(self._entry, held)
        self._table.enter(self._entry, Phase.SENDING)
        async with asyncio.timeout(self._timeouts.send_s):
            await self._socket.flush(rest)
        self._table.release(self._entry, held)
        if phase is not None:
            self._table.enter(self._entry, phase)

    async def _begins(self, until: float) -> bool:
        if self._buffer:
            return True
        with suppress(TimeoutError):
            async with timeout_at(until):
                return await self._receive() > 0
        return False

    async def _read(self, read: Callable[[bytearray], T | None], until: float, part: str) -> T:
        found = read(self._buffer)
        if found is not None:
            return found
        self._table.hold(self._entry, len(self._buffer) - self._entry.held)
        try:
            async with timeout_at(until):  # one for all of the part: a client may send bytes slowly
                while (found := read(self._buffer)) is None:
                    if not (received := await self._receive()):
                        raise ConnectionResetError
                    self._table.hold(self._entry, received)
                    await asyncio.sleep(0)  # a fast client must not block others
        except TimeoutError:
            raise too_slow(part) from None
        return found

    async def _receive(self) -> int:
        """Read available input; return the number of bytes, 0 at the end of the stream."""
        received = await self._socket.receive(SLICE)
        self._buffer += received
        return len(received)


def set_options(accepted: socket.socket) -> None:
    """Send small responses without delay, and limit the kernel's buffer of unsent data."""
    if accepted.family in (socket.AF_INET, socket.AF_INET6):
        # Nagle's algorithm would hold a small piece back until the one before is acknowledged.
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(AttributeError, OSError):  # Linux only
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 2 * SLICE)


def endpoints_of(accepted: socket.socket, client: Any) -> tuple[Address, Address]:
    """Return the addresses of client and server; the client of a UNIX socket has none."""
    is_tcp = isinstance(client, tuple)
    return client if is_tcp else ("", ""), accepted.getsockname() if is_tcp else ("localhost", "")
