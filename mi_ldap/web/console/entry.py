"""In and out: `/console`, `/console/login`, `/console/logout`."""

from __future__ import annotations

import re
import secrets

from flask import Blueprint, Response, g, redirect, request

from mi_ldap.errors import LoginRefused, MiLdapError, TooManyFailures, Unavailable
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.services.container import Services
from mi_ldap.services.login import LoggedIn
from mi_ldap.web import tokens
from mi_ldap.web.console import flash, words
from mi_ldap.web.console.answers import is_open_to, page
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import refused, refused_form
from mi_ldap.web.context import is_local
from mi_ldap.web.guards import current_performer

_HOME = "/console"
_LONGEST_ADDRESS = 2048
_DOTS = re.compile(r"(\.|%2e){2}", re.IGNORECASE)


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""
    needs_proxy = not services.settings.server.tls

    @console.get("")
    def home() -> Response:
        return redirect_to("users" if is_open_to(current_performer()) else "account")

    @console.get("/login")
    def login() -> Response:
        form = refused_form()
        return page(
            "login.html",
            refused=form,
            next=internal(form.values.get("next") or request.args.get("next", "")),
            bootstrap=services.settings.bootstrap.mode if _has_no_admin(services) else "",
            plain_http=needs_proxy and request.headers.get("X-Forwarded-Proto") != "https",
        )

    @console.post("/login")
    def log_in() -> Response:
        try:
            return _log_in(services)
        except (LoginRefused, TooManyFailures, Unavailable) as error:
            return refused({"": words.sentence(str(error))})

    @console.post("/logout")
    def log_out() -> Response:
        tokens.log_out(services, current_performer())
        return tokens.drop_cookie(redirect_to("login", "You are logged out."))


def internal(address: str) -> str:
    """The address if it is one of the console's pages, else `""`."""
    if len(address) > _LONGEST_ADDRESS:
        return ""
    path = address.partition("?")[0]
    is_ours = path == _HOME or path.startswith(f"{_HOME}/")
    # Browsers take a backslash for `/` and leave line ends out; dots would lead away from here.
    plain = address.isprintable() and "\\" not in address and not _DOTS.search(path)
    return address if is_ours and plain else ""


def _log_in(services: Services) -> Response:
    """Log in; while there is no admin, the password must be typed twice.

    After a typo nobody could log in as the first admin, and nobody could delete it.
    """
    name, password = request.form.get("name", ""), request.form.get("password", "")
    had_no_admin = services.bootstrap.is_open()
    if had_no_admin and services.settings.bootstrap.mode == "first_login":
        confirmed = request.form.get("confirmed")
        if confirmed != password:
            return refused({"confirmed": words.PASSWORDS_DIFFER if confirmed else words.TYPE_TWICE})
    applicant = LoginRequest(name, password, client=g.client, is_local=is_local())
    logged_in = services.login.login(applicant)
    wanted = internal(request.form.get("next", "")) or _HOME
    answer: Response = redirect(wanted, 303)  # type: ignore[assignment]
    if had_no_admin and _is_first_admin(services, logged_in):
        flash.set_notice(answer, words.FIRST_ADMIN)
    return tokens.put_into_cookie(answer, _console_token(services, logged_in))


def _has_no_admin(services: Services) -> bool:
    """Whether the next login creates the first admin; False where that cannot be read."""
    try:
        return services.bootstrap.is_open()
    except MiLdapError:
        return False


def _is_first_admin(services: Services, logged_in: LoggedIn) -> bool:
    admin_role = services.store.admin_role()
    return admin_role is not None and admin_role.first_admin_id == logged_in.user.id


def _console_token(services: Services, logged_in: LoggedIn) -> str:
    """Good for the console alone; its forms repeat `csrf`, and its pages show `warning`."""
    own = {"use": tokens.CONSOLE, "csrf": secrets.token_urlsafe(24)}
    return tokens.encode(services, logged_in, **own, warning=logged_in.warning)
