"""The console's style sheets, script and icon."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from flask import Response, abort, send_from_directory, url_for

from mi_ldap.web.access import Access, allow
from mi_ldap.web.console.blueprint import bp

FOLDER = Path(__file__).parent / "static"
A_YEAR_S = 365 * 24 * 3600

# Named one by one: the folder also has files that browsers do not need, such as licences.
_SERVED = (
    "console.css",
    "follow.js",
    "icon.svg",
    "vendored/htmx/htmx.min.js",
    "vendored/pico/pico.min.css",
)


@bp.get("/static/<digest>/<path:name>")
@allow(Access.ANYBODY)
def send_asset(digest: str, name: str) -> Response:
    """Return a file of this package, which browsers may keep for a year."""
    if name not in _SERVED or digest != _digest(name):
        abort(404)
    response = send_from_directory(FOLDER, name, max_age=A_YEAR_S)
    # The URL contains the hash of the content, so a changed file has another URL.
    response.headers["Cache-Control"] = f"public, max-age={A_YEAR_S}, immutable"
    return response


@bp.app_context_processor
def _for_templates() -> dict[str, object]:
    return {"asset_url": asset_url}


def asset_url(name: str) -> str:
    """Return the URL of a file, with the hash of its content."""
    return url_for("console.send_asset", digest=_digest(name), name=name)


@functools.cache
def _digest(name: str) -> str:
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:16]
