"""The console's error pages, and the redirect to the login."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, abort, g, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from mi_ldap.errors import (
    AdminsOnly,
    AuditUnavailable,
    MiLdapError,
    NotAuthenticated,
    NotFound,
    OperatorsOnly,
    PasswordChangeFirst,
    Unavailable,
)
from mi_ldap.web import tokens
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console import forms, messages
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.requested_change import audit_refused_change
from mi_ldap.web.console.responses import render_page, status_and_retry
from mi_ldap.web.errors import RETRY_AFTER_S, status_of

log = structlog.get_logger()

_TITLES = {
    400: "Request failed",
    403: "Not allowed",
    404: "Not found",
    409: "Conflict",
    413: "Too large",
    429: "Too many failed logins",
    502: "The Micro Integrator failed",
    503: "Temporarily unavailable",
}
_SENTENCES = {404: "There is no such page.", 413: "The form is larger than 1 MB."}


def init_blueprint(bp: Blueprint) -> None:
    """Answer every error of the console, and every unknown path below it, with a page."""
    bp.register_error_handler(MiLdapError, _handle_error)
    bp.register_error_handler(HTTPException, _handle_http_error)
    bp.register_error_handler(Exception, _handle_unforeseen)
    bp.record(_add_missing_pages)


def _add_missing_pages(state: BlueprintSetupState) -> None:
    """Route every other path and method below `/console` to the console's 404."""
    # Without these rules the API's handler would answer them in JSON, without the headers.
    state.app.view_functions["console.missing"] = missing
    for path in (state.url_prefix, f"{state.url_prefix}/<name:rest>"):
        # Flask's `add_url_rule` demands a list of methods; a bare rule matches all of them.
        state.app.url_map.add(Rule(str(path), endpoint="console.missing"))


@allow(Access.ANYBODY)
def missing(rest: str = "") -> Response:
    """Answer that there is no such page."""
    abort(404)


def _handle_error(error: MiLdapError) -> Response:
    if isinstance(error, NotAuthenticated):
        return _to_login()
    if isinstance(error, PasswordChangeFirst):
        return redirect_to("show_account")
    if isinstance(error, Unavailable) and request.endpoint == "console.log_out":
        return _half_logged_out(error)
    if isinstance(error, AdminsOnly | OperatorsOnly):
        try:
            audit_refused_change(error)
        except AuditUnavailable as unavailable:
            error = unavailable
    return _error_page(status_of(error), str(error), error)


def _handle_http_error(error: HTTPException) -> Response:
    code = error.code or 500
    return _error_page(code, _SENTENCES.get(code, "The request is not valid."))


def _handle_unforeseen(error: Exception) -> Response:
    log.error("unforeseen_error", path=request.path, exc_info=error)
    return _error_page(500, "The service failed. See its log under the request id.")


def _to_login() -> Response:
    """Return a redirect to the login, which leads back to the requested page or form."""
    if forms.is_form():
        again = forms.keep({"": messages.FORM_NOT_SENT})
        response = redirect_to("show_login", messages.SESSION_OVER, next=again)
    elif request.method != "GET":
        response = redirect_to("show_login", messages.SESSION_OVER)
    elif request.endpoint == "console.home":
        response = redirect_to("show_login")
    else:
        response = redirect_to("show_login", next=request.full_path.rstrip("?"))
    if "HX-Request" in request.headers:
        # htmx would follow a 303 and put the login into the place of the list.
        response.status_code, response.data = 200, b""
        response.headers["HX-Redirect"] = response.headers.pop("Location")
    return response


def _half_logged_out(error: MiLdapError) -> Response:
    """Delete the cookie although the token cannot be revoked now."""
    # Otherwise the page would show the account menu of a user who is logged out.
    g.pop("performer", None)
    return tokens.delete_cookie(_error_page(503, messages.NOT_ENDED, error))


def _error_page(code: int, sentence: str, error: MiLdapError | None = None) -> Response:
    title = "Not found" if isinstance(error, NotFound) else _TITLES.get(code, "Request failed")
    back = (
        forms.keep({"": sentence})
        if isinstance(error, forms.OlderSession) and forms.is_form()
        else ""
    )
    response = render_page(
        "error.html", title=title, sentence=sentence, hint=_hint(code, error), code=code, back=back
    )
    response.status_code = code
    if "HX-Request" in request.headers:
        # The error takes the place of the whole page, not that of the list.
        response.headers.update({"HX-Retarget": "main", "HX-Reselect": "main"})
    return status_and_retry(response, error) if error else response


def _hint(code: int, error: MiLdapError | None) -> str:
    if code == 503 and request.method == "GET":
        return f"Try again in {RETRY_AFTER_S} seconds."
    if isinstance(error, OperatorsOnly):
        return "Ask an admin to assign an operator role to you."
    return "Ask an admin to assign the admin role to you." if isinstance(error, AdminsOnly) else ""
