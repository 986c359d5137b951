"""What all pages of the console share: headers and template values."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, make_response, render_template, request

from mi_ldap import __version__
from mi_ldap.errors import MiLdapError
from mi_ldap.model import Performer
from mi_ldap.name_rules import EVERYONE
from mi_ldap.web import tokens
from mi_ldap.web.console import flash, messages
from mi_ldap.web.console.listing import SIZES, ListView
from mi_ldap.web.console.visible_text import visible, visible_line
from mi_ldap.web.context import services
from mi_ldap.web.errors import status_of, with_retry
from mi_ldap.web.nodes import has_nodes

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    # A URL contains the name of a user.
    "Referrer-Policy": "no-referrer",
    # For browsers that do not know `frame-ancestors`.
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def init_blueprint(bp: Blueprint) -> None:
    """Add the headers and the values of templates to the console."""
    bp.add_app_template_filter(messages.initial, "initial")
    bp.add_app_template_filter(visible, "visible")
    bp.add_app_template_filter(visible_line, "visible_line")
    bp.app_context_processor(_template_values)
    bp.after_request(_set_headers)


def render_page(template: str, **values: Any) -> Response:
    """Return a page, with the notice of the previous action."""
    return make_response(render_template(template, notice=flash.pop_notice(), **values))


def render_list(template: str, view: ListView, **values: Any) -> Response:
    """Return the page of a list."""
    response = render_page(template, view=view, sizes=SIZES, **values)
    if "HX-Request" in request.headers:
        # htmx replaces the list alone; the browser's address must name what is shown now.
        response.headers["HX-Push-Url"] = view.url()
    return response


def status_and_retry(response: Response, error: MiLdapError) -> Response:
    """Set the status of an error, and when to try again."""
    response.status_code = status_of(error)
    return with_retry(response, error)


def may_see_nodes(performer: Performer) -> bool:
    """Whether the performer may see the pages of Micro Integrators, if there are any."""
    handler = services().settings.management_api.authorization_handler
    is_open = performer.admin_role is not None or not handler.reserves("/server")
    return has_nodes() and is_open and not performer.must_change_password


def may_manage(performer: Performer) -> bool:
    """Whether the performer may see the pages of users and roles."""
    return performer.admin_role is not None and not performer.must_change_password


def _set_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def _template_values() -> dict[str, object]:
    performer: Performer | None = g.get("performer")
    return {
        "performer": performer,
        "may_manage": performer is not None and may_manage(performer),
        "may_see_nodes": performer is not None and may_see_nodes(performer),
        "csrf": tokens.claim("csrf") if performer else "",
        "warning": tokens.claim("warning") if performer else "",
        "EVERYONE": EVERYONE,
        "version": __version__,
    }
