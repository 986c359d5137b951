"""A stand-in for the Integration Control Plane 2, as strict as the real one.

It takes heartbeats over TLS in two forms: "S", the release 2.0.0, whose records are closed, and
"N", version 2.1. Its page of users calls the management API with tokens that it signs with the key
of the last full heartbeat, whatever the runtime has sent since.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import jwt

from tests.clients.icp_records import Malformed, check_delta, check_full
from tests.hosts.tls import Certificates
from tests.icp_tokens import KEY, KID, claims, token
from tests.service import trusting

ALGORITHMS = ["HS256", "HS384", "HS512"]
SKEW_S = 10


class Broken(Exception):
    """The page shows an error."""


class Refused(Exception):
    """A heartbeat is answered with this status and text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class OrgSecret:
    """A key; `bound` is the environment and integration of its first full heartbeat."""

    key: str
    bound: tuple[str, str, str] | None = None


@dataclass
class Runtime:
    """A node, as its last full heartbeat described it."""

    body: dict[str, Any]
    kid: str

    @property
    def address(self) -> str:
        return f"{self.body['runtimeHostname']}:{self.body['runtimePort']}"


@dataclass
class ControlPlane:
    """Takes heartbeats and keeps them; `forced` is an answer that is given in place of its own."""

    form: str = "S"
    secrets: dict[str, OrgSecret] = field(default_factory=lambda: {KID: OrgSecret(KEY)})
    environments: tuple[str, ...] = ("dev", "prod")
    runtimes: dict[str, Runtime] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    heartbeats: list[tuple[str, Mapping[str, str], Any]] = field(default_factory=list)
    forced: tuple[int, bytes] | None = None
    delay_s: float = 0.0
    url: str = ""

    @property
    def is_closed(self) -> bool:
        return self.form == "S"

    @property
    def kinds(self) -> list[str]:
        """The resources that were posted to, in their order."""
        return [kind for kind, _, _ in self.heartbeats]

    @property
    def runtime(self) -> Runtime:
        (runtime,) = self.runtimes.values()
        return runtime

    def restart(self) -> None:
        """Forget what is in memory only."""
        self.hashes.clear()

    def take(self, path: str, headers: Mapping[str, str], content: bytes) -> tuple[int, bytes]:
        """Answer a heartbeat with a status and a body."""
        kind = path.removeprefix("/icp/")
        assert path == f"/icp/{kind}"
        body = json.loads(content)
        try:
            kid = self._authenticate(headers)
            answer = self._full(kid, body) if kind == "heartbeat" else self._delta(kid, body)
        except Refused as error:
            answer = error.status, {"message": str(error)}
        self.heartbeats.append((kind, headers, body))
        status, said = answer
        return self.forced or (status, json.dumps(said).encode())

    def _authenticate(self, headers: Mapping[str, str]) -> str:
        """Return the key id of a valid token, as ICP validates the token of a runtime."""
        scheme, _, sent = headers["Authorization"].partition("Bearer ")
        assert scheme == ""
        assert headers["Content-Type"] == "application/json"
        kid = jwt.get_unverified_header(sent).get("kid")
        if not isinstance(kid, str):
            raise Refused(401, "Missing kid")
        if kid not in self.secrets:
            raise Refused(400, "Unknown key id")
        options: Any = {"verify_iat": False, "verify_sub": False, "require": ["exp"]}
        try:
            content = jwt.decode(
                sent,
                self.secrets[kid].key,
                ALGORITHMS,
                issuer="icp-runtime-jwt-issuer",
                audience="icp-server",
                leeway=SKEW_S,
                options=options,
            )
        except jwt.PyJWTError as error:
            raise Refused(401, f"JWT validation failed: {error}") from None
        if any(type(content[name]) is not int for name in ("exp", "iat")):
            raise Refused(401, "JWT validation failed: expired")
        if content.get("scope") != "runtime_agent":
            raise Refused(401, "Invalid scope")
        return kid

    def _full(self, kid: str, body: Any) -> tuple[int, object]:
        try:
            check_full(body, is_closed=self.is_closed)
        except Malformed as error:
            return 201, {"acknowledged": False, "errors": [str(error)]}
        if body["heartbeatVersion"] != "v1.0" or len(body["runtimeId"]) != 36:
            raise Refused(400, "Invalid heartbeat version or runtime id")
        if body["environment"] not in self.environments:
            text = f"Environment not found: {body['environment']}"
            return 201, {"acknowledged": False, "errors": [text]}
        where = (body["environment"], body["project"], body["component"])
        secret = self.secrets[kid]
        secret.bound = secret.bound or where
        if body["runtimeType"] != "MI" or secret.bound[0] != where[0]:
            raise Refused(409, "The key is bound to another environment or type")
        self._replace(kid, body)
        self.hashes[body["runtimeId"]] = body["runtimeHash"]
        has_artifacts = any(body["artifacts"].values())
        return 201, self._acknowledged(needs_full=not has_artifacts)

    def _replace(self, kid: str, body: dict[str, Any]) -> None:
        """Store the runtime, in place of another one of that name."""
        key = (body["environment"], body["component"], body.get("runtime"))
        for other, runtime in [*self.runtimes.items()]:
            own = runtime.body
            if (own["environment"], own["component"], own.get("runtime")) == key:
                del self.runtimes[other]
        self.runtimes[body["runtimeId"]] = Runtime(body, kid)

    def _delta(self, kid: str, body: Any) -> tuple[int, object]:
        try:
            check_delta(body, is_closed=self.is_closed)
        except Malformed as error:
            return 400, {"timestamp": "…", "status": 400, "message": str(error), "path": "/icp"}
        if self.secrets[kid].bound is None:
            return 201, {"acknowledged": False, "fullHeartbeatRequired": True, "commands": []}
        known = self.hashes.get(body["runtimeId"]) == body["runtimeHash"]
        return 201, self._acknowledged(needs_full=not known)

    def _acknowledged(self, *, needs_full: bool) -> dict[str, Any]:
        answer = {"acknowledged": True, "fullHeartbeatRequired": needs_full, "commands": []}
        more = {"supportedHeartbeatFields": ["tryItHost"], "nextHeartbeatInSeconds": 5}
        return answer if self.is_closed else {**answer, **more}

    def pages(self, form: str = "") -> Pages:
        return Pages(self, form or self.form)


