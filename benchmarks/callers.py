"""A client of the service that costs the machine as little as may be: it shares the cores."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

_PIECE = 1 << 18
_TIMEOUT_S = 120.0


class BenchmarkError(Exception):
    """Something went otherwise than it must for a figure to mean anything."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body, and the cookie that came along, `b"name=value"`."""

    status: int
    body: bytes
    cookie: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """One TLS connection, kept from request to request.

    Args:
        port: of 127.0.0.1.
        authorization: the header of each request, `""` for none.
        cookie: likewise.
    """

    def __init__(self, port: int, authorization: str = "", cookie: str = "") -> None:
        sent = {"Authorization": authorization, "Cookie": cookie}
        self._headers = {name: value for name, value in sent.items() if value}
        plain = socket.create_connection(("127.0.0.1", port), _TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = _context().wrap_socket(plain)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Send a request; the answer once all of it is here.

        Args:
            method: `"GET"` or another.
            path: of the request.
            body: sent as JSON, or as a form where it is a text.
        """
        kind, content = _written(body)
        about = {"Content-Length": str(len(content)), "Content-Type": kind} if content else {}
        self._socket.sendall(_head(method, path, self._headers | about) + content)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        head = bytes(received[:end])
        length = end + 4 + int(_header(head, b"content-length"))
        while len(received) < length:
            received += self._more()
        cookie = _header(head, b"set-cookie").partition(b";")[0]
        return Answer(int(head[9:12]), bytes(received[end + 4 : length]), cookie)

    def discard(self, method: str, path: str, size: int) -> None:
        """Send a request, and receive `size` bytes of its answer without keeping them."""
        self._socket.sendall(_head(method, path, self._headers))
        buffer = bytearray(_PIECE)
        while size > 0:
            received = self._socket.recv_into(buffer)
            if not received:
                raise BenchmarkError("The service hung up.")
            size -= received

    def _more(self) -> bytes:
        data = self._socket.recv(_PIECE)
        if not data:
            raise BenchmarkError("The service hung up.")
        return data


def basic(name: str, password: str) -> str:
    """The header of a login."""
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def login(port: int, name: str, password: str) -> Mapping[str, Any]:
    """The answer to a login that must succeed."""
    with Caller(port, basic(name, password)) as caller:
        answer = caller.ask("GET", "/management/login")
    if answer.status != 200:
        raise BenchmarkError(f"The login was answered with {answer.status}: {answer.body[:200]!r}")
    found: Mapping[str, Any] = answer.json
    return found


def console_cookie(port: int, name: str, password: str) -> str:
    """The cookie of a login to the console that must succeed."""
    with Caller(port) as caller:
        form = urlencode({"name": name, "password": password})
        answer = caller.ask("POST", "/console/login", form)
    if answer.status != 303:
        raise BenchmarkError(f"The login to the console was answered with {answer.status}.")
    return answer.cookie.decode()


def _context() -> ssl.SSLContext:
    """Without a look at the certificate, which the service has made itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _written(body: object) -> tuple[str, bytes]:
    """The type of the content, and the content."""
    if isinstance(body, str):
        return "application/x-www-form-urlencoded", body.encode()
    return "application/json", b"" if body is None else json.dumps(body).encode()


def _head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _header(head: bytes, wanted: bytes) -> bytes:
    """The value of the first header of that name, in small letters; `b""` for none."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == wanted:
            return value.strip()
    return b""
