"""The least that a request costs here: Flask, the check of the token, and nothing else.

The same gunicorn, TLS, workers, threads, signing keys and revocations as the service's, on its
state folder: `/bare` checks the token and answers like `GET /users/{id}`; `/bare-login` reads the
Basic credentials and binds once, or reads the user's digest from a database, on a connection that
each thread keeps. Run by the benchmark:
`python -m benchmarks.bare`, with the settings of the service but for the port.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable

from flask import Flask, Response, jsonify, request
from flask_jwt_extended import verify_jwt_in_request

from benchmarks import databases
from benchmarks.target import Target
from mi_ldap.services.container import Services
from mi_ldap.serving.embedded_slapd import embedded_directory
from mi_ldap.serving.http_server import HttpServer, listen
from mi_ldap.serving.logs import configure_logging
from mi_ldap.serving.service import certificate_of
from mi_ldap.settings import load_settings
from mi_ldap.web import tokens
from mi_ldap.wiring import services


def application(found: Services, target: Target) -> Flask:
    """The two views over the directory, and `/ready`."""
    app = Flask("bare", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    tokens.init_app(app, found)
    local = threading.local()

    @app.get("/ready")
    def ready() -> Response:
        return jsonify(status="ready")

    @app.get("/bare")
    def bare() -> Response:
        verify_jwt_in_request()
        roles = ["Internal/everyone", "everybody", "role0001", "role0501"]
        return jsonify({"userId": "user0000001", "isAdmin": False, "roles": roles})

    @app.get("/bare-login")
    def bare_login() -> tuple[Response, int]:
        encoded = request.headers["Authorization"].partition(" ")[2]
        name, _, password = base64.b64decode(encoded).decode().partition(":")
        if not hasattr(local, "check"):
            local.check = _password_check(target)
        proved = local.check(name, password)
        return jsonify(proved=proved), 200 if proved else 401

    return app


def _password_check(target: Target) -> Callable[[str, str], bool]:
    """Return what verifies a password on a connection of its own."""
    if target.is_database:
        return databases.password_check(target)
    connection = target.connected()
    return lambda name, password: bool(connection.rebind(target.user_dn(name), password))


def main() -> None:
    """Serve until SIGTERM."""
    settings = load_settings()
    configure_logging(settings.server.log_level)
    directory = embedded_directory(settings) if settings.is_embedded else None
    app = application(services(settings, directory), Target.from_environment())
    listener = listen(settings.server)
    HttpServer(settings.server, [listener], certificate_of(settings), app).run()


if __name__ == "__main__":
    main()
