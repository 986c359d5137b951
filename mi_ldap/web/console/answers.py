"""What all pages have in common: the layout's words, the headers, and what an error looks like."""

from __future__ import annotations

from typing import Any

import structlog
from flask import (
    Blueprint,
    Response,
    abort,
    g,
    make_response,
    render_template,
    request,
)
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from mi_ldap import __version__
from mi_ldap.errors import (
    AdminsOnly,
    MiLdapError,
    NotAuthenticated,
    NotFound,
    PasswordChangeFirst,
    Unavailable,
)
from mi_ldap.model import EVERYONE, Performer
from mi_ldap.web import tokens
from mi_ldap.web.console import flash, forms, words
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.guard import OlderSession
from mi_ldap.web.console.listing import SIZES, View
from mi_ldap.web.errors import RETRY_AFTER_S, status_of, with_retry

log = structlog.get_logger()

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_TITLES = {
    400: "Request failed",
    403: "Not allowed",
    404: "Not found",
    409: "Conflict",
    413: "Too large",
    429: "Too many failed logins",
    503: "Temporarily unavailable",
}
_SENTENCES = {404: "There is no such page.", 413: "The form is larger than 1 MB."}


def init(console: Blueprint) -> None:
    """Give every answer of the console its headers, and every error a page."""
    console.add_app_template_filter(words.initial, "initial")

    @console.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    @console.app_context_processor
    def for_templates() -> dict[str, object]:
        performer: Performer | None = g.get("performer")
        return {
            "me": performer,
            "i_am_admin": performer is not None and is_open_to(performer),
            "csrf": tokens.claim("csrf") if performer else "",
            "warning": tokens.claim("warning") if performer else "",
            "sentence": words.sentence,
            "EVERYONE": EVERYONE,
            "version": __version__,
        }

    @console.errorhandler(MiLdapError)
    def ours(error: MiLdapError) -> Response:
        if isinstance(error, NotAuthenticated):
            return _to_login()
        if isinstance(error, PasswordChangeFirst):
            return redirect_to("account")
        if isinstance(error, Unavailable) and request.endpoint == "console.log_out":
            return _half_logged_out(error)
        return _error_page(status_of(error), words.sentence(str(error)), error)

    @console.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> Response:
        code = error.code or 500
        return _error_page(code, _SENTENCES.get(code, "The request is not valid."))

    @console.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        log.error("unforeseen_error", path=request.path, exc_info=error)
        return _error_page(500, "The service failed. See its log under the request id.")


def add_missing(console: Blueprint) -> None:
    """Addresses and methods, of whatever name, that nothing else answers are the console's, too."""

    @console.record
    def add_last(state: BlueprintSetupState) -> None:
        state.app.view_functions["console.missing"] = _missing
        for path in (console.url_prefix, f"{console.url_prefix}/<name:rest>"):
            state.app.url_map.add(Rule(str(path), endpoint="console.missing"))  # any method


def is_open_to(performer: Performer) -> bool:
    """Whether the pages of users and roles are."""
    return performer.admin_role is not None and not performer.must_change_password


def _missing(rest: str = "") -> Response:
    abort(404)


def page(template: str, **values: Any) -> Response:
    """Render a page, with the notice of the action before it on top."""
    return make_response(render_template(template, notice=flash.pop_notice(), **values))


def render_list(template: str, view: View, **values: Any) -> Response:
    """A list's page. A part of it that a script asked for is found under the list's address."""
    response = page(template, view=view, sizes=SIZES, **values)
    if "HX-Request" in request.headers:
        response.headers["HX-Push-Url"] = view.address()
    return response


def status_and_retry(response: Response, error: MiLdapError) -> Response:
    """The status of an error, and when it is worth trying again."""
    response.status_code = status_of(error)
    return with_retry(response, error)


def _to_login() -> Response:
    """Return a redirect to the login, which leads back to the requested page or form."""
    wanted = request.full_path.rstrip("?")
    if forms.is_form():
        answer = redirect_to(
            "login", words.SESSION_OVER, next=forms.keep({"": words.FORM_NOT_SENT})
        )
    elif request.method != "GET":
        answer = redirect_to("login", words.SESSION_OVER)
    elif request.endpoint == "console.home":
        answer = redirect_to("login")
    else:
        answer = redirect_to("login", next=wanted)
    if "HX-Request" in request.headers:  # as a page of its own, not as a part of this one
        answer.status_code, answer.data = 200, b""
        answer.headers["HX-Redirect"] = answer.headers.pop("Location")
    return answer


def _half_logged_out(error: MiLdapError) -> Response:
    """The browser's part of a logout is done also while the service's can't be."""
    g.pop("performer", None)
    return tokens.drop_cookie(_error_page(503, words.NOT_ENDED, error))


def _error_page(code: int, sentence: str, error: MiLdapError | None = None) -> Response:
    title = "Not found" if isinstance(error, NotFound) else _TITLES.get(code, "Request failed")
    hint = "Ask an admin to assign the admin role to you." if isinstance(error, AdminsOnly) else ""
    if code == 503 and request.method == "GET":
        hint = f"Try again in {RETRY_AFTER_S} seconds."
    back = forms.keep({"": sentence}) if isinstance(error, OlderSession) and forms.is_form() else ""
    response = page("error.html", title=title, sentence=sentence, hint=hint, code=code, back=back)
    response.status_code = code
    if "HX-Request" in request.headers:  # in place of the page, not of the part that was asked for
        response.headers.update({"HX-Retarget": "main", "HX-Reselect": "main"})
    return status_and_retry(response, error) if error else response
