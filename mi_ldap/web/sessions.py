"""`/management/login` and `/management/logout`."""

from __future__ import annotations

import base64
import binascii

from flask import Blueprint, Response, g, jsonify, request

from mi_ldap.errors import LoginRefused
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.services.container import Services
from mi_ldap.web import tokens
from mi_ldap.web.context import is_local
from mi_ldap.web.guards import current_performer, logged_out


def blueprint(services: Services) -> Blueprint:
    """The resource's views over the services."""
    sessions = Blueprint("sessions", __name__, url_prefix="/management")

    @sessions.get("/login")
    def login() -> Response:
        logged_in = services.login.login(_applicant())
        answer = {"AccessToken": tokens.encode(services, logged_in)}
        if logged_in.warning:
            answer["Warning"] = logged_in.warning
        return jsonify(answer)

    @sessions.get("/logout")
    def logout() -> Response:
        tokens.log_out(services, current_performer())
        return logged_out()

    return sessions


def _applicant() -> LoginRequest:
    """The Basic credentials (RFC 7617): the first `:` splits; UTF-8, else ISO-8859-1.

    Raises:
        LoginRefused: there are none that can be read.
    """
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise LoginRefused("Log in with a user name and a password (Basic authentication).")
    try:
        credentials = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise LoginRefused from None
    name, _, password = _text(credentials).partition(":")
    return LoginRequest(name, password, client=g.client, is_local=is_local())


def _text(credentials: bytes) -> str:
    try:
        return credentials.decode()
    except UnicodeDecodeError:
        return credentials.decode("latin-1")
