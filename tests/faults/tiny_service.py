"""A tiny application behind our worker, in a real gunicorn over TLS, and a client for it.

Run as a program, this file is the service; imported, it starts one and speaks to it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from mi_ldap.serving.certificate import self_signed_certificate
from mi_ldap.serving.connection import Connection, Timeouts
from mi_ldap.serving.http_server import HttpServer
from mi_ldap.serving.logs import configure_logging
from mi_ldap.serving.responses import Response
from mi_ldap.serving.worker import RequestWorker
from mi_ldap.settings import ServerSettings
from tests.process_coverage import coverage_variables

THREADS = 4
CONNECTIONS = 300
BIG = 8 * 1024 * 1024
PART = 256 * 1024
GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"

COUNT = b"GET /connections HTTP/1.1\r\nHost: x\r\n\r\n"


class HurriedWorker(RequestWorker):
    timeouts = Timeouts(
        handshake_s=0.6, head_s=0.6, body_s=0.6, send_s=0.6, queue_s=0.6, linger_s=0.3
    )


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """See `_answers`; `/parts?N` has no length and N parts, `?failing` fails in the third."""
    structlog.contextvars.bind_contextvars(requestId="r1")
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/parts":
        start_response("200 OK", [])
        return _parts(environ["QUERY_STRING"])
    answer = _answer(environ["PATH_INFO"], body)
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


def _answer(path: str, body: bytes) -> bytes:
    """Of `/echo`, `/big`, `/sleep` (0.4 s), `/broken`, `/connections` (how many are in memory)."""
    match path:
        case "/echo":
            return body
        case "/big":
            return b"x" * BIG
        case "/sleep":
            time.sleep(0.4)
            return b"slept"
        case "/broken":
            raise RuntimeError("no such luck")
        case "/connections":
            return json.dumps(_in_memory()).encode()
    return b"hello"


def _parts(query: str) -> Iterator[bytes]:
    for _ in range(int(query) if query.isdigit() else 2):
        yield b"x" * PART
    if query == "failing":
        raise RuntimeError("no such luck")


def _in_memory() -> dict[str, int]:
    """What the worker holds of each kind; the collector of reference cycles is off from now on."""
    gc.disable()
    counted = Counter(map(type, gc.get_objects()))  # a list of them in a cell would hold itself
    kinds = (Connection, Response, ssl.SSLObject, asyncio.Task, socket.socket)
    return {each.__name__: counted[each] for each in kinds} | {"rss_kb": rss_kb(os.getpid())}


def rss_kb(pid: int) -> int:
    """The memory that a process occupies, in kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def run_service(
    listener_fd: int, folder: str, worker: type[RequestWorker], connections: int
) -> None:
    configure_logging("debug")
    listener = socket.socket(fileno=listener_fd)
    settings = ServerSettings(workers=1, threads=THREADS)
    server = HttpServer(settings, [listener], self_signed_certificate(Path(folder)), application)
    server.cfg.set("worker_class", worker)
    server.cfg.set("worker_connections", connections)
    server.cfg.set("keepalive", 1 if worker is HurriedWorker else 60)
    server.run()


@dataclass
class Service:
    """The service under test; `log` is what it said on stderr."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def dial(self, source: str = "127.0.0.1") -> socket.socket:
        """A TCP connection from that address, without a byte sent."""
        return socket.create_connection(("127.0.0.1", self.port), 5, (source, 0))

    def connect(
        self, version: ssl.TLSVersion | None = None, source: str = "127.0.0.1"
    ) -> ssl.SSLSocket:
        """A connection that has done its handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        return context.wrap_socket(self.dial(source))

    def send(self, data: bytes) -> tuple[int, str, bytes]:
        """Send it on a fresh connection: the status, head and body of the one answer."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_answer(connection)

    def in_memory(self) -> dict[str, int]:
        """How many of each kind its worker has in memory, and `rss_kb`."""
        counted: dict[str, int] = json.loads(self.send(COUNT)[2])
        return counted


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
def running(
    folder: Path, mood: str, connections: int = CONNECTIONS, descriptors: int | None = None
) -> Iterator[Service]:
    """A service, `"hurried"` or `"patient"`; `descriptors` limits the files that it may open."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        with (folder / "log").open("wb") as log:
            command = [sys.executable, __file__, str(fd), str(folder), mood, str(connections)]
            if descriptors:
                command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
            if mood == "patient":  # else measuring would take the time that the tests allow
                environment |= coverage_variables()
            process = subprocess.Popen(command, pass_fds=[fd], stderr=log, env=environment)
    service = Service(port, process, folder / "log")
    try:
        _wait_until_it_answers(service)
        yield service
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(10)


def _wait_until_it_answers(service: Service) -> None:
    give_up_at = time.monotonic() + 30
    while True:
        try:
            assert service.send(GET)[2] == b"hello"
        except OSError:
            assert time.monotonic() < give_up_at, service.log.read_text()
        else:
            return


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
    run_service(int(sys.argv[1]), sys.argv[2], mood, int(sys.argv[4]))
