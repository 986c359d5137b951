"""Whatever a request looks like, only rows of the table reach a node, and only for their people.

The table stands here once more, so that a mistake in the other one is noticed.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote

import pytest
from werkzeug.test import run_wsgi_app

from mi_ldap.micro_integrators.forward import Forward
from mi_ldap.micro_integrators.resources import streams_body
from mi_ldap.serving.environ import environ_of
from mi_ldap.serving.errors import RequestError
from mi_ldap.serving.request_head import parse
from tests.api.forwards import IDS, PORT, Gateway, gateway_over
from tests.memory_store import MemoryStore

REQUESTS = 8000
CHANGED = (
    "proxy-services|endpoints|apis|sequences|tasks|inbound-endpoints|message-processors|templates"
)
READ = "local-entries|message-stores|connectors|data-services|data-sources|logs"
REGISTRY = "registry-resources(?:/content|/properties|/metadata)?"
NAME = "[A-Za-z0-9%._~-]+"
ADMIN, OPERATOR, USER = 3, 2, 1
TABLE = (
    ("GET", f"/(?:{CHANGED}|{READ}|logging|{REGISTRY}|transactions/(?:count|report))", USER),
    ("GET", f"/(?:applications(?:/{NAME}(?:/fault)?)?|data-services/{NAME}/fault|server)", USER),
    ("POST", f"/(?:{CHANGED}|{REGISTRY}|applications)", OPERATOR),
    ("PUT", f"/(?:{REGISTRY})", OPERATOR),
    ("DELETE", f"/(?:{REGISTRY}|logging|applications/{NAME})", OPERATOR),
    ("PATCH", "/logging", OPERATOR),
    ("GET", "/configs", ADMIN),
    ("PUT", "/configs", ADMIN),
    ("POST", "/external-vaults/hashicorp", ADMIN),
    ("PATCH", "/server", ADMIN),
)
KEYS = {
    *("apiName", "carbonAppName", "configName", "dataServiceName", "end", "endpointName"),
    *("expand", "file", "inboundEndpointName", "loggerName", "mediaType", "month", "name", "path"),
    *("proxyServiceName", "searchKey", "sequenceName", "start", "taskName", "type", "year"),
}

SEGMENTS = (
    *("apis", "logs", "configs", "server", "registry-resources", "content", "applications"),
    *("logging", "transactions", "count", "external-vaults", "hashicorp", "users", "roles"),
    *("login", "bob", "fault", "data-services", "templates", "connectors", "management"),
    *("nodes", *IDS, "console", "", ".", "..", "APIs", "apis;x=1", "a\\b", "é", "%00", "x" * 300),
)
STARTS = (
    *("/management",) * 6,
    *(f"/nodes/{each}/management" for each in IDS),
    *("/nodes/mi-3/management", "/nodes/mi-1", "/nodes", "", "//management", "/Management"),
    *("/nodes/mi-1/management/../../mi.2/management", "/nodes/mi-1/nodes/mi.2/management"),
    *("/management/management", "http://localhost/management", "http://mi-1/nodes/mi-1/management"),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ODD_METHODS = ("OPTIONS", "TRACE", "get", "Post", "PROPFIND", "LOGIN", "X")
RARE = (
    *(("PATCH", "logging"), ("PATCH", "server"), ("PUT", "configs")),
    *(("PUT", "registry-resources/content"), ("POST", "external-vaults/hashicorp")),
)
"""Rows that few of the other requests would meet."""
OVERRIDES = (
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Forwarded-Prefix",
    "X-Script-Name",
    "mi-ldap.node",
)
QUERIES = (
    "apiName=a",
    "file=a.log",
    "file=..%2fa",
    "path=registry/a",
    "path=%2e%2e/a",
    "name=a&name=b",
    "_method=DELETE",
    "loggerName=a&x=%00",
    "configName=correlation",
    "apiName=%ff",
    "a;b&&=&=c",
)
BODIES = (b"", b"{}", b'{"name": "a", "status": "active"}', b"[]", b"_method=DELETE", b"\xff")


@pytest.fixture
def gateway(memory: MemoryStore, tmp_path: Path, opened: ExitStack) -> Gateway:
    return gateway_over(memory, tmp_path, opened)


def test_nothing_outside_of_the_table_reaches_a_node(gateway: Gateway) -> None:
    chance = random.Random(20_261_201)
    ranks = [(gateway.user.stranger(), 0), (gateway.user, USER)]
    ranks += [(gateway.operator, OPERATOR), (gateway.admin, ADMIN)]
    found: Counter[str] = Counter()
    for _ in range(REQUESTS):
        somebody, rank = chance.choice(ranks)
        target, method = target_of(chance), method_of(chance)
        if chance.random() < 0.2:
            method, path = chance.choice(RARE)
            target = f"{chance.choice(STARTS)}/{path}"
        body = chance.choice(BODIES)
        head = b"\r\n".join(head_of(chance, method, target, somebody.token, len(body)))
        before = len(gateway.sent)
        status = answer_to(gateway, head, body, chance.choice(("9164", PORT)))
        forwards = gateway.sent[before:]
        assert status < 500, (head, status)
        assert len(forwards) <= 1
        for forward in forwards:
            audience = audience_of(forward)
            assert audience is not None, (head, forward)
            assert rank >= audience, (head, forward)
            # Werkzeug takes `get` for `GET`; the access is checked for what it takes it for.
            assert forward.method == method.upper().replace("HEAD", "GET"), (head, forward)
            assert_plain(forward)
            sent = target.partition("?")[0].lower().removeprefix("http:/")
            assert "%2f" not in sent, head
            assert "//" not in sent, head
            found[forward.method] += 1
        found[str(status)] += 1
    # Otherwise the requests would not test much.
    assert min(found[each] for each in (*METHODS[2:], "GET", "401", "403", "404")) > 10, found


def audience_of(forward: Forward) -> int | None:
    """The rank that the row of a forwarded request demands; None if there is no such row."""
    path = forward.target.partition("?")[0]
    for method, pattern, rank in TABLE:
        if method == forward.method and re.fullmatch(pattern, path):
            return rank
    return None


def assert_plain(forward: Forward) -> None:
    """The target has no second meaning, and nothing of the client's credentials is sent."""
    path, _, query = forward.target.partition("?")
    decoded = path
    for _ in range(4):
        assert not {"..", ".", ""} & set(decoded.split("/")[1:]), forward
        assert "\\" not in decoded
        decoded = unquote(decoded)
    assert forward.target.isascii()
    assert forward.target.isprintable()
    assert " " not in forward.target
    keys = [pair.partition("=")[0] for pair in query.split("&") if pair]
    assert len(keys) == len(set(keys))
    assert set(keys) <= KEYS
    assert forward.node in IDS
    names = {name for name, _ in forward.fields}
    assert names <= {"accept", "content-type", "range", "x-request-id", "traceparent"}


