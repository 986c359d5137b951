"""Real services for the tests: `python app.py serve`, over TLS, each with its own state folder.

with running(environment(tmp_path, subtree)) as service, service.caller() as call:
    token = call.login("admin", "admin")
    assert call("GET", "/users", token=token).status == 200
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.services.container import Services
from mi_ldap.settings import Settings
from mi_ldap.store import UserStore
from mi_ldap.web import create_app
from mi_ldap.wiring import services
from tests.subtree import Subtree

_ROOT = Path(__file__).resolve().parents[1]
_TOKEN_KEY = "management_api__jwt_token_security_handler__token_config__key"
_START_S = 20.0
_STOP_S = 10.0

Environment = dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `reason` is the reason phrase as it stood on the wire."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Speaker(ABC):
    """Somebody who speaks to a service."""

    @abstractmethod
    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        basic: str | None = None,
    ) -> Answer:
        """Send a request anywhere, `basic` as `name:password`; `path` is taken as it stands."""

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        basic: str | None = None,
    ) -> Answer:
        """Send a request below `/management`."""
        return self.ask(method, f"/management{path}", body, token=token, basic=basic)

    def login(self, name: str, password: str) -> str:
        """The token of a login that must succeed."""
        answer = self("GET", "/login", basic=f"{name}:{password}")
        assert answer.status == 200, answer
        return str(answer.json["AccessToken"])


class Caller(Speaker):
    """One connection to a service, kept open from request to request."""

    def __init__(self, port: int, timeout_s: float = 30.0) -> None:
        self._wire = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=timeout_s, context=trusting()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()

    def connect(self) -> None:
        """Have the handshake done before it counts."""
        self._wire.connect()

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        basic: str | None = None,
    ) -> Answer:
        self._wire.request(method, path, _content(body), _headers(token, basic))
        came = self._wire.getresponse()
        return Answer(came.status, came.reason, dict(came.getheaders()), came.read())


class LocalCaller(Speaker):
    """The same on an application in this process, from a loopback address."""

    def __init__(self, found: Services) -> None:
        self._client = create_app(found).test_client()

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        basic: str | None = None,
    ) -> Answer:
        came = self._client.open(
            path, method=method, data=_content(body), headers=_headers(token, basic)
        )
        status, _, reason = came.status.partition(" ")
        return Answer(int(status), reason, dict(came.headers), came.get_data())


@dataclass(frozen=True, slots=True)
class Service:
    """A running service; `log` is what it said."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def caller(self, timeout_s: float = 30.0) -> Caller:
        return Caller(self.port, timeout_s)

    def dial(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """A TLS connection for those who write their own bytes."""
        plain = socket.create_connection(("127.0.0.1", self.port), 30)
        return (context or trusting()).wrap_socket(plain)

    def assert_healthy(self) -> None:
        """Nothing went wrong in it that nobody foresaw."""
        said = self.log.read_text(encoding="utf-8", errors="replace")
        assert "unforeseen_error" not in said, said[-4000:]
        assert "Traceback" not in said, said[-4000:]


def environment(folder: Path, place: Subtree, **more: object) -> Environment:
    """The settings of a service that keeps its users there, as an operator would give them.

    Args:
        folder: the state folder.
        place: where users and roles are.
        more: further settings, `user_store__pool_size=2`.
    """
    given = {_TOKEN_KEY: "one for all machines, so that tokens are", "server__workers": 1, **more}
    variables = {f"MI_LDAP_{key.upper()}": str(value) for key, value in given.items()}
    return {**place.environment, "MI_LDAP_STATE_DIR": str(folder), **variables}


@contextmanager
def local(
    settings: Settings,
    wrap: Callable[[UserStore], UserStore] | None = None,
    observe: Callable[[str], None] = lambda operation: None,
) -> Iterator[LocalCaller]:
    """An application in this process, with `wrap` around its store."""
    with ExitStack() as stack:
        found = _opened(services(settings, observe=observe), stack)
        if wrap:
            found = _opened(services(settings, store=wrap(found.store)), stack)
        yield LocalCaller(found)


def _opened(found: Services, stack: ExitStack) -> Services:
    """To be closed with the stack: the connections of this thread, and those that are idle."""
    stack.callback(found.state.close)
    stack.callback(found.audit.close)
    if isinstance(found.store, DirectoryStore):
        stack.callback(found.store.close)
    return found


@contextmanager
def running(env: Environment) -> Iterator[Service]:
    """A service, answering; ended by its process id."""
    with running_all(env) as (service,):
        yield service


@contextmanager
def running_all(*environments: Environment) -> Iterator[list[Service]]:
    """Several services, started together."""
    with ExitStack() as stack:
        started = [stack.enter_context(_started(env)) for env in environments]
        for service in started:
            _wait_until_it_answers(service)
        yield started
        for service in started:
            service.assert_healthy()
            service.process.terminate()


@contextmanager
def mortal(env: Environment, start_s: float = _START_S) -> Iterator[Service]:
    """A service, answering after `start_s` seconds at the latest, which the test may kill."""
    with _started(env) as service:
        _wait_until_it_answers(service, start_s)
        yield service


def trusting() -> ssl.SSLContext:
    """TLS without a look at the certificate, as `curl -k` has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and no outgoing connection is given."""
    while True:
        port = random.randrange(10_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def _started(env: Environment) -> Iterator[Service]:
    port = int(env.get("MI_LDAP_SERVER__PORT") or free_port())
    folder = Path(env["MI_LDAP_STATE_DIR"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    inherited = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    own = {"MI_LDAP_SERVER__HOST": "127.0.0.1", "MI_LDAP_SERVER__PORT": str(port)}
    log = folder / "service.log"
    with log.open("wb") as to:
        process = subprocess.Popen(
            [sys.executable, "app.py", "serve"],
            cwd=_ROOT,
            env={**inherited, **env, **own},
            stdout=to,
            stderr=to,
        )
    try:
        yield Service(port, process, log)
    finally:
        _end(process)


def _wait_until_it_answers(service: Service, start_s: float = _START_S) -> None:
    until = time.monotonic() + start_s
    while time.monotonic() < until and service.process.poll() is None:
        try:
            with service.caller(timeout_s=2) as call:
                if call.ask("GET", "/health").status == 200:
                    return
        except OSError:
            time.sleep(0.01)
    raise AssertionError(service.log.read_text(encoding="utf-8", errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _content(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body).encode()


def _headers(token: str | None, basic: str | None) -> dict[str, str]:
    if token is not None:
        return {"Authorization": f"Bearer {token}"}
    if basic is not None:
        return {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"}
    return {}
