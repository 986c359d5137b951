"""One service with a directory of its own for the tests of a module, and what clients send it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.service import Service, running

ADMIN, PASSWORD = "admin", "admin"


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it stood on the wire."""

    status_line: str
    headers: dict[str, str]
    body: bytes

    @property
    def strings(self) -> dict[str, str]:
        """The body as the Go clients decode it: a map of strings to strings, else they exit."""
        content = json.loads(self.body)
        assert isinstance(content, dict)
        assert all(isinstance(value, str) for value in content.values()), content
        return content

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who writes requests byte by byte."""

    service: Service
    token: str = ""

    def send(self, request_line: str, *headers: str, body: bytes = b"") -> Raw:
        """Send a request over a connection of its own; the token goes with it, if there is one."""
        lines = [request_line, f"Host: localhost:{self.service.port}", *headers]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        lines.append("Connection: close")
        with self.service.dial() as wire:
            wire.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            return parsed(b"".join(iter(lambda: wire.recv(65536), b"")))

    def logged_in(self, name: str = ADMIN, password: str = PASSWORD) -> Client:
        """Log in as the command-line clients do."""
        answer = self.send("GET /management/login HTTP/1.1", basic(name, password))
        assert answer.status_line == "HTTP/1.1 200 OK", answer
        return Client(self.service, answer.strings["AccessToken"])


def basic(name: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def parsed(data: bytes) -> Raw:
    head, _, body = data.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["Content-Length"]) == len(body)
    return Raw(status_line, headers, body)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("state")
    environment = {
        "MI_LDAP_STATE_DIR": str(folder),
        "MI_LDAP_MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME": "1000",
    }
    with running(environment) as made:
        yield made


@pytest.fixture(scope="module")
def stranger(service: Service) -> Client:
    return Client(service)


@pytest.fixture(scope="module")
def admin(stranger: Client) -> Client:
    return stranger.logged_in()
