"""A tiny application behind our worker, in a real gunicorn over TLS, and a client for it.

Run as a program, this file is the service; imported, it starts one and speaks to it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from mi_ldap.serving.certificate import self_signed_certificate
from mi_ldap.serving.connection import Patience
from mi_ldap.serving.http_server import HttpServer
from mi_ldap.serving.logs import configure_logging
from mi_ldap.serving.worker import RequestWorker
from mi_ldap.settings import ServerSettings

THREADS = 4
CONNECTIONS = 300
BIG = 8 * 1024 * 1024
GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


class HurriedWorker(RequestWorker):
    patience = Patience(
        handshake_s=0.6, head_s=0.6, body_s=0.6, answer_s=0.6, queue_s=0.6, farewell_s=0.3
    )


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """`/hello`, `/echo` (the body), `/big`, `/sleep` (0.4 s), `/broken`."""
    structlog.contextvars.bind_contextvars(requestId="r1")
    body = environ["wsgi.input"].read()
    match environ["PATH_INFO"]:
        case "/echo":
            answer = body
        case "/big":
            answer = b"x" * BIG
        case "/sleep":
            time.sleep(0.4)
            answer = b"slept"
        case "/broken":
            raise RuntimeError("no such luck")
        case _:
            answer = b"hello"
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


def run_service(listener_fd: int, folder: str, worker: type[RequestWorker]) -> None:
    configure_logging("debug")
    listener = socket.socket(fileno=listener_fd)
    settings = ServerSettings(workers=1, threads=THREADS)
    server = HttpServer(settings, listener, self_signed_certificate(Path(folder)), application)
    server.cfg.set("worker_class", worker)
    server.cfg.set("worker_connections", CONNECTIONS)
    server.cfg.set("keepalive", 1)
    server.run()


@dataclass
class Service:
    """The service under test; `log` is what it said on stderr."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def dial(self) -> socket.socket:
        """A TCP connection, without a byte sent."""
        return socket.create_connection(("127.0.0.1", self.port), 5)

    def connect(self, version: ssl.TLSVersion | None = None) -> ssl.SSLSocket:
        """A connection that has done its handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        return context.wrap_socket(self.dial())

    def send(self, data: bytes) -> tuple[int, str, bytes]:
        """Send it on a fresh connection: the status, head and body of the one answer."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_answer(connection)


def read_answer(connection: socket.socket) -> tuple[int, str, bytes]:
    """One answer, by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(connection)
    head, body = data.split(b"\r\n\r\n", 1)
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += receive(connection)
    return int(head.split()[1]), head.decode(), body


def receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    assert data, "the connection was closed without an answer"
    return data


@contextmanager
def running(folder: Path, mood: str) -> Iterator[Service]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        with (folder / "log").open("wb") as log:
            command = [sys.executable, __file__, str(fd), str(folder), mood]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
            process = subprocess.Popen(command, pass_fds=[fd], stderr=log, env=environment)
    service = Service(port, process, folder / "log")
    try:
        assert service.send(GET)[2] == b"hello"
        yield service
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(10)


def is_closed(connection: socket.socket) -> bool:
    """Wait for the other side to close, without a byte of an answer."""
    connection.settimeout(3)
    with suppress(ConnectionResetError, ssl.SSLEOFError):
        return connection.recv(1) == b""
    return True


def assert_refused(answer: tuple[int, str, bytes], status: str) -> None:
    """A refusal in our form: status line, JSON, close."""
    _, head, body = answer
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert "\r\nContent-Type: application/json\r\n" in head
    assert "\r\nConnection: close\r\n" in head
    error = json.loads(body)
    assert list(error) == ["Error"]
    assert error["Error"].endswith(".")


def client_hello() -> bytes:
    """The first flight of a TLS client."""
    outgoing = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


if __name__ == "__main__":
    mood = RequestWorker if sys.argv[3] == "patient" else HurriedWorker
    run_service(int(sys.argv[1]), sys.argv[2], mood)
