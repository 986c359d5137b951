"""A megabyte of anything in any parameter of any route costs little, and gets a proper answer.

The parameters are found, not listed: addresses in the application's own table, queries and bodies
in the document of the API, queries and forms on the console's pages.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from html.parser import HTMLParser
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from mi_ldap.web.api import BLUEPRINTS
from mi_ldap.web.openapi.document import document
from tests.console.console_client import HERE, OURS, ConsoleClient, console_client
from tests.world import PASSWORD, make_world

UNITS = {
    "combining marks": "\u0301\u0316",  # of two classes: to normalize them is to sort them
    "letters": "a",
    "spaces": " ",
    "spaces between letters": "a ",
    "quotes": "\"'",
    "backslashes": "\\",
    "asterisks": "*",
    "asterisks between letters": "*a",
    "question marks": "?",
    "percent signs": "%",
    "nested brackets": "[",
    "nested braces": '{"a":',
    "parentheses": "(",
    "commas": ",",
    "semicolons": ";",
    "ampersands": "&",
    "equals signs": "a=",
    "slashes": "/",
    "dots": ".",
    "digits": "9",
    "newlines": "\n",
    "ligatures": "\ufdfa",  # 18 characters when normalized
    "not in UTF-8": "\udcff",
}
SECONDS = {1_000: 0.3, 8_000: 0.3, 60_000: 0.3, 1_000_000: 1.5}
"""Of the processor's time, by the length of a text; what is quadratic takes longer at 60,000."""

FIELDS = (
    *("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Cookie"),
    *("Content-Type", "Forwarded", "Host", "HX-Request", "If-Match", "If-Modified-Since"),
    *("If-None-Match", "If-Range", "Origin", "Range", "Referer", "Sec-Fetch-Site", "User-Agent"),
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "X-Request-Id"),
)


@dataclass(frozen=True)
class Form:
    """A form of the console, or a link with a query."""

    method: str
    path: str
    fields: tuple[str, ...]
    query: tuple[str, ...] = ()


@dataclass
class Forms(HTMLParser):
    """The forms and links of a page."""

    found: list[Form] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            parts = urlsplit(given.get("action", ""))
            method = given.get("method", "get").upper()
            query = tuple(key for key, _ in parse_qsl(parts.query))
            self.found.append(Form(method, parts.path, (), query))
        elif tag == "a" and "?" in given.get("href", ""):
            parts = urlsplit(given["href"])
            query = tuple(key for key, _ in parse_qsl(parts.query, keep_blank_values=True))
            self.found.insert(0, Form("GET", parts.path, (), query))  # a form may hold it
        elif tag in {"input", "select", "button"} and self.found and given.get("name"):
            last = self.found[-1]
            self.found[-1] = replace(last, fields=(*last.fields, given["name"]))


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleClient]:
    """The first admin on the console, whom no number of failures locks out."""
    failures = "MANAGEMENT_API__THROTTLE__FAILURES_PER_"
    settings = [(f"{failures}NAME", "1000000"), (f"{failures}ADDRESS", "1000000")]
    with ExitStack() as closing:
        world = make_world(tmp_path_factory.mktemp("state"), settings)
        closing.callback(world.services.state.close)
        closing.callback(world.services.audit.close)
        world.add_first_admin()
        world.add("bob", "dev")
        for number in range(30):  # more than one page
            world.add(f"user{number}")
        admin = console_client(world)
        admin.log_in("admin")
        yield admin


@dataclass(frozen=True)
class Caller:
    """Sends one request with a text in one place."""

    admin: ConsoleClient
    token: str
    csrf: str
    forms: list[Form]

    def send(
        self,
        method: str,
        path: str,
        query: str = "",
        data: bytes = b"",
        headers: dict[str, str] | None = None,
        path_info: str | None = None,
    ) -> Answer:
        """What the application makes of it, without the test client, which takes longer."""
        is_form = path.startswith("/console")
        cookie = self.admin.cookie()
        own = {
            **OURS,
            "Authorization": f"Bearer {self.token}",
            "Content-Type": FORM if is_form else "application/json",
            "Cookie": f"{cookie.key}={cookie.value}",
            **(headers or {}),
        }
        named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in own.items()}
        as_sent = (path if path_info is None else path_info).encode(errors="surrogateescape")
        environ = create_environ(base_url=HERE, method=method) | named
        environ |= {
            "PATH_INFO": as_sent.decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": environ.pop("HTTP_CONTENT_TYPE"),
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": BytesIO(data),
        }
        began = time.process_time()
        parts, status, _ = run_wsgi_app(self.admin.client.application, environ, buffered=True)
        body = b"".join(parts)
        return Answer(int(status.partition(" ")[0]), body, time.process_time() - began)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    seconds: float


FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def caller(admin: ConsoleClient) -> Caller:
    login = admin.client.get("/management/login", base_url=HERE, auth=("admin", PASSWORD))
    assert login.json
    return Caller(admin, login.json["AccessToken"], admin.csrf(), console_forms(admin))


@dataclass(frozen=True)
class Place:
    """A place for a text in a request."""

    name: str
    send: Callable[[str], Answer]
    most: int = 1_000_000


@lru_cache(4)
def escaped(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")


@lru_cache(4)
def raw(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def in_paths(caller: Caller) -> Iterator[Place]:
    """After the beginning of each address that takes an argument."""

    def send(method: str, prefix: str, text: str) -> Answer:
        return caller.send(method, prefix, path_info=prefix + text)

    for rule in caller.admin.client.application.url_map.iter_rules():
        prefix = rule.rule.partition("<")[0]
        for method in (rule.methods or {"GET"}) - {"HEAD", "OPTIONS"} if rule.arguments else ():
            yield Place(f"{method} {rule.rule}", partial(send, method, prefix))


def in_queries(caller: Caller) -> Iterator[Place]:
    """In each key of a query that the document of the API or a page of the console has."""

    def send(method: str, path: str, key: str, text: str) -> Answer:
        return caller.send(method, path, f"{key}={escaped(text)}")

    found = {
        (method, path, parameter["name"])
        for method, path, operation in operations()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    for form in caller.forms:
        keys = form.query + (form.fields if form.method == "GET" else ())
        found |= {(form.method, form.path, key) for key in keys}
    found |= {("GET", f"/management/{each}", "unknown") for each in ("users", "roles", "login")}
    for method, path, key in found:
        yield Place(f"{method} {path}?{key}", partial(send, method, path, key), 60_000)


def in_bodies(caller: Caller) -> Iterator[Place]:
    """In each key of each body that the document of the API has, and in place of a body."""

    def send(method: str, path: str, good: dict[str, Any], key: str, text: str) -> Answer:
        value = [text] if isinstance(good[key], list) else text
        body = json.dumps({**good, key: value}, ensure_ascii=False)
        return caller.send(method, path, data=raw(body))

    def send_raw(method: str, path: str, before: bytes, text: str) -> Answer:
        return caller.send(method, path, data=(before + raw(text))[:1_048_576])

    for method, path, operation in operations():
        good = body_keys(operation)
        for key in good:
            yield Place(f"{method} {path} {key}", partial(send, method, path, good, key), 340_000)
        for before in (b"", b'{"userId":', b'{"addedRoles":["a",') if good else ():
            yield Place(f"{method} {path} {before!r}", partial(send_raw, method, path, before))


def in_forms(caller: Caller) -> Iterator[Place]:
    """In each field of each form of the console, and in place of a form."""

    def send(form: Form, key: str, text: str) -> Answer:
        given = {name: "x" for name in form.fields if name != key} | {"csrf": caller.csrf}
        data = f"{urlencode(given)}&{key}={escaped(text)}".encode()
        return caller.send("POST", form.path, urlencode(dict.fromkeys(form.query, "bob")), data)

    def send_raw(form: Form, text: str) -> Answer:
        return caller.send("POST", form.path, data=raw(text)[:1_048_576])

    for form in caller.forms:
        if form.method == "POST" and form.path != "/console/logout":
            for key in form.fields:
                yield Place(f"{form.path} {key}", partial(send, form, key), 60_000)
            yield Place(form.path, partial(send_raw, form))


def in_header_fields(caller: Caller) -> Iterator[Place]:
    """In each header field that somebody may look at, alone and after what belongs into it."""

    def send(path: str, name: str, before: str, text: str) -> Answer:
        as_sent = raw(text).decode("latin-1").replace("\n", "\t")
        return caller.send("GET", path, headers={name: f"{before}{as_sent}x"})

    for path in ("/management/users", "/management/login", "/console/login", "/docs"):
        for name in FIELDS:
            for before in BEGINNINGS.get(name, ("",)):
                yield Place(f"{path} {name}", partial(send, path, name, before), 8_000)
            yield Place(f"{path} {name}", partial(send, path, name, ""), 60_000)


class _Texts(dict[int, str]):
    """Texts by their lengths, each made once: to escape one takes longer than to refuse it."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def __missing__(self, size: int) -> str:
        self[size] = (self._unit * size)[:size]
        return self[size]


BEGINNINGS = {
    "Accept": ("text/html;q=", "text/html;a="),
    "Accept-Encoding": ("", "gzip;q="),
    "Authorization": ("", "Basic ", "Bearer ", "Bearer eyJ"),
    "Content-Type": ("", "multipart/form-data;boundary=", 'a/b;c="'),
    "Cookie": ("", "a=", 'a="'),
    "If-None-Match": ("", 'W/"', '"'),
    "Range": ("", "bytes="),
}
KINDS = (in_paths, in_queries, in_bodies, in_forms, in_header_fields)


@pytest.mark.usefixtures("settled_heap", "untraced")
@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("places_in", KINDS, ids=lambda each: each.__name__)
def test_a_large_input_is_answered_quickly(
    caller: Caller, places_in: Callable[[Caller], Iterator[Place]], unit: str
) -> None:
    texts = _Texts(unit)
    for place in places_in(caller):
        for size in sorted({min(size, place.most) for size in SECONDS if size != 8_000}):
            answer = place.send(texts[size])
            assert answer.seconds < SECONDS.get(size, 1.0), (place.name, size, answer.seconds)
            assert answer.status < 500, (place.name, size, answer.body[:300])
            assert len(answer.body) < 100_000, (place.name, size)


def test_the_inputs_reach_their_views(caller: Caller) -> None:
    found = {kind: [place.name for place in kind(caller)] for kind in KINDS}
    assert "DELETE /management/users/<name:name>" in found[in_paths]
    keys = {name.partition("?")[2] for name in found[in_queries]}
    assert keys >= {"pattern", "searchKey", "regex", "role", "limit", "domain", "q", "name", "page"}
    keys = {name.rpartition(" ")[2] for name in found[in_bodies]}
    assert keys >= {"userId", "password", "isAdmin", "addedRoles", "newPassword", "domain"}
    keys = {name.rpartition(" ")[2] for name in found[in_forms]}
    assert keys >= {"name", "password", "new", "confirmed", "old", "csrf", "next", "role", "user"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, address for bob and operation, with the parameters that its address has."""
    for path, item in document(BLUEPRINTS)["paths"].items():
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}:
            shared = item.get("parameters", [])
            own = item[method].get("parameters", [])
            name = "nobody" if method == "delete" else "bob"  # who has to stay
            address = re.sub(r"\{[^}]*\}", name, path)
            yield method.upper(), address, {**item[method], "parameters": own + shared}


def body_keys(operation: dict[str, Any]) -> dict[str, Any]:
    """Each key of the body with its example."""
    content = operation.get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    if not reference:
        return {}
    schema = document(BLUEPRINTS)["components"]["schemas"][reference.rpartition("/")[2]]
    return {name: key["examples"][0] for name, key in schema["properties"].items()}


def console_forms(admin: ConsoleClient) -> list[Form]:
    """Those of all pages that an admin sees, and of the login."""
    rules = admin.client.application.url_map.iter_rules()
    pages = [rule.rule for rule in rules if rule.rule.startswith("/console") and not rule.arguments]
    found = Forms()
    for page in pages:
        for query in ("", "?name=bob", "?name=dev"):
            found.feed(admin.client.get(page + query, base_url=HERE).text)
    found.feed(console_client(admin.world).get("/login?next=/console/users").text)
    return sorted({each for each in found.found if each.path.startswith("/console")}, key=repr)
