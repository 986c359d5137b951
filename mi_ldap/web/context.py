"""The context of every request: services, performer, deadline, id, and the client's address."""

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
from mi_ldap.errors import Forbidden
from mi_ldap.model import AdminRole, Performer
from mi_ldap.services.container import Services
from mi_ldap.settings.sections import ServerSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Bytes of a path, a query and a header field; the limit of the HTTP server, too.
MAX_FIELD = 8190
# Bytes of a header field that may be ignored: Werkzeug parses some of them in quadratic time.
MAX_HINT = 1024
_HINTS = (
    *("ACCEPT", "ACCEPT_CHARSET", "ACCEPT_ENCODING", "ACCEPT_LANGUAGE", "CACHE_CONTROL"),
    *("IF_MATCH", "IF_MODIFIED_SINCE", "IF_NONE_MATCH", "IF_RANGE", "RANGE"),
)
_LIMITED = ("HTTP_", "CONTENT_TYPE", "PATH_INFO", "QUERY_STRING")

_FORWARDING = ("X_FORWARDED_FOR", "FORWARDED", "X_REAL_IP", "VIA")

UNKNOWN = "unknown"
"""The client's address if a trusted proxy sent something else than an address."""


def services() -> Services:
    """Return the services of the current application."""
    found: Services = current_app.extensions["mi_ldap"]
    return found


def current_performer() -> Performer:
    """Return who sends the request.

    Raises:
        Forbidden: there is none. ICP without an account calls views that only read.
    """
    performer: Performer | None = g.get("performer")
    if performer is None:
        raise Forbidden("This needs a user: the request was made without one.")
    return performer


def user_of_request() -> str:
    """Return the id of the user who sends the request; `""` for ICP without an account."""
    performer: Performer | None = g.get("performer")
    return performer.user.id if performer else ""


def admin_role_of_request() -> AdminRole | None:
    """Return the admin role, if it was read to authorize the request."""
    performer: Performer | None = g.get("performer")
    return performer.admin_role if performer else None


def init_app(app: Flask, server: ServerSettings) -> None:
    """Set the context of each request, and return its id in a header."""
    proxies = [parse_network(each) for each in server.trusted_proxies]
    # As WSGI middleware: Flask routes a request before its first hook runs.
    limited = _LimitLengths(app.wsgi_app)
    app.wsgi_app = _SetDeadline(limited, server.request_deadline_s)  # type: ignore[method-assign]

    @app.before_request
    def set_context() -> None:
        g.client = _client(request.environ, proxies)
        g.is_local = _is_local(request.environ, proxies)
        sent = request.headers.get("X-Request-Id", "")
        # A client cannot choose the whole id, or its requests could pass for others in the audit.
        own = secrets.token_hex(16)
        g.request_id = f"{sent}.{own[:12]}" if _REQUEST_ID.fullmatch(sent) else own
        # A thread serves many requests: values of the previous one must not reach the log of this.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(requestId=g.request_id, client=g.client)

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        # The static files of the console set their own.
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class _LimitLengths:
    """WSGI middleware that refuses too long paths, queries and header fields."""

    # Werkzeug finds entity tags, ranges and cookies with regular expressions in quadratic time.
    # The limits are not left to the HTTP server, which may be another one.

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        for hint in _HINTS:
            if len(environ.get(f"HTTP_{hint}", "")) > MAX_HINT:
                # Not an error: a request without the hint is answered as well.
                del environ[f"HTTP_{hint}"]
        for key, value in environ.items():
            if key.startswith(_LIMITED) and len(value) > MAX_FIELD:
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


class _SetDeadline:
    """WSGI middleware that gives each request its deadline, from routing to the response."""

    def __init__(self, application: WSGIApplication, seconds: float) -> None:
        self._application = application
        self._seconds = seconds

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with deadline(self._seconds):
            return self._application(environ, start_response)


def _client(environ: dict[str, Any], proxies: list[Network]) -> str:
    """Return the nearest address that is not that of a trusted proxy."""
    # Each proxy appends the address of its peer, so the list is read from its end.
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    client = str(environ.get("REMOTE_ADDR") or "")
    while hops and _is_in(client, proxies):
        hop = parse_address(hops.pop())
        client = str(hop) if hop else UNKNOWN
    return client


def is_local() -> bool:
    """Whether the request comes from this machine: from a loopback address, through no proxy."""
    return bool(g.is_local)


def _is_local(environ: dict[str, Any], proxies: list[Network]) -> bool:
    """Whether the peer is a loopback address and not a proxy."""
    # A TCP proxy on this machine adds no header: it must be named in `server.trusted_proxies`.
    peer = parse_address(str(environ.get("REMOTE_ADDR") or ""))
    # Any of these headers shows that a proxy passed the request on, whoever sent it first.
    forwarded = any(f"HTTP_{name}" in environ for name in _FORWARDING)
    if peer is None or forwarded or _is_in(str(peer), proxies):
        return False
    return peer.is_loopback


def _is_in(text: str, networks: list[Network]) -> bool:
    address = parse_address(text)
    return address is not None and any(address in network for network in networks)
