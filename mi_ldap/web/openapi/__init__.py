"""`/openapi.json`, the OpenAPI document of the API, and `/docs`, which shows it with Swagger UI.

Neither needs a login: they hold no secrets, and never read the directory. The files of Swagger UI
are part of this package; static/swagger-ui/VENDORED.md names their versions.
"""

from __future__ import annotations

import functools
import mimetypes
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, jsonify, request

from mi_ldap.web.access import Access, allow

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

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "start.js": _STATIC,
    "swagger-ui.css": _STATIC / "swagger-ui",
    "swagger-ui-bundle.js": _STATIC / "swagger-ui",
}


bp = Blueprint("openapi", __name__)


def init_app(app: Flask, blueprints: tuple[Blueprint, ...]) -> None:
    """Add the views, whose document describes the blueprints."""
    app.extensions[bp.name] = blueprints
    app.register_blueprint(bp)


@bp.get("/openapi.json")
@allow(Access.ANYBODY)
def show_document() -> Response:
    """Return the OpenAPI document."""
    return jsonify(_document(current_app.extensions[bp.name]))


@bp.get("/docs")
@allow(Access.ANYBODY)
def show_page() -> Response:
    """Return the page of Swagger UI."""
    return _file(_STATIC / "index.html")


@bp.get(f"/docs/<any({','.join(map(repr, _FILES))}):name>")
@allow(Access.ANYBODY)
def show_file(name: str) -> Response:
    """Return a script or a style sheet of the page."""
    return _file(_FILES[name] / name)


@functools.cache
def _document(blueprints: tuple[Blueprint, ...]) -> dict[str, object]:
    # Not at import: apispec would slow down every start, and few starts are asked for it.
    from mi_ldap.web.openapi.document import document

    return document(blueprints)


def _file(file: Path) -> Response:
    """Return a static file that the browser must revalidate: an update may have replaced it."""
    response = Response(_content(file), mimetype=mimetypes.guess_type(file)[0])
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    # `no-cache` permits storing: the ETag makes the next visit a 304.
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


@functools.cache
def _content(file: Path) -> bytes:
    return file.read_bytes()
