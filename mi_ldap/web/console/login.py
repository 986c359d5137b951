"""Log in and log out: `/console`, `/console/login`, `/console/logout`."""

from __future__ import annotations

import re
import secrets

from flask import Response, g, redirect, request

from mi_ldap.errors import LoginRefused, MiLdapError, TooManyFailures, Unavailable
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.services.login import LoggedIn
from mi_ldap.web import tokens
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console import flash, messages
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import form_of, refused, refused_form
from mi_ldap.web.console.responses import may_manage, may_see_nodes, render_page
from mi_ldap.web.context import current_performer, is_local, services

_HOME = "/console"
_MAX_URL = 2048
_DOTS = re.compile(r"(\.|%2e){2}", re.IGNORECASE)


@bp.get("")
@allow(Access.SELF)
def home() -> Response:
    """Redirect to the first page of the menu; to the account of a user who has no menu."""
    performer = current_performer()
    if may_manage(performer):
        return redirect_to("list_users")
    return redirect_to("list_nodes" if may_see_nodes(performer) else "show_account")


@bp.get("/login")
@allow(Access.ANYBODY)
def show_login() -> Response:
    """Show the login form."""
    form, settings = refused_form(), services().settings
    # Browsers store a Secure cookie from https only, some also from http://localhost.
    is_https = settings.server.tls or request.headers.get("X-Forwarded-Proto") == "https"
    return render_page(
        "login.html",
        refused=form,
        next=internal(form.values.get("next") or request.args.get("next", "")),
        bootstrap=settings.bootstrap.mode if _has_no_admin() else "",
        may_create=services().store.writable,
        plain_http=not is_https,
    )


@bp.post("/login")
@allow(Access.ANYBODY)
@form_of("show_login", (LoginRefused, TooManyFailures, Unavailable))
def log_in() -> Response:
    """Log in and redirect to the page that was asked for.

    While there is no admin, and the login may create one, the password must be typed twice.
    """
    name, password = request.form.get("name", ""), request.form.get("password", "")
    # Read before the login, which may create the first admin.
    had_no_admin = services().bootstrap.is_open()
    mode, may_create = services().settings.bootstrap.mode, services().store.writable
    if had_no_admin and may_create and mode == "first_login":
        # After a typo nobody could log in as the first admin, and nobody could delete it.
        confirmed = request.form.get("confirmed")
        if confirmed != password:
            sentence = messages.PASSWORDS_DIFFER if confirmed else messages.TYPE_TWICE
            return refused({"confirmed": sentence})
    logged_in = services().login.login(
        LoginRequest(name, password, client=g.client, is_local=is_local())
    )
    target = internal(request.form.get("next", "")) or _HOME
    response: Response = redirect(target, 303)  # type: ignore[assignment]
    if had_no_admin and _is_first_admin(logged_in):
        flash.set_notice(response, messages.FIRST_ADMIN)
    return tokens.set_cookie(response, _console_token(logged_in))


@bp.post("/logout")
@allow(Access.SELF)
def log_out() -> Response:
    """Revoke the token of the session and delete its cookie."""
    tokens.revoke(current_performer())
    return tokens.delete_cookie(redirect_to("show_login", "You are logged out."))


def internal(url: str) -> str:
    """Return the URL if it leads to a page of the console, else `""`."""
    if len(url) > _MAX_URL:
        return ""
    path = url.partition("?")[0]
    is_ours = path == _HOME or path.startswith(f"{_HOME}/")
    # Browsers read a backslash as `/`, skip line ends, and resolve dots: each leads elsewhere.
    is_plain = url.isprintable() and "\\" not in url and not _DOTS.search(path)
    return url if is_ours and is_plain else ""


def _has_no_admin() -> bool:
    """Whether the next login creates the first admin; False where that cannot be read."""
    try:
        return services().bootstrap.is_open()
    except MiLdapError:
        return False


def _is_first_admin(logged_in: LoggedIn) -> bool:
    admin_role = services().store.admin_role()
    return admin_role is not None and admin_role.first_admin_id == logged_in.user.id


def _console_token(logged_in: LoggedIn) -> str:
    """Return a token that only the console accepts.

    Its claim `csrf` is repeated by the forms, and its claim `warning` is shown on the pages.
    """
    csrf = secrets.token_urlsafe(24)
    return tokens.encode(logged_in, use=tokens.CONSOLE, csrf=csrf, warning=logged_in.warning)