class Pages:
    """The drawer "Runtime Users" of the only runtime, in one of both forms."""

    def __init__(self, plane: ControlPlane, form: str) -> None:
        self._plane = plane
        self._form = form

    def token(self, **edits: Any) -> str:
        """A token with the key of the last full heartbeat."""
        kid = self._plane.runtime.kid
        if kid not in self._plane.secrets:
            raise Broken("no key ID")
        return token(self._plane.secrets[kid].key, kid, **claims(**edits))

    def users(self) -> dict[str, bool]:
        """Whether each user is an admin: the list, and a call for each row of it."""
        own = self.token()
        status, kind, answer = self._call("GET", "/users", own)
        if status != 200:
            raise Broken(f"Failed to load users: {self._text(status, answer)}")
        rows = answer.get("list")
        if not isinstance(rows, list) or (self._form == "N" and "json" not in kind):
            return {}
        return {row["userId"]: self._is_admin(row["userId"], own) for row in rows}

    def _is_admin(self, name: str, own: str) -> bool:
        # 2.0.0 uses one token for the page, 2.1 makes one for each call.
        sent = own if self._form == "S" else self.token()
        status, _, answer = self._call("GET", f"/users/{quote(name, safe='')}", sent)
        return status == 200 and answer.get("isAdmin") is True

    def add(self, name: str, password: str, *, is_admin: bool = False) -> None:
        sent = {"userId": name, "password": password, "isAdmin": is_admin}
        if self._form == "N":
            sent["domain"] = "primary"
        self._write("POST", "/users", sent)

    def delete(self, name: str) -> None:
        domain, slash, bare = name.partition("/")
        path = f"/users/{quote(name, safe='')}"
        if self._form == "N" and slash:
            path = f"/users/{quote(bare, safe='')}?domain={domain}"
        self._write("DELETE", path)

    def _write(self, method: str, path: str, sent: object = None) -> None:
        status, _, answer = self._call(method, path, self.token(), sent)
        if status == 404 and method == "DELETE":
            raise Broken("not found on runtime")
        if status != 200:
            raise Broken(self._text(status, answer))

    @staticmethod
    def _text(status: int, answer: dict[str, Any]) -> str:
        return str(answer.get("Error") or f"returned status {status}")

    def _call(
        self, method: str, path: str, own: str, sent: object = None
    ) -> tuple[int, str, dict[str, Any]]:
        status, kind, content = self.ask(method, path, own, sent)
        return status, kind, json.loads(content)

    def ask(self, method: str, path: str, own: str, sent: object = None) -> tuple[int, str, bytes]:
        """Call the runtime's API; return status, content type and body."""
        headers = {"Authorization": f"Bearer {own}", "Accept": "application/json"}
        content = None if sent is None else json.dumps(sent, ensure_ascii=False).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        address = self._plane.runtime.address
        connection = http.client.HTTPSConnection(address, timeout=20, context=trusting())
        try:
            connection.request(method, f"/management{path}", content, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type", ""), answer.read()
        finally:
            connection.close()


@contextmanager
def listening(
    plane: ControlPlane, certificates: Certificates, host: str = "localhost"
) -> Iterator[ControlPlane]:
    """The control plane at its address, over TLS."""
    server = ThreadingHTTPServer((host, 0), _handler(plane))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert_file, certificates.key_file)
    server.socket = context.wrap_socket(server.socket, True, do_handshake_on_connect=False)
    plane.url = f"https://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield plane
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(plane: ControlPlane) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = plane.take(self.path, dict(self.headers), content)
            time.sleep(plane.delay_s)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            if status in range(300, 400):
                self.send_header("Location", f"{plane.url}/icp/heartbeat")
            self.end_headers()
            self.wfile.write(answer)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the service does not wait any longer, or refuses the certificate
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
