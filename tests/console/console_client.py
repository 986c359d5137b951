"""The console through Flask's client: what a browser sends, without one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from werkzeug.test import Cookie, TestResponse

from mi_ldap.web import create_app
from tests.world import PASSWORD, World

HERE = "https://localhost"
OURS = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class ConsoleClient:
    """Somebody on the console."""

    world: World
    client: FlaskClient

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> TestResponse:
        answer = self.client.get(
            f"/console{path}", base_url=HERE, headers=headers or {}, buffered=True
        )
        assert_sound(answer)
        return answer

    def post(self, path: str, headers: Any = None, **fields: Any) -> TestResponse:
        """Send a form as it is, with what the browser says of where it comes from."""
        answer = self.client.post(
            f"/console{path}",
            base_url=HERE,
            data=fields,
            headers=OURS if headers is None else headers,
        )
        assert_sound(answer)
        return answer

    def send(self, path: str, **fields: str) -> TestResponse:
        """Send a form as a page of the session would."""
        return self.post(path, csrf=self.csrf(), **fields)

    def log_in(self, name: str, password: str = PASSWORD, **more: str) -> TestResponse:
        return self.post("/login", name=name, password=password, **more)

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/account").text)
        assert found
        return found[1]

    def token(self) -> str:
        """What the session's cookie holds."""
        return self.cookie().value

    def cookie(self) -> Cookie:
        """The one that there is."""
        (cookie,) = (self.client._cookies or {}).values()
        return cookie

    def api(self, path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.get(f"/management{path}", base_url=HERE, headers=headers).status_code


def console_client(world: World) -> ConsoleClient:
    """A stranger on the console."""
    return ConsoleClient(world, create_app(world.services).test_client())


def goes_to(answer: TestResponse) -> str:
    """Where an answer sends the browser, below `/console`."""
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.location)
    assert not parts.netloc
    path = parts.path.removeprefix("/console")
    return f"{path}?{parts.query}" if parts.query else path


def assert_sound(answer: TestResponse) -> None:
    """What holds of every answer of the console."""
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "WWW-Authenticate" not in answer.headers
    if answer.mimetype == "text/html":
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<[^>]+ (style|on\w+)=", answer.text)
