"""Waiting for a non-blocking socket in the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable


async def wait_readable(raw: socket.socket) -> None:
    """Return when the socket has data, or its end."""
    loop = asyncio.get_running_loop()
    await _ready(raw, loop.add_reader, loop.remove_reader)


async def wait_writable(raw: socket.socket) -> None:
    """Return when the kernel takes more data."""
    loop = asyncio.get_running_loop()
    await _ready(raw, loop.add_writer, loop.remove_writer)


# Not by `loop.sock_recv`: when it raises, its future and the waiting frame form a cycle, which
# keeps all memory of the connection until the garbage collector runs (Python 3.11).
async def _ready(
    raw: socket.socket, add: Callable[..., object], remove: Callable[[int], object]
) -> None:
    """Wait until the event loop calls back for the socket."""
    ready = asyncio.get_running_loop().create_future()
    # By its number: for a socket the selector would format an error message at each call (0.05 ms).
    descriptor = raw.fileno()
    add(descriptor, _set, ready)
    try:
        await ready
    finally:
        remove(descriptor)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
