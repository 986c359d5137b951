"""Who may call what, decided before anything else, on the decoded path that is routed.

In this order: 401, 403 by role (before existence), 404, and only then what a view finds wrong.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote_to_bytes

from flask import Flask, Response, g, request

from mi_ldap.errors import AdminsOnly, BadRequest, PasswordChangeFirst, TokenExpired
from mi_ldap.model import Performer
from mi_ldap.services.container import Services
from mi_ldap.web import tokens

BASE = "management"
_OPEN = frozenset({"", "login"})
_FOR_ADMINS = frozenset({"users", "roles"})
_FOR_EVERYONE_LOGGED_IN = frozenset({"users.set_password"})
_FOR_PASSWORD_CHANGE = frozenset({"users.set_password", "sessions.logout"})


def init_app(app: Flask, services: Services) -> None:
    """Let nobody past who may not call what the request is routed to."""
    authorization = services.settings.management_api.authorization_handler

    @app.before_request
    def guard() -> Response | None:
        if request.method == "OPTIONS":
            return Response(status=200)
        resource = _resource(request.path)
        if resource is not None and resource not in _OPEN:
            try:
                _authorize(resource)
            except TokenExpired:
                if request.endpoint != "sessions.logout":
                    raise
                # The session has ended already. WSO2's Go CLIs keep a login until they get a 200.
                return logged_out()
        _must_be_utf8()
        return None

    def _authorize(resource: str) -> None:
        performer = g.performer = tokens.performer(services)
        if performer.must_change_password and request.endpoint not in _FOR_PASSWORD_CHANGE:
            raise PasswordChangeFirst
        if _wants_admin(resource):
            g.performer = as_admin(services, performer)

    def _wants_admin(resource: str) -> bool:
        if resource not in _FOR_ADMINS or request.endpoint in _FOR_EVERYONE_LOGGED_IN:
            return False
        return request.method not in tokens.READING or authorization.reserves(f"/{resource}")


def logged_out() -> Response:
    """The answer to a logout: 200 without a body."""
    return Response(status=200, content_type="application/json")


def as_admin(services: Services, performer: Performer) -> Performer:
    """The performer with the admin role as it was read to let it in.

    Raises:
        AdminsOnly: it does not hold it.
    """
    admin_role = tokens.authority(services).admin_role()
    if not services.admins.holds(admin_role, performer.user):
        raise AdminsOnly
    return replace(performer, admin_role=admin_role)


def current_performer() -> Performer:
    """Who sends the request; set for every guarded resource."""
    performer: Performer = g.performer
    return performer


def is_api(path: str) -> bool:
    """Whether the path is one of the management API, whatever lies there."""
    return _resource(path) is not None


def _resource(path: str) -> str | None:
    """The first name below `/management`, `""` for itself, None outside of it."""
    names = [name for name in path.split("/") if name]
    if not names or names[0] != BASE:
        return None
    return names[1] if len(names) > 1 else ""


def _must_be_utf8() -> None:
    """Werkzeug replaces what is broken silently; a replaced name is another name."""
    path = request.environ.get("PATH_INFO", "").encode("latin-1", errors="replace")
    query = unquote_to_bytes(request.query_string)
    try:
        path.decode()
        query.decode()
    except UnicodeDecodeError:
        raise BadRequest("Error processing the request. The address is not UTF-8.") from None
