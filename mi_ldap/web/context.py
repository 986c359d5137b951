"""What every request carries with it: a deadline, an id, and the address it came from."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, Response, current_app, g, request

from mi_ldap.addresses import Network, parse_address, parse_network
from mi_ldap.deadline import deadline
from mi_ldap.services.container import Services
from mi_ldap.settings import ServerSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

LONGEST = 8190
"""Bytes of an address, a query and a header field, which is the HTTP server's own limit."""
LONGEST_HINT = 1024
"""Bytes of a field without which a request is answered as well; a longer one is left out."""
_HINTS = (
    *("ACCEPT", "ACCEPT_CHARSET", "ACCEPT_ENCODING", "ACCEPT_LANGUAGE", "CACHE_CONTROL"),
    *("IF_MATCH", "IF_MODIFIED_SINCE", "IF_NONE_MATCH", "IF_RANGE", "RANGE"),
)
_SENT = ("HTTP_", "CONTENT_TYPE", "PATH_INFO", "QUERY_STRING")

_FORWARDING = ("X_FORWARDED_FOR", "FORWARDED", "X_REAL_IP", "VIA")

UNKNOWN = "unknown"
"""The client, where a proxy has sent something that is no address."""


def services() -> Services:
    """Return the services of the current application."""
    found: Services = current_app.extensions["mi_ldap"]
    return found


def init_app(app: Flask, server: ServerSettings) -> None:
    """Begin each request with its context, and give its id back."""
    proxies = [parse_network(each) for each in server.trusted_proxies]
    bounded = _Bounded(app.wsgi_app)
    app.wsgi_app = _InTime(bounded, server.request_deadline_s)  # type: ignore[method-assign]

    @app.before_request
    def begin() -> None:
        g.client = _client(request.environ, proxies)
        g.is_local = _is_local(request.environ, proxies)
        sent = request.headers.get("X-Request-Id", "")
        own = secrets.token_hex(16)  # one of ours is in it always: an audit line must not be forged
        g.request_id = f"{sent}.{own[:12]}" if _REQUEST_ID.fullmatch(sent) else own
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(requestId=g.request_id, client=g.client)

    @app.after_request
    def give_back(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class _Bounded:
    """Refuses what is too long before anything looks at it, whichever server stands in front.

    Libraries look for entity tags, ranges and cookies with regular expressions that are quadratic.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        for hint in _HINTS:
            if len(environ.get(f"HTTP_{hint}", "")) > LONGEST_HINT:
                del environ[f"HTTP_{hint}"]
        for key, value in environ.items():
            if key.startswith(_SENT) and len(value) > LONGEST:
                return _too_long(key)(environ, start_response)
        return self._application(environ, start_response)


def _too_long(key: str) -> Response:
    is_field = key.startswith(("HTTP_", "CONTENT_"))
    part, status = ("head", "431 Request Header Fields Too Large")
    if not is_field:
        part, status = ("address", "414 URI Too Long")
    body = json.dumps({"Error": f"The {part} of the request is too long."})
    response = Response(body, status, mimetype="application/json")
    response.headers["X-Request-Id"] = secrets.token_hex(16)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


class _InTime:
    """Gives each request its deadline, from before the routing to after the answer."""

    def __init__(self, application: WSGIApplication, seconds: float) -> None:
        self._application = application
        self._seconds = seconds

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with deadline(self._seconds):
            return self._application(environ, start_response)


def _client(environ: dict[str, Any], proxies: list[Network]) -> str:
    """The nearest address that is not a trusted proxy's (`X-Forwarded-For`, last added last)."""
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    client = str(environ.get("REMOTE_ADDR") or "")
    while hops and _is_in(client, proxies):
        hop = parse_address(hops.pop())
        client = str(hop) if hop else UNKNOWN
    return client


def is_local() -> bool:
    """Whether the request surely comes from this machine: straight from loopback, by no proxy."""
    return bool(g.is_local)


def _is_local(environ: dict[str, Any], proxies: list[Network]) -> bool:
    """Whether the peer is a loopback address and not a proxy.

    A TCP proxy adds no header, so it must be named in `server.trusted_proxies`.
    """
    peer = parse_address(str(environ.get("REMOTE_ADDR") or ""))
    forwarded = any(f"HTTP_{name}" in environ for name in _FORWARDING)
    if peer is None or forwarded or _is_in(str(peer), proxies):
        return False
    return peer.is_loopback


def _is_in(text: str, networks: list[Network]) -> bool:
    address = parse_address(text)
    return address is not None and any(address in network for network in networks)
