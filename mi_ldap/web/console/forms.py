"""Forms that were refused: their page is shown again, with the errors and with what was typed.

The refused POST is answered with a redirect, so that the page can be reloaded without sending the
form again. A cookie carries values and errors to the page; `again` in the address selects them.
Passwords are never kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from flask import Response, after_this_request, redirect, request, url_for

from mi_ldap.errors import BadRequest, Conflict, Forbidden, NotFound, TooManyFailures
from mi_ldap.web.console import flash, words

REFUSALS: Final = (BadRequest, Conflict, Forbidden, NotFound, TooManyFailures)
"""What is shown beside the form that was sent; all else has a page of its own."""

PAGES: Final = {
    "log_in": "login",
    "set_own_password": "account",
    "create_user": "add_user",
    "assign": "user",
    "revoke": "user",
    "set_password": "user",
    "delete_user": "user",
    "create_role": "add_role",
    "add_member": "role",
    "delete_role": "role",
}
"""By the endpoint that a form is sent to, the endpoint of the page that shows the form."""

KEPT_S: Final = 600
_COOKIE: Final = "form"
_KEPT_FIELDS: Final = ("name", "user", "role", "is_admin", "next")
_MAX_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class RefusedForm:
    """A form that was refused, or one that was not sent yet.

    Attributes:
        endpoint: where it was sent, `"create_user"`; `""` for none.
        values: what was typed, by field; without passwords.
        errors: sentences by field; `""` for the whole form.
    """

    endpoint: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def errors_of(self, endpoint: str) -> Mapping[str, str]:
        """The errors, where the form was sent there."""
        return self.errors if self.endpoint == endpoint else {}


def handle_form(act: Callable[[], Response]) -> Response:
    """The response of `act`; where the services refuse it, the form again with their sentences."""
    try:
        return act()
    except REFUSALS as error:
        return refused(words.errors_of(error))


def refused(errors: Mapping[str, str]) -> Response:
    """A redirect to the page of the form that this request sent."""
    response: Response = redirect(keep(errors), 303)  # type: ignore[assignment]
    return response


def keep(errors: Mapping[str, str]) -> str:
    """Keep the form that this request sent; the address of the page that shows it again."""
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
        if not flash.put(response, _COOKIE, kept, KEPT_S):
            flash.put(response, _COOKIE, {**kept, "values": {}}, KEPT_S)
        return response

    name = request.args.get("name") or None  # None is left out of an address
    return url_for(f"console.{PAGES[_endpoint()]}", again=again, name=name)


def is_form() -> bool:
    """Whether this request sent a form that has a page."""
    return request.method == "POST" and _endpoint() in PAGES


def refused_form() -> RefusedForm:
    """The refused form that this page's address asks for; an empty one where there is none."""
    kept = flash.get(_COOKIE, KEPT_S)
    if not kept or kept["again"] != request.args.get("again"):
        return RefusedForm()
    return RefusedForm(kept["endpoint"], kept["values"], kept["errors"])


def _endpoint() -> str:
    return (request.endpoint or "").removeprefix("console.")
