"""CORS headers of the API: no origin is allowed unless the settings list it."""

from __future__ import annotations

from flask import Flask, Response, request

from mi_ldap.settings import CorsSettings
from mi_ldap.web.guards import is_api

METHODS = "GET, POST, PUT, DELETE, OPTIONS, PATCH"


def init_app(app: Flask, settings: CorsSettings) -> None:
    """Add the CORS headers to the responses of the API, if the settings list an origin."""
    if not settings.enable or not settings.allowed_origins:
        return

    @app.after_request
    def allow(response: Response) -> Response:
        if not is_api(request.path):  # never the console: its cookie would authorize other sites
            return response
        # A cache must not give the answer for one origin to another.
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        # Never with Access-Control-Allow-Credentials: the API accepts no cookies.
        if origin and ("*" in settings.allowed_origins or origin in settings.allowed_origins):
            any_origin = "*" in settings.allowed_origins
            response.headers["Access-Control-Allow-Origin"] = "*" if any_origin else origin
            response.headers["Access-Control-Allow-Methods"] = METHODS
            response.headers["Access-Control-Allow-Headers"] = ", ".join(settings.allowed_headers)
        return response
