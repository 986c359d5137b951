"""In and out: `/console`, `/console/login`, `/console/logout`."""

from __future__ import annotations

import re
import secrets

from flask import Blueprint, Response, g, redirect, request

from mi_ldap.bootstrap import Applicant
from mi_ldap.errors import LoginRefused, MiLdapError, TooManyFailures, Unavailable
from mi_ldap.login import LoggedIn
from mi_ldap.web import tokens
from mi_ldap.web.console import words
from mi_ldap.web.console.answers import is_open_to, moved, page, status_and_retry
from mi_ldap.web.context import is_local
from mi_ldap.web.guards import current_performer
from mi_ldap.wiring import Services

_HOME = "/console"
_DOTS = re.compile(r"(\.|%2e){2}", re.IGNORECASE)


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""
    needs_proxy = not services.settings.server.tls

    def login_page(name: str = "", error: str = "") -> Response:
        hint = needs_proxy and request.headers.get("X-Forwarded-Proto") != "https"
        wanted = internal(request.values.get("next", ""))
        return page("login.html", name=name, error=error, next=wanted, plain_http=hint)

    @console.get("")
    def home() -> Response:
        return moved("users" if is_open_to(current_performer()) else "account")

    @console.get("/login")
    def login() -> Response:
        return login_page()

    @console.post("/login")
    def log_in() -> Response:
        name, password = request.form.get("name", ""), request.form.get("password", "")
        applicant = Applicant(name, password, client=g.client, is_local=is_local())
        try:
            logged_in = services.login.login(applicant)
        except (LoginRefused, TooManyFailures, Unavailable) as error:
            return _refused(login_page(name, words.sentence(str(error))), error)
        wanted = internal(request.form.get("next", "")) or _HOME
        answer: Response = redirect(wanted, 303)  # type: ignore[assignment]
        return tokens.put_into_cookie(answer, _console_token(services, logged_in))

    @console.post("/logout")
    def log_out() -> Response:
        tokens.log_out(services, current_performer())
        return tokens.drop_cookie(moved("login", "logged-out"))


def internal(address: str) -> str:
    """The address if it is one of the console's pages, else `""`."""
    path = address.partition("?")[0]
    is_ours = path == _HOME or path.startswith(f"{_HOME}/")
    # Browsers take a backslash for `/` and leave line ends out; dots would lead away from here.
    plain = address.isprintable() and "\\" not in address and not _DOTS.search(path)
    return address if is_ours and plain else ""


def _console_token(services: Services, logged_in: LoggedIn) -> str:
    """Good for the console alone; its forms repeat `csrf`, and its pages show `warning`."""
    own = {"use": tokens.CONSOLE, "csrf": secrets.token_urlsafe(24)}
    return tokens.encode(services, logged_in, **own, warning=logged_in.warning)


def _refused(response: Response, error: MiLdapError) -> Response:
    """403 where the API says 401: that would want a challenge, and browsers a box of their own."""
    status_and_retry(response, error)
    if isinstance(error, LoginRefused):
        response.status_code = 403
    return response