def method_of(chance: random.Random) -> str:
    return chance.choice(METHODS if chance.random() < 0.9 else ODD_METHODS)


def target_of(chance: random.Random) -> str:
    """A path near those of the table, with some of its characters encoded."""
    start = chance.choice(STARTS)
    further = chance.choices(SEGMENTS, k=chance.choice((0, 0, 0, 1, 2)))
    names = [chance.choice(SEGMENTS[:14]), *further]
    path = "".join(encoded(chance, char) for char in f"{start}/{'/'.join(names)}")
    if chance.random() < 0.2:
        path += chance.choice(("/", "//", "/.", "/..", "%2f", "%3f", "%23", "%20", ";a=b", ".json"))
    queries = chance.choices(QUERIES, k=chance.choice((0, 0, 1, 2)))
    return f"{path}?{'&'.join(queries)}" if queries else path


def encoded(chance: random.Random, char: str) -> str:
    if not char.isascii() or char == "\\":
        return "".join(f"%{byte:02x}" for byte in char.encode())
    if chance.random() > 0.01:
        return char
    once = f"%{ord(char):02x}"
    return chance.choice((once, once.upper(), once.replace("%", "%25"), char.upper(), char * 2))


def head_of(
    chance: random.Random, method: str, target: str, token: str, length: int
) -> Iterator[bytes]:
    yield f"{method} {target} HTTP/1.1".encode("latin-1")
    yield b"Host: localhost"
    if token:
        yield f"Authorization: Bearer {token}".encode()
    if length:
        yield f"Content-Length: {length}".encode()
    if chance.random() < 0.3:
        override = chance.choice((*METHODS, "/management/configs", "/nodes/mi-1"))
        yield f"{chance.choice(OVERRIDES)}: {override}".encode()
    yield chance.choice((b"Accept: */*", b"Cookie: a=b", b"Range: bytes=0-1"))
    yield from (b"", b"")


def answer_to(gateway: Gateway, head: bytes, body: bytes, port: str) -> int:
    """The status of the answer, of the parser of requests or of the application."""
    try:
        parsed = parse(head, lambda method, path: streams_body(method, path, IDS))
    except RequestError as error:
        return error.status.value
    held = b"" if parsed.streams_body else body
    endpoints = (("127.0.0.1", 4711), ("127.0.0.1", port))
    environ = environ_of(parsed, held, endpoints, "https", 1)
    content, status, _ = run_wsgi_app(gateway.admin.client.application, environ, buffered=True)
    b"".join(content)
    return int(status[:3])
