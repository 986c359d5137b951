"""The WSGI environment of a request (PEP 3333)."""

from __future__ import annotations

import io
import sys
from typing import Any

from mi_ldap.micro_integrators.forward import BODY_FOLLOWS
from mi_ldap.serving.request_head import RequestHead, decoded_path

Address = tuple[Any, ...]
"""A socket's address, `("127.0.0.1", 9164)`; for IPv6 with two more items."""

_WITHOUT_PREFIX = frozenset({"content-type", "content-length"})
"""Header fields whose WSGI keys do not begin with `HTTP_`."""


def environ_of(
    head: RequestHead, body: bytes, endpoints: tuple[Address, Address], scheme: str, workers: int
) -> dict[str, Any]:
    """Build the environment of one request.

    Args:
        head: the request line and header fields.
        body: the decoded body; empty if it is streamed.
        endpoints: the addresses of the client and of the server.
        scheme: `"http"` or `"https"`.
        workers: the number of worker processes.
    """
    client, server = endpoints
    environ: dict[str, Any] = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": decoded_path(head.path),
        "QUERY_STRING": head.query,
        # Not in PEP 3333, but of gunicorn and Werkzeug: only there an encoded slash is one.
        "RAW_URI": f"{head.path}?{head.query}" if head.query else head.path,
        "SERVER_PROTOCOL": head.version,
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": str(client[0]),
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(body),
        # Not in PEP 3333. Werkzeug needs it for chunked bodies, which have no CONTENT_LENGTH.
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": workers > 1,
        "wsgi.run_once": False,
    }
    if head.streams_body:
        environ[BODY_FOLLOWS] = True
    for name, value in head.fields:
        key = name.upper().replace("-", "_")
        key = key if name in _WITHOUT_PREFIX else f"HTTP_{key}"
        # RFC 9110 §5.3: fields of one name are a list.
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
