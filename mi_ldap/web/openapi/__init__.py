"""`/openapi.json`, the document of the API, and `/docs`, Swagger UI on it.

Neither needs a login: they hold nothing secret, and never ask the directory. Everything that the
page loads is ours and lies here; static/swagger-ui/VENDORED.md says what came from where.
"""

from __future__ import annotations

import functools
import mimetypes
from pathlib import Path

from flask import Blueprint, Response, jsonify, request

from mi_ldap.services.container import Services

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # the icons in Swagger UI's style sheet
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_OWN = Path(__file__).parent / "static"
_FILES = {
    "start.js": _OWN,
    "swagger-ui.css": _OWN / "swagger-ui",
    "swagger-ui-bundle.js": _OWN / "swagger-ui",
}


def blueprint(_services: Services) -> Blueprint:
    """The resource's views."""
    openapi = Blueprint("openapi", __name__)

    @openapi.get("/openapi.json")
    def show_document() -> Response:
        return jsonify(_document())

    @openapi.get("/docs")
    def show_page() -> Response:
        return _file(_OWN / "index.html")

    @openapi.get(f"/docs/<any({','.join(map(repr, _FILES))}):name>")
    def show_file(name: str) -> Response:
        return _file(_FILES[name] / name)

    return openapi


@functools.cache
def _document() -> dict[str, object]:
    from mi_ldap.web.openapi.document import document  # when it is asked for: a start is quick

    return document()


def _file(file: Path) -> Response:
    """The file, asked for again at every visit: a newer version may have been installed."""
    response = Response(_content(file), mimetype=mimetypes.guess_type(file)[0])
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


@functools.cache
def _content(file: Path) -> bytes:
    return file.read_bytes()
