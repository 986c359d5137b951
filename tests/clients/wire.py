"""Requests written byte by byte, and answers read as they stand on the wire."""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass
from typing import Any, Self

from tests.service import Service


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One answer: `status_line` such as `"HTTP/1.1 200 OK"`, names of headers in lower case."""

    status_line: str
    headers: dict[str, str]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.status_line.split(" ")[1])

    @property
    def reason(self) -> str:
        return self.status_line.split(" ", 2)[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def string_map(self) -> dict[str, str]:
        """The body as the command-line clients decode it: into a Go `map[string]string`."""
        decoded = self.json
        assert isinstance(decoded, dict)
        for value in decoded.values():
            assert isinstance(value, str), f"Go cannot decode {value!r} into a string"
        return decoded


class Wire:
    """A TLS connection that is used for one request after the other."""

    def __init__(self, service: Service) -> None:
        self.socket: ssl.SSLSocket = service.dial()
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *lines: str | bytes, body: bytes = b"") -> WireAnswer:
        """Send the lines as a head, and the body."""
        head = b"".join(
            (each if isinstance(each, bytes) else each.encode()) + b"\r\n" for each in lines
        )
        self.socket.sendall(head + b"\r\n" + body)
        return self.read()

    def read(self) -> WireAnswer:
        """The next answer, by its Content-Length."""
        while b"\r\n\r\n" not in self._unread:
            self._receive()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("ascii").split("\r\n")
        pairs = [line.partition(": ") for line in lines]
        headers = {name.lower(): value for name, _, value in pairs}
        assert len(headers) == len(pairs), f"a header stands twice: {lines}"
        length = int(headers.get("content-length", "0"))
        while len(self._unread) < length:
            self._receive()
        body, self._unread = self._unread[:length], self._unread[length:]
        return WireAnswer(status_line, headers, body)

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"the connection was closed after {self._unread!r}"
        self._unread += data


def basic(name: str, password: str, encoding: str = "utf-8") -> str:
    return base64.b64encode(f"{name}:{password}".encode(encoding)).decode()
