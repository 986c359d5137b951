"""`/management/login` and `/management/logout`."""

from __future__ import annotations

import base64
import binascii

from flask import Blueprint, Response, g, jsonify, request

from mi_ldap.errors import (
    AuditUnavailable,
    DirectoryUnavailable,
    LoginRefused,
    StateUnavailable,
    TokenExpired,
    TooManyFailures,
)
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.web import tokens
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.operation import Success, operation
from mi_ldap.web.api.response_schemas import Token
from mi_ldap.web.context import current_performer, is_local, services

bp = Blueprint("sessions", __name__, url_prefix="/management")

_NO_CREDENTIALS = "Log in with a user name and a password (Basic authentication)."


@bp.get("/login")
@allow(Access.ANYBODY)
@operation(
    Success("A token.", Token()),
    takes_password=True,
    errors=(
        LoginRefused(),
        LoginRefused(_NO_CREDENTIALS),
        LoginRefused("The account is disabled. Ask an administrator."),
        TooManyFailures(42),
        DirectoryUnavailable(),
        StateUnavailable(),
        AuditUnavailable(),
    ),
)
def log_in() -> Response:
    """Log in.

    While there is no admin, the first successful login creates one. Too many failures from one
    address are answered with 429. A token of scope `change-password` is accepted only by
    `PATCH /management/users/{id}` for its own user, and by the logout.
    """
    logged_in = services().login.login(_login_request())
    body = {"AccessToken": tokens.encode(logged_in)}
    if logged_in.warning:
        body["Warning"] = logged_in.warning
    return jsonify(body)


@bp.get("/logout")
@allow(Access.SELF)
@operation(Success("Done. The body is empty."), errors=(AuditUnavailable(),))
def log_out() -> Response:
    """Log out.

    The token is revoked at once, in every worker. An authentic token that has expired is answered
    with 200, too.
    """
    tokens.revoke(current_performer())
    return _logged_out()


@bp.errorhandler(TokenExpired)
def accept_expired_token(_error: TokenExpired) -> Response:
    """Answer a logout with an expired token: its session has ended already."""
    # WSO2's Go CLIs keep a login, and its password, until a logout is answered with 200.
    return _logged_out()


def _logged_out() -> Response:
    """Return 200 without a body."""
    return Response(status=200, content_type="application/json")


def _login_request() -> LoginRequest:
    """Return the Basic credentials (RFC 7617) of the request.

    Raises:
        LoginRefused: there are none, or they are not Base64.
    """
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise LoginRefused(_NO_CREDENTIALS)
    try:
        credentials = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise LoginRefused from None
    # A password may contain `:`, a user name may not.
    name, _, password = _text(credentials).partition(":")
    return LoginRequest(name, password, client=g.client, is_local=is_local())


def _text(credentials: bytes) -> str:
    # RFC 7617 leaves the charset open: new clients send UTF-8, old ones ISO-8859-1.
    try:
        return credentials.decode()
    except UnicodeDecodeError:
        return credentials.decode("latin-1")
