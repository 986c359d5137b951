"""Our worker in a real gunicorn over TLS, with an application that forwards to a stand-in.

Run as a program, this file is the service; imported, it starts one. The application forwards every
path below `/management`, but answers 403 to a request with the field `X-Refuse`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog

from mi_ldap.errors import MiLdapError
from mi_ldap.micro_integrators.breaker import CircuitBreaker
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.fetch import fetch
from mi_ldap.micro_integrators.forward import BODY_FOLLOWS, CAN_FORWARD, FORWARD, Forward, Outcome
from mi_ldap.micro_integrators.node import Nodes
from mi_ldap.serving.certificate import self_signed_certificate
from mi_ldap.serving.connection import Timeouts
from mi_ldap.serving.http_server import HttpServer
from mi_ldap.serving.logs import configure_logging
from mi_ldap.serving.worker import RequestWorker
from mi_ldap.settings import ServerSettings
from tests.micro_integrator.instance import MicroIntegrator
from tests.process_coverage import coverage_variables
from tests.until import until

THREADS = 4
_STREAMED = ("/management/applications", "/management/registry-resources/content")
_PASSED = ("CONTENT_TYPE", "HTTP_RANGE", "HTTP_ACCEPT")


@dataclass(frozen=True)
class Options:
    """How the service is run, besides the node that it forwards to.

    Attributes:
        timeout_s: of the node.
        pause_s: of the node's bodies.
        client_s: of a client's bodies, and for it to receive 64 kB.
        failures: in a row that open the breaker.
        breaker_pause_s: until the next probe.
        workers: processes.
        ports: listening sockets.
    """

    timeout_s: float = 1.0
    pause_s: float = 1.0
    client_s: float = 2.0
    failures: int = 10**9
    breaker_pause_s: float = 0.3
    workers: int = 1
    ports: int = 1


class Application:
    """Forwards, and writes how each request ended to a file, a line of JSON each."""

    def __init__(self, nodes: Nodes, outcomes: Path) -> None:
        self._nodes = nodes
        self._outcomes = os.open(outcomes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        structlog.contextvars.bind_contextvars(requestId="r1")
        path = environ["PATH_INFO"]
        if path.startswith("/management/") and "HTTP_X_REFUSE" not in environ:
            start_response("200 OK", [*_FIELDS, ("Content-Length", "0")])
            environ[FORWARD] = self._forward(environ)
            return []
        status, answer = self._answer(path, environ)
        start_response(status, [*_FIELDS, ("Content-Length", str(len(answer)))])
        return [answer]

    def _answer(self, path: str, environ: dict[str, Any]) -> tuple[str, bytes]:
        match path:
            case "/pid":
                return "200 OK", str(os.getpid()).encode()
            case "/port":
                return "200 OK", environ["SERVER_PORT"].encode()
            case "/nodes":
                return "200 OK", json.dumps(_shown(self._nodes)).encode()
            case "/fetch":
                return "200 OK", self._fetch(environ["QUERY_STRING"])
            case "/hello":
                return "200 OK", b"hello"
        return "403 Forbidden", json.dumps({"read": len(environ["wsgi.input"].read())}).encode()

    def _fetch(self, target: str) -> bytes:
        try:
            status, _, body = fetch(self._nodes, "mi-1", "GET", target, limit=100_000)
        except MiLdapError as error:
            return str(error).encode()
        return f"{status} {len(body)}".encode()

    def _forward(self, environ: dict[str, Any]) -> Forward:
        assert environ[CAN_FORWARD]
        method = environ["REQUEST_METHOD"].replace("HEAD", "GET")
        target = quote(environ["PATH_INFO"].encode("latin-1")).removeprefix("/management")
        query = environ["QUERY_STRING"]
        fields = tuple(
            (key.removeprefix("HTTP_").lower().replace("_", "-"), environ[key])
            for key in _PASSED
            if key in environ
        )

        def note(**outcome: object) -> None:
            line = json.dumps({"method": method, "target": target, **outcome})
            os.write(self._outcomes, f"{line}\n".encode())

        return Forward(
            node="mi-1",
            method=method,
            target=f"{target}?{query}" if query else target,
            fields=fields,
            body=None if environ.get(BODY_FOLLOWS) else environ["wsgi.input"].read(),
            is_write=method != "GET",
            finished=lambda outcome: note(**{name: getattr(outcome, name) for name in _OUTCOME}),
            refused=lambda error: note(refused=str(error)),
            is_reported="HTTP_X_UNREPORTED" not in environ,
        )


_FIELDS = [
    ("Content-Type", "text/html"),
    ("X-Request-Id", "r1"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
]
_OUTCOME = Outcome.__slots__


def _shown(nodes: Nodes) -> dict[str, Any]:
    node = nodes["mi-1"]
    totals = node.counters.totals()
    return {
        "is_up": node.is_up,
        "problem": node.problem,
        "requests": totals.requests,
        "errors": totals.errors,
        "seconds": totals.seconds,
    }


def _streams_body(method: str, path: str) -> bool:
    return method in ("POST", "PUT") and path.startswith(_STREAMED)


def run_service(listeners: list[int], folder: Path, config: NodeConfig, options: Options) -> None:
    configure_logging("info")
    sockets = [socket.socket(fileno=each) for each in listeners]
    nodes = Nodes([config])
    nodes["mi-1"].breaker = CircuitBreaker(options.failures, options.breaker_pause_s)
    server = HttpServer(
        ServerSettings(workers=options.workers, threads=THREADS, graceful_timeout_s=5),
        sockets,
        self_signed_certificate(folder),
        Application(nodes, folder / "outcomes"),
        nodes=nodes,
        streams_body=_streams_body,
    )
    RequestWorker.timeouts = replace(
        Timeouts(), body_s=options.client_s, send_s=options.client_s, linger_s=0.5
    )
    server.run()


@dataclass
class Answer:
    """An answer of the service; `is_whole` unless the connection broke before its end."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes = b""
    is_whole: bool = True

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["Error"])


