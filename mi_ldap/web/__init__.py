"""The management API and the console over HTTP; the only importer of Flask."""

from __future__ import annotations

from flask import Flask

from mi_ldap.services.container import Services
from mi_ldap.web import (
    artifacts,
    console,
    context,
    cors,
    errors,
    guards,
    names,
    openapi,
    operations,
    roles,
    rules,
    server,
    sessions,
    users,
)
from mi_ldap.web import tokens as web_tokens

MAX_BODY_BYTES = 1024 * 1024


def create_app(services: Services) -> Flask:
    """The WSGI application over the services.

    Nothing is connected before the first request, so that workers may be forked from it.
    """
    app = Flask("mi_ldap", static_folder=None)
    # A form may be as large as any body, whatever the library thinks of its fields.
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False  # else `//` is answered with a redirect, in HTML
    app.url_map.strict_slashes = False
    app.extensions["mi_ldap"] = services
    names.init_app(app)
    web_tokens.init_app(app, services)
    context.init_app(app, services.settings.server)
    errors.init_app(app)
    guards.init_app(app, services)
    cors.init_app(app, services.settings.management_api.cors)
    for module in (operations, openapi, sessions, server, rules, users, roles, artifacts, console):
        app.register_blueprint(module.blueprint(services))
    return app
