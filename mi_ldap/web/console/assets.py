"""Style and script: files of this package, kept by browsers for good under their hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Blueprint, Response, abort, send_from_directory, url_for

FOLDER = Path(__file__).parent / "static"
A_YEAR_S = 365 * 24 * 3600

_SERVED = ("console.css", "icon.svg", "vendored/htmx/htmx.min.js", "vendored/pico/pico.min.css")


def add_views(console: Blueprint) -> None:
    """The files, and `asset_url` for the templates."""
    digests = {name: _digest(FOLDER / name) for name in _SERVED}

    @console.get("/static/<digest>/<path:name>")
    def asset(digest: str, name: str) -> Response:
        if digests.get(name) != digest:
            abort(404)
        response = send_from_directory(FOLDER, name, max_age=A_YEAR_S)
        response.headers["Cache-Control"] = f"public, max-age={A_YEAR_S}, immutable"
        return response

    @console.app_context_processor
    def for_templates() -> dict[str, object]:
        def asset_url(name: str) -> str:
            return url_for("console.asset", digest=digests[name], name=name)

        return {"asset_url": asset_url}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
