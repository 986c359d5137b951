"""A stand-in for the monitoring dashboard, which does what the contract says the real one does.

It takes heartbeats over TLS. A node that it doesn't know it registers: it logs in there at once
with its own account, and calls `/server` once, never again. A node that is silent for three
intervals it drops. Its pages ask the management API like the real ones, and are as easily broken.
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
from urllib.parse import quote, urlsplit

from tests.clients.wire import basic
from tests.hosts.tls import Certificates
from tests.service import trusting

PATH = "/dashboard/api/heartbeat"
SILENT_INTERVALS = 3


class Broken(Exception):
    """The page shows an error."""


@dataclass
class Node:
    """A service that has sent a heartbeat, and what was found out about it."""

    node_id: str
    url: str
    interval: float
    token: str = ""
    server: dict[str, str] = field(default_factory=dict)
    seen_at: float = field(default_factory=time.monotonic)

    @property
    def is_silent(self) -> bool:
        return time.monotonic() - self.seen_at > SILENT_INTERVALS * self.interval


class Dashboard:
    """Takes heartbeats, and keeps them; `delay_s`, `status` and `said` are how it answers."""

    def __init__(self, account: tuple[str, str] | None = None) -> None:
        self.account = account
        self.heartbeats: list[tuple[float, Mapping[str, str], bytes]] = []
        self.nodes: dict[str, Node] = {}
        self.registrations = 0
        self.errors: list[str] = []
        self.delay_s = 0.0
        self.status = 200
        self.said: object = {"status": "success"}
        self.url = ""

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(content) for _, _, content in self.heartbeats]

    @property
    def node(self) -> Node:
        (node,) = self.nodes.values()
        return node

    def pages(self) -> Pages:
        return Pages(self.node.url, self.node.token)

    def take(self, headers: Mapping[str, str], content: bytes) -> None:
        """A heartbeat has come."""
        self.heartbeats.append((time.monotonic(), headers, content))
        said = json.loads(content)
        for silent in [key for key, node in self.nodes.items() if node.is_silent]:
            del self.nodes[silent]
        known = self.nodes.get(said["nodeId"])
        if known:
            known.seen_at = time.monotonic()
        elif self.account:
            self._register(Node(said["nodeId"], said["mgtApiUrl"], said["interval"]))

    def _register(self, node: Node) -> None:
        assert self.account
        self.nodes[node.node_id] = node
        self.registrations += 1
        try:
            node.token = login(node.url, *self.account)
            node.server = Pages(node.url, node.token).get("server")
        except Broken as error:
            self.errors.append(str(error))


@contextmanager
def listening(
    dashboard: Dashboard, certificates: Certificates | None = None
) -> Iterator[Dashboard]:
    """The dashboard at its address, over TLS where it has certificates."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(dashboard))
    if certificates:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.cert_file, certificates.key_file)
        server.socket = context.wrap_socket(server.socket, True, do_handshake_on_connect=False)
    scheme = "https" if certificates else "http"
    dashboard.url = f"{scheme}://localhost:{server.server_port}/dashboard/api"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield dashboard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(dashboard: Dashboard) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == PATH, self.path
            dashboard.take(dict(self.headers), content)
            answer = json.dumps(dashboard.said).encode()
            time.sleep(dashboard.delay_s)
            self.send_response(dashboard.status)
            self.send_header("Content-Length", str(len(answer)))
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(answer)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the service had enough of waiting, or of our certificate
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """In silence."""

    return Handler


def login(url: str, name: str, password: str) -> str:
    """What the dashboard does on registration: the token of its own account."""
    answer = _send(url, "GET", "login", {"Authorization": f"Basic {basic(name, password)}"})
    if answer[0] != 200:
        raise Broken(f"login: {answer}")
    return str(json.loads(answer[2])["AccessToken"])


class Pages:
    """The pages of one node, each as the browser would see it, or `Broken`."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def users(self, key: str = "") -> list[dict[str, Any]]:
        """The Users page: a list, and one call a row."""
        query = f"users?pattern={quote(f'*{key}*')}" if key else "users"
        rows = self._list(query)
        return [self.get(f"users/{quote(row['userId'], safe='')}") for row in rows]

    def roles(self) -> dict[str, list[str]]:
        """The Roles page: every role's users, the names raw; one failure breaks it all."""
        found = {}
        for row in self._list("roles"):
            if row["role"] != "Internal/everyone":
                domain, slash, name = row["role"].rpartition("/")
                raw = name.replace(" ", "%20")
                query = f"?domain={domain}" if slash else ""
                found[row["role"]] = self.get(f"roles/{raw}{query}")["users"]
        return found

    def artifacts(self, kind: str) -> list[Any]:
        """A page of artifacts; there are none."""
        return self._list(kind)

    def add_user(self, name: str, password: str, *, is_admin: bool) -> None:
        sent = {"userId": name, "password": password, "isAdmin": is_admin, "domain": ""}
        self._write("POST", "users", sent, "Added")

    def add_role(self, name: str) -> None:
        self._write("POST", "roles", {"role": name, "domain": ""}, "Added")

    def put_roles(self, name: str, added: list[str] | None, removed: list[str] | None) -> None:
        """With `null` for the list that is not meant."""
        sent = {"userId": name, "addedRoles": added, "removedRoles": removed}
        self._write("PUT", "roles/", sent, "Added/removed the roles")

    def set_password(self, name: str, new: str, old: str | None = None) -> None:
        sent = {"newPassword": new, "confirmPassword": new, "oldPassword": old}
        path = f"users/{quote(name, safe='')}"
        self._write("PATCH", path, sent, "User password updated successfully.")

    def delete(self, path: str) -> None:
        """200 alone is success, and the reason phrase is what people are shown."""
        status, reason, _ = self._ask("DELETE", path)
        if status != 200:
            raise Broken(f"{status} {reason}")

    def get(self, path: str) -> Any:
        status, reason, content = self._ask("GET", path)
        if not content:
            raise Broken(f"{path}: {status} with an empty body")
        answer = json.loads(content)
        if status != 200:
            raise Broken(f"{status} {reason}: {answer['Error']}")
        return answer

    def _list(self, path: str) -> list[Any]:
        answer = self.get(path)
        if "list" not in answer or answer["count"] != len(answer["list"]):
            raise Broken(f"{path}: no list in {answer}")
        return list(answer["list"])

    def _write(self, method: str, path: str, sent: object, wanted: str) -> None:
        status, reason, content = self._ask(method, path, sent)
        if not content:
            raise Broken(f"{status} with an empty body")
        if status != 200 or json.loads(content)["status"] != wanted:
            raise Broken(f"{status} {reason}: {content.decode()}")

    def _ask(self, method: str, path: str, sent: object = None) -> tuple[int, str, bytes]:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        return _send(self._url, method, path, headers, sent)


def _send(
    url: str, method: str, path: str, headers: dict[str, str], sent: object = None
) -> tuple[int, str, bytes]:
    """The name of the resource stands right behind the address that the heartbeat gave."""
    address = urlsplit(url + path)
    assert address.scheme == "https"
    content = None if sent is None else json.dumps(sent).encode("latin-1", "replace")
    if content is not None:
        headers = {**headers, "Content-Type": "application/json"}
    connection = http.client.HTTPSConnection(address.netloc, timeout=20, context=trusting())
    try:
        target = address.path + (f"?{address.query}" if address.query else "")
        connection.request(method, target, content, headers)
        answer = connection.getresponse()
        return answer.status, answer.reason, answer.read()
    finally:
        connection.close()
