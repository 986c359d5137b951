"""A client for the tests of the stand-in, which shows answers as they came over the wire."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from tests.micro_integrator.instance import MicroIntegrator

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that was whole."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Logged in on one connection, which is opened again when it ends."""

    def __init__(self, mi: MicroIntegrator) -> None:
        self._mi = mi
        self._tls = ssl.create_default_context(cafile=mi.ca_file)
        self._connection = http.client.HTTPSConnection(
            "localhost", mi.port, timeout=_TIMEOUT_S, context=self._tls
        )
        self.token = ""

    def __enter__(self) -> Self:
        self.log_in()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def log_in(self) -> None:
        answer = self.ask("GET", "login", headers={"Authorization": basic(self._mi)})
        self.token = answer.json["AccessToken"]

    def ask(
        self,
        method: str,
        resource: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Send bytes or an iterable as they are, anything else as JSON; `headers` replace ours."""
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self._connection.request(
                method, f"/management/{resource}", content, headers if headers is not None else sent
            )
            answer = self._connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        except BaseException:
            self._connection.close()
            raise

    def get(self, resource: str) -> Any:
        """The JSON of a resource, which must be there."""
        answer = self.ask("GET", resource)
        assert answer.status == 200, answer
        return answer.json

    def head(self, method: str, resource: str, *more: str) -> bytes:
        """The head of a request as bytes, without a length."""
        lines = [f"{method} /management/{resource} HTTP/1.1", "Host: localhost"]
        lines += [f"Authorization: Bearer {self.token}", *more]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def dial(self) -> ssl.SSLSocket:
        """A connection for those who send their own bytes."""
        plain = socket.create_connection(("127.0.0.1", self._mi.port), _TIMEOUT_S)
        return self._tls.wrap_socket(plain, server_hostname="localhost")

    def exchange(self, sent: bytes) -> bytes:
        """All that comes until the other side closes, in order or not."""
        with self.dial() as connection:
            connection.sendall(sent)
            return receive_all(connection)


def receive_all(connection: ssl.SSLSocket) -> bytes:
    received = bytearray()
    with suppress(ssl.SSLEOFError, ConnectionResetError):
        while piece := connection.recv(65_536):
            received += piece
    return bytes(received)


def basic(mi: MicroIntegrator) -> str:
    """The value of the header Authorization for a login."""
    return f"Basic {base64.b64encode(f'{mi.username}:{mi.password}'.encode()).decode()}"
