"""Who may see which page, decided before any view; and that a form was sent from a page of ours."""

from __future__ import annotations

import hmac
from urllib.parse import unquote_to_bytes

from flask import Blueprint, g, request

from mi_ldap.errors import AdminRoleUnclear, AdminsOnly, BadRequest, Forbidden, PasswordChangeFirst
from mi_ldap.model import Performer
from mi_ldap.services.container import Services
from mi_ldap.web import tokens
from mi_ldap.web.guards import as_admin

_OPEN = frozenset({"console.login", "console.log_in", "console.asset", "console.missing"})
_OWN = frozenset({"console.home", "console.account", "console.set_own_password", "console.log_out"})

MAX_FIELDS = 32
MAX_ESCAPES = 20_000
"""`%` in a form: three passwords have 10,000. A megabyte of either takes a second to read."""

NO_SESSION = (
    "The form belongs to an older session, or was not sent from the console. Send it again."
)


class OlderSession(Forbidden):
    """A form without the anti-forgery value of the current session."""

    def __init__(self) -> None:
        super().__init__(NO_SESSION)


def init(console: Blueprint, services: Services) -> None:
    """Let nobody past who may not see what the request is routed to."""

    @console.before_request
    def guard() -> None:
        if request.method == "POST":
            _must_be_sent_from_here()
            _must_be_utf8()
        if request.endpoint in _OPEN:
            return
        performer = tokens.performer(services, tokens.CONSOLE)
        g.performer = performer
        if request.method == "POST":
            _must_carry_the_sessions_value()
        if performer.must_change_password and request.endpoint not in _OWN:
            raise PasswordChangeFirst
        _welcome_admin(performer)

    def _welcome_admin(performer: Performer) -> None:
        """Everybody has an account; all other pages are for admins."""
        try:
            g.performer = as_admin(services, performer)
        except (AdminsOnly, AdminRoleUnclear):
            if request.endpoint not in _OWN:
                raise


def _must_be_sent_from_here() -> None:
    """A page of another origin can't send forms, not even the login's.

    Browsers say where a request comes from; what says nothing at all is no browser.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    else:
        # A proxy may do the TLS that the service leaves to it.
        own = (f"{request.scheme}://{request.host}", f"https://{request.host}")
        is_ours = origin is None or origin in own
    if not is_ours:
        raise Forbidden(NO_SESSION)


def _must_be_utf8() -> None:
    """Werkzeug replaces what is broken silently; a replaced password is another one."""
    if request.mimetype == "multipart/form-data":
        raise BadRequest("The form is not one of the console's.")
    sent = request.get_data()
    if sent.count(b"&") >= MAX_FIELDS or sent.count(b"%") > MAX_ESCAPES:
        raise BadRequest("The form is not one of the console's.")
    try:
        unquote_to_bytes(sent).decode()
    except UnicodeDecodeError:
        raise BadRequest("The form is not UTF-8.") from None


def _must_carry_the_sessions_value() -> None:
    """What no other page can read: the claim `csrf` of the token in the cookie."""
    sent, wanted = request.form.get("csrf", ""), tokens.claim("csrf")
    if not wanted or not hmac.compare_digest(sent.encode(), wanted.encode()):
        raise OlderSession