@dataclass
class RelayingService:
    """The service under test."""

    ports: list[int]
    process: subprocess.Popen[bytes]
    folder: Path
    _seen: int = field(default=0)

    def connect(self, port: int | None = None) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", port or self.ports[0]), 15)
        return context.wrap_socket(plain, suppress_ragged_eofs=False)

    def ask(
        self, method: str, path: str, body: bytes = b"", *fields: str, port: int | None = None
    ) -> Answer:
        """Send a request on a new connection; return the answer."""
        length = (f"Content-Length: {len(body)}",) if body or method != "GET" else ()
        with self.connect(port) as connection:
            connection.sendall(head_of(method, path, *length, *fields) + body)
            return read_answer(connection, method)

    def get(self, resource: str) -> Answer:
        return self.ask("GET", f"/management/{resource}")

    def outcome(self) -> dict[str, Any]:
        """Return the one outcome that was not returned before; wait for it."""
        (found,) = self.next_outcomes(1)
        return found

    def next_outcomes(self, number: int) -> list[dict[str, Any]]:
        until(lambda: len(self._lines()) >= self._seen + number)
        lines = self._lines()[self._seen :]
        self._seen += len(lines)
        assert len(lines) == number, lines
        return [json.loads(line) for line in lines]

    def forget_outcomes(self) -> None:
        self._seen = len(self._lines())

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def node(self) -> dict[str, Any]:
        """State and counters of the node."""
        return dict(json.loads(self.ask("GET", "/nodes").body))

    def worker_rss_kb(self) -> int:
        status = Path(f"/proc/{int(self.ask('GET', '/pid').body)}/status").read_text()
        return int(next(one.split()[1] for one in status.splitlines() if one.startswith("VmRSS")))

    def _lines(self) -> list[str]:
        return (self.folder / "outcomes").read_text().splitlines()


def head_of(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


def read_answer(connection: ssl.SSLSocket, method: str = "GET") -> Answer:
    """Read one answer, of whatever framing, or what came of it."""
    file = connection.makefile("rb")
    line = file.readline().decode()
    assert line, "the connection was closed without an answer"
    headers = {}
    while (field_line := file.readline().decode("latin-1").strip()) != "":
        name, _, value = field_line.partition(":")
        headers[name.lower()] = value.strip()
    _, status, reason = line.strip().split(" ", 2)
    answer = Answer(int(status), reason, headers)
    if method == "HEAD" or answer.status in (204, 304):
        return answer
    body = bytearray()
    try:
        for piece in _body(file, headers):
            body += piece
    except (OSError, EOFError):
        answer.is_whole = False
    answer.body = bytes(body)
    return answer


def _body(file: Any, headers: dict[str, str]) -> Iterator[bytes]:
    if "content-length" in headers:
        yield from _exactly(file, int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        while size := int(file.readline() or _ended(), 16):
            yield from _exactly(file, size + 2, leave=2)
        assert file.readline() == b"\r\n"
    else:
        while piece := file.read1(65_536):
            yield piece


def _exactly(file: Any, size: int, leave: int = 0) -> Iterator[bytes]:
    while size:
        piece = file.read1(min(size, 65_536)) or _ended()
        size -= len(piece)
        yield piece if size >= leave else piece[: max(0, len(piece) - (leave - size))]


def _ended() -> bytes:
    raise EOFError


@contextmanager
def relaying(
    folder: Path, mi: MicroIntegrator, options: Options = Options(), **changed: Any
) -> Iterator[RelayingService]:
    """A service that forwards to the stand-in; `changed` are attributes of `NodeConfig`."""
    config = {
        "id": "mi-1",
        "management_url": mi.url,
        "username": mi.username,
        "password": mi.password,
        "ca_file": str(mi.ca_file),
        "timeout_s": options.timeout_s,
        "pause_s": options.pause_s,
        **changed,
    }
    folder.mkdir(exist_ok=True)
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(options.ports)]
    descriptors = [each.fileno() for each in listeners]
    given = json.dumps([descriptors, str(folder), config, options.__dict__])
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **coverage_variables(),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, given], pass_fds=descriptors, stderr=log, env=environment
        )
    service = RelayingService([each.getsockname()[1] for each in listeners], process, folder)
    for each in listeners:
        each.close()
    try:
        until(lambda: _answers(service), 30)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert "Traceback" not in service.log, service.log[-6000:]
        assert mi.password not in service.log


def _answers(service: RelayingService) -> bool:
    with suppress(OSError, AssertionError):
        return service.ask("GET", "/hello").body == b"hello"
    assert service.process.poll() is None, service.log
    return False


if __name__ == "__main__":
    fds, where, node, chosen = json.loads(sys.argv[1])
    node["ca_file"] = Path(node["ca_file"]) if node["ca_file"] else None
    run_service(fds, Path(where), NodeConfig(**node), Options(**chosen))
