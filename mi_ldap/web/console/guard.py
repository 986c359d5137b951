"""Access checks of the console, and protection of its forms against cross-site requests."""

from __future__ import annotations

import hmac
from urllib.parse import unquote_to_bytes

from flask import current_app, g, request

from mi_ldap.errors import AdminRoleUnclear, AdminsOnly, BadRequest, Forbidden, PasswordChangeFirst
from mi_ldap.model import Performer
from mi_ldap.store import Read
from mi_ldap.web import tokens
from mi_ldap.web.access import Access, declared_access
from mi_ldap.web.console import messages
from mi_ldap.web.console.address import requested_name
from mi_ldap.web.console.forms import OlderSession
from mi_ldap.web.context import services
from mi_ldap.web.guards import as_admin, configured, ensure_operator

# Parsing 1 MB of fields or escapes takes a second. Three passwords have 10,000 escapes (`%`).
MAX_FIELDS = 32
MAX_ESCAPES = 20_000

_WITHOUT_ADMIN_ROLE = (Access.SELF, Access.LOGGED_IN, Access.OPERATOR)
_NOT_OURS = "The form is not one of the console's."


def check_request() -> None:
    """Refuse a request to the console that may not be made; called before any view.

    Raises:
        Forbidden: a page of another origin sent the form.
        OlderSession: the form has not the anti-forgery value of the session.
        BadRequest: the form is not UTF-8, or not one of the console's.
        NotAuthenticated: a login is needed, and the cookie has no valid token.
        PasswordChangeFirst: the user must change the password first.
        AdminsOnly: the user is not an admin.
        OperatorsOnly: the user is neither an operator nor an admin.
    """
    if request.method == "POST":
        _ensure_same_origin()
        _ensure_utf8()
    declared = declared_access(current_app.view_functions[request.endpoint or ""])
    if declared is Access.ANYBODY:
        return
    access: Access = declared
    further: list[Read] = []
    if declared in (Access.READER, Access.OPERATOR):
        access = configured(declared, _path_of_api())
        further = services().operators.reads()
    # The admin role is always read: every page shows the menu that the user may use.
    performer = g.performer = tokens.authenticate(tokens.CONSOLE, for_admins=True, further=further)
    if request.method == "POST":
        _ensure_csrf_value()
    if performer.must_change_password and access is not Access.SELF:
        raise PasswordChangeFirst
    _set_admin_role(performer, is_needed=access not in _WITHOUT_ADMIN_ROLE)
    if access is Access.OPERATOR:
        ensure_operator(performer)


def _path_of_api() -> str:
    """Return the path below `/management` that the page of an artifact stands for."""
    kind = (request.view_args or {}).get("kind", "server")
    # Only an application has a path of its own, which the settings may reserve for admins.
    name = requested_name() if kind == "applications" else ""
    return f"/{kind}/{name}" if name else f"/{kind}"


def _set_admin_role(performer: Performer, *, is_needed: bool) -> None:
    """Set the performer's admin role; raise an error if it is needed and missing."""
    try:
        g.performer = as_admin(performer)
    except (AdminsOnly, AdminRoleUnclear):
        # The own account stays reachable while the admin role cannot be read.
        if is_needed:
            raise


def _ensure_same_origin() -> None:
    """Raise `Forbidden` if a page of another origin sent the form, even that of the login."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    else:
        # A proxy may do the TLS, so `https` is accepted where the service itself uses HTTP.
        own = (f"{request.scheme}://{request.host}", f"https://{request.host}")
        # Browsers send one of the two with every POST; a program that sends neither has no
        # other person's cookie.
        is_ours = origin is None or origin in own
    if not is_ours:
        raise Forbidden(messages.NO_SESSION)


def _ensure_utf8() -> None:
    """Raise `BadRequest` for a form that is not UTF-8, or too expensive to parse."""
    if request.mimetype == "multipart/form-data":
        raise BadRequest(_NOT_OURS)
    body = request.get_data()
    if body.count(b"&") >= MAX_FIELDS or body.count(b"%") > MAX_ESCAPES:
        raise BadRequest(_NOT_OURS)
    try:
        # Werkzeug replaces broken bytes silently, and a replaced password is another password.
        unquote_to_bytes(body).decode()
    except UnicodeDecodeError:
        raise BadRequest("The form is not UTF-8.") from None


def _ensure_csrf_value() -> None:
    """Raise `OlderSession` without the claim `csrf` of the token, which no other site can read."""
    sent, expected = request.form.get("csrf", ""), tokens.claim("csrf")
    if not expected or not hmac.compare_digest(sent.encode(), expected.encode()):
        raise OlderSession
