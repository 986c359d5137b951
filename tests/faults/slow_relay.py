"""A TCP relay that holds everything back for a while, as a long line does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from urllib.parse import urlsplit

Piece = tuple[float, bytes]


@contextmanager
def slow_relay(url: str, each_way_s: float) -> Iterator[str]:
    """The address of a relay to the server at `url`; each piece comes that much later.

    A connection is made at once: the kernel answers for the relay. So its first byte is held back
    by a whole round trip, as if the connection had taken it.
    """
    target = (urlsplit(url).hostname or "", urlsplit(url).port or 389)
    open_sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(function: object, *arguments: object) -> None:
        threads.append(threading.Thread(target=function, args=arguments))  # type: ignore[arg-type]
        threads[-1].start()

    def accept(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listening.accept()
                there = socket.create_connection(target)
                for each in (here, there):  # else Nagle's algorithm holds back some pieces longer
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_sockets.extend((here, there))
                for each in (here, there):
                    # Else the kernel holds a second piece back until the first is acknowledged,
                    # which takes 40 ms.
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, sink, wait_s in ((here, there, 2 * each_way_s), (there, here, 0.0)):
                    pieces: SimpleQueue[Piece] = SimpleQueue()
                    start(receive, source, pieces, time.monotonic() + wait_s)
                    start(send, sink, pieces)

    def receive(source: socket.socket, pieces: SimpleQueue[Piece], not_before: float) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            pieces.put((max(time.monotonic(), not_before) + each_way_s, data))

    def send(sink: socket.socket, pieces: SimpleQueue[Piece]) -> None:
        with suppress(OSError):
            while True:
                due, data = pieces.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    return sink.shutdown(socket.SHUT_RDWR)
                sink.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        start(accept, listening)
        try:
            yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            threads[0].join()
            for each in open_sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            for each in open_sockets:
                each.close()
