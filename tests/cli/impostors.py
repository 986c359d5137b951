"""Services that are none: what `mi` may meet at an address."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import trustme

Act = Callable[[ssl.SSLSocket], None]


@dataclass
class Impostor:
    """Where it listens, and all that it was told."""

    port: int
    heard: list[bytes] = field(default_factory=list)


@contextmanager
def impostor(
    folder: Path, act: Act, *names: str, expires: datetime | None = None
) -> Iterator[tuple[Impostor, Path]]:
    """One that does the act with every connection; and its authority's certificate."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue_cert(*(names or ("localhost",)), not_after=expires)
    issued.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = Impostor(listener.getsockname()[1])
        serve = threading.Thread(target=_serve, args=(listener, context, act, one), daemon=True)
        serve.start()
        try:
            yield one, folder / "ca.pem"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            serve.join(5)


def answering(status: str, body: bytes, *headers: str) -> Act:
    """An act: the same answer to everybody."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    head = "\r\n".join([*lines, "", ""]).encode()

    def act(connection: ssl.SSLSocket) -> None:
        connection.sendall(head + body)

    return act


def silent(connection: ssl.SSLSocket) -> None:
    """An act: nothing, until the other one goes."""
    while connection.recv(65536):
        pass


def dripping(connection: ssl.SSLSocket) -> None:
    """An act: an answer that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    with suppress(OSError):
        while not threading.Event().wait(0.2):
            connection.sendall(b" ")


def dripping_head(connection: ssl.SSLSocket) -> None:
    """An act: an answer that doesn't begin either."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    with suppress(OSError):
        while not threading.Event().wait(0.2):
            connection.sendall(b" ")


def in_turn(*acts: Act) -> Act:
    """An act: another one each time."""
    left = iter(acts)

    def act(connection: ssl.SSLSocket) -> None:
        next(left)(connection)

    return act


def hanging_up(connection: ssl.SSLSocket) -> None:
    """An act: goodbye."""


def _serve(listener: socket.socket, context: ssl.SSLContext, act: Act, one: Impostor) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
            one.heard.append(_request(connection))
            act(connection)


def _request(connection: ssl.SSLSocket) -> bytes:
    """All of it: a body may come after its head."""
    heard = connection.recv(65536)
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", heard)
    while length and len(heard.partition(b"\r\n\r\n")[2]) < int(length[1]):
        heard += connection.recv(65536)
    return heard
