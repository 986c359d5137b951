"""The management API and the console over HTTP; the only importer of Flask."""

from __future__ import annotations

from flask import Flask

from mi_ldap.micro_integrators.node import Nodes
from mi_ldap.services.container import Services
from mi_ldap.web import api, console, context, cors, errors, guards, names, nodes, openapi, tokens

MAX_BODY_BYTES = 1024 * 1024


def create_app(services: Services, micro_integrators: Nodes | None = None) -> Flask:
    """Return the WSGI application over the services.

    Args:
        services: the services.
        micro_integrators: the nodes, if the server forwards requests to them.

    Nothing is connected before the first request, so that workers may be forked from it.
    """
    app = Flask("mi_ldap", static_folder=None)
    # Werkzeug limits the fields of a form to 500 kB by default; a form may be as large as any body.
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # Otherwise Werkzeug answers `//` with a redirect in HTML, past the error handlers.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.extensions["mi_ldap"] = services
    names.init_app(app)
    tokens.init_app(app, services)
    nodes.init_app(app, services.settings, micro_integrators)
    context.init_app(app, services.settings.server)
    errors.init_app(app)
    guards.init_app(app)
    cors.init_app(app, services.settings.management_api.cors)
    for blueprint in (*api.BLUEPRINTS, console.bp):
        app.register_blueprint(blueprint)
    openapi.init_app(app, api.BLUEPRINTS)
    return app
