"""Refused forms, whose page is shown again with the errors and the values that were typed.

A refused POST is answered with a redirect, and a cookie carries the values and errors to the page
that it leads to. The URL parameter `again` contains the id of the refused form.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Response, after_this_request, redirect, request, url_for

from mi_ldap.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    MiLdapError,
    NotFound,
    TooManyFailures,
)
from mi_ldap.web.console import flash, messages

View = Callable[..., Response]

REFUSALS: Final[tuple[type[MiLdapError], ...]] = (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    TooManyFailures,
)
"""Errors that are shown beside most forms."""

PAGES: Final[dict[str, str]] = {}
"""The endpoint of the page with a form, by the endpoint that the form is sent to."""

KEPT_S: Final = 600
_COOKIE: Final = "form"
# Never the passwords: a cookie stays in the browser, signed but readable.
_KEPT_FIELDS: Final = ("name", "user", "role", "is_admin", "next")
_MAX_CHARACTERS: Final = 500  # of a value or sentence; a cookie has room for 3500 bytes


class OlderSession(Forbidden):
    """A form without the anti-forgery value of the current session."""

    code = "older_session"

    def __init__(self) -> None:
        super().__init__(messages.NO_SESSION)


@dataclass(frozen=True, slots=True)
class RefusedForm:
    """A refused form; an empty one for a page that is shown for the first time.

    Attributes:
        endpoint: the endpoint that it was sent to, `"create_user"`, or `""`.
        values: the typed values by field, without passwords.
        errors: sentences by field; under `""` those about the whole form.
    """

    endpoint: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def errors_of(self, endpoint: str) -> Mapping[str, str]:
        """Return the errors if the form was sent to this endpoint, else none."""
        return self.errors if self.endpoint == endpoint else {}


def form_of(
    page: str, refusals: tuple[type[MiLdapError], ...] = REFUSALS
) -> Callable[[View], View]:
    """Return a decorator for a view that a form is sent to: its errors are shown beside the form.

    Args:
        page: the endpoint of the page with the form.
        refusals: the errors that are shown there; others are shown on the error page.
    """

    def declare(view: View) -> View:
        PAGES[view.__name__] = page

        @functools.wraps(view)
        def handle(**arguments: str) -> Response:
            try:
                return view(**arguments)
            except refusals as error:
                return refused(messages.errors_of(error))

        return handle

    return declare


def refused(errors: Mapping[str, str]) -> Response:
    """Return a redirect to the page of the form that this request sent, with errors."""
    # Reloading the page that a redirect leads to does not send the form again.
    response: Response = redirect(keep(errors), 303)  # type: ignore[assignment]
    return response


def keep(errors: Mapping[str, str]) -> str:
    """Store the form that this request sent; return the URL of the page that shows it again."""
    again = secrets.token_urlsafe(8)
    typed = {key: request.form.get(key, "")[:_MAX_CHARACTERS] for key in _KEPT_FIELDS}
    kept = {
        "again": again,
        "endpoint": _endpoint(),
        "errors": {key: sentence[:_MAX_CHARACTERS] for key, sentence in errors.items()},
        "values": {key: value for key, value in typed.items() if value},
    }

    @after_this_request
    def put(response: Response) -> Response:
        # Errors matter more than the typed values, which may be too long for a cookie.
        if not flash.put(response, _COOKIE, kept, KEPT_S):
            flash.put(response, _COOKIE, {**kept, "values": {}}, KEPT_S)
        return response

    # Of the page, not of the form: what it is about, and where.
    about: dict[str, Any] = {
        key: request.args[key] for key in ("name", "type") if request.args.get(key)
    }
    return url_for(
        f"console.{PAGES[_endpoint()]}", again=again, **about, **(request.view_args or {})
    )


def is_form() -> bool:
    """Whether this request sent a form that has a page in `PAGES`."""
    return request.method == "POST" and _endpoint() in PAGES


def refused_form() -> RefusedForm:
    """Return the refused form that the URL of this page names; an empty one where there is none."""
    kept = flash.get(_COOKIE, KEPT_S)
    # Another tab may have replaced the cookie by that of another form.
    if not kept or kept["again"] != request.args.get("again"):
        return RefusedForm()
    return RefusedForm(kept["endpoint"], kept["values"], kept["errors"])


def _endpoint() -> str:
    return (request.endpoint or "").removeprefix("console.")
