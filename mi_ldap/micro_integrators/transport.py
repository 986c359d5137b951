"""Sockets to a node: connecting, the TLS handshake, receiving and sending."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from contextlib import suppress
from typing import Final

from mi_ldap.errors import ConfigurationError
from mi_ldap.ldap.name_resolution import AddressInfo, addresses_of
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.socket_events import wait_readable, wait_writable

SLICE: Final = 64 * 1024
"""Bytes that are received at a time, at most."""


def tls_context(config: NodeConfig) -> ssl.SSLContext | None:
    """Return the context for TLS 1.2 or newer; None if the node's address is `http://`.

    Raises:
        ConfigurationError: the file of the authorities cannot be used.
    """
    if not config.is_tls:
        return None
    if not config.verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # In this order: `ssl` refuses CERT_NONE while host names are checked.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        try:
            context = ssl.create_default_context(cafile=config.ca_file)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"micro_integrator {config.id}: ca_file must name a PEM file with certificates "
                "that can be read."
            ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class NodeSocket:
    """A connected socket without buffers of its own, plain or with TLS.

    One task may receive while another one sends; it is closed when neither does.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    async def receive(self) -> bytes:
        """Wait for data and return at most `SLICE` bytes; `b""` at the end of the stream."""
        buffer = bytearray(SLICE)
        size = await self.receive_into(memoryview(buffer))
        return bytes(buffer[:size])

    async def receive_into(self, buffer: memoryview) -> int:
        """Wait for data and write it to the buffer; return its size, 0 at the end of the stream."""
        while True:
            try:
                return self._read_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError):
                await wait_readable(self._socket)
            except ssl.SSLWantWriteError:
                await wait_writable(self._socket)

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Pass all of the data to the kernel."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                await wait_writable(self._socket)
            except ssl.SSLWantReadError:
                await wait_readable(self._socket)

    def has_input(self) -> bool:
        """Whether something has arrived; on an idle connection it is the end of the stream."""
        poll = select.poll()  # not select(), which is limited to descriptors below 1024
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close the socket at once, without the end of TLS."""
        self._socket.close()

    def _read_into(self, buffer: memoryview) -> int:
        # A call of `recv_into` returns one TLS record, of 16 kB at most.
        size = 0
        while size < len(buffer):
            try:
                received = self._socket.recv_into(buffer[size:])
            except OSError:
                if size:
                    break  # an error is raised again by the next call
                raise
            if not received:
                break
            size += received
        return size


async def connect(config: NodeConfig, context: ssl.SSLContext | None) -> NodeSocket:
    """Return a new connection to the node, after the TLS handshake.

    Raises:
        OSError: no address of it can be reached, or the handshake failed.
        UnicodeError: the name cannot be a host name.
    """
    loop = asyncio.get_running_loop()
    addresses = await loop.run_in_executor(None, addresses_of, config.host, config.port)
    raw = await _connect_to_one(addresses)
    try:
        if context is not None:
            raw = await _handshake(raw, context, config.host)
    except BaseException:
        raw.close()
        raise
    return NodeSocket(raw)


async def _connect_to_one(addresses: list[AddressInfo]) -> socket.socket:
    failure: OSError = OSError("the host has no address")
    for family, kind, protocol, _, address in addresses:
        raw = socket.socket(family, kind, protocol)
        try:
            raw.setblocking(False)
            with suppress(OSError):
                # Nagle's algorithm would hold the body's end back until the rest is acknowledged.
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(raw, address)
        except OSError as error:
            failure = error
            raw.close()
        except BaseException:
            raw.close()
            raise
        else:
            return raw
    raise failure


async def _handshake(raw: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    wrapped = context.wrap_socket(
        raw,
        server_hostname=host,
        do_handshake_on_connect=False,
        # A body that ends with the connection is complete only if TLS was ended properly.
        suppress_ragged_eofs=False,
    )
    try:
        while True:
            try:
                wrapped.do_handshake()
            except ssl.SSLWantReadError:
                await wait_readable(wrapped)
            except ssl.SSLWantWriteError:
                await wait_writable(wrapped)
            else:
                return wrapped
    except BaseException:
        wrapped.close()
        raise
