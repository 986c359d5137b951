"""Error handlers of the API: each error becomes `{"Error": "<sentence>"}` with its status.

Only this module knows HTTP statuses, and the sentences of MI that WSO2's clients parse or compare.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from mi_ldap.errors import (
    AdminsOnly,
    BadRequest,
    Conflict,
    DomainNotFound,
    Forbidden,
    LoginRefused,
    MiLdapError,
    NodeFailed,
    NotAuthenticated,
    NotFound,
    OperatorsOnly,
    ReadOnlyStore,
    RoleExists,
    SelfDeletion,
    TooManyFailures,
    Unavailable,
    WrongOldPassword,
)

log = structlog.get_logger()

RETRY_AFTER_S = 5
# Characters of a sentence in the reason phrase, which the dashboard shows on one line.
MAX_REASON = 120

_STATUS: tuple[tuple[type[MiLdapError], int], ...] = (
    (NotAuthenticated, 401),
    (TooManyFailures, 429),
    (Forbidden, 403),
    (NotFound, 404),
    # Also a wrong current password: after a 401 WSO2's clients would log in again.
    (BadRequest, 400),
    (Conflict, 409),
    (NodeFailed, 502),
    (Unavailable, 503),
)

_NOT_FOUND = "Requested resource not found."
_BAD_REQUEST = "Error processing the request."

_LEADS: tuple[tuple[type[MiLdapError], str], ...] = (
    (AdminsOnly, "403 Forbidden."),  # the CLIs look for it in the body
    (OperatorsOnly, "403 Forbidden."),
    (NotFound, _NOT_FOUND),
    (BadRequest, _BAD_REQUEST),
)
"""The text that MI puts before the sentence of an error."""

_SENTENCES: dict[type[MiLdapError], Callable[[Any], str]] = {
    DomainNotFound: lambda error: (
        f"Could not find a user-store for the given domain {error.domain}"
    ),
    RoleExists: lambda error: f"The role : {error.name} already exists",
    SelfDeletion: lambda _: (
        "Attempt to delete the logged in user. Operation not allowed. "
        "Please login from another user."
    ),
    ReadOnlyStore: lambda _: "Invalid operation. User store is read only",
    # A client of the API knows the key of the body, not the field of a form.
    WrongOldPassword: lambda _: f"{_BAD_REQUEST} 'oldPassword' is wrong.",
}
"""MI's sentences, which replace those of the errors."""

_SHOWN_AS_REASON = ("DELETE", "PUT")

_HTTP_SENTENCES = {
    404: _NOT_FOUND,
    405: _NOT_FOUND,
    413: "The request is larger than 1 MB.",
}


def missing_keys(*keys: str) -> BadRequest:
    """Return the error for a body that lacks one of these keys, in MI's words."""
    listed = ", ".join(f"'{key}'" for key in keys)
    return BadRequest(f"Missing one or more of the fields, {listed} in the payload.")


def init_app(app: Flask) -> None:
    """Answer every error with JSON."""
    app.register_error_handler(MiLdapError, handle_error)
    app.register_error_handler(HTTPException, _handle_http_error)
    app.register_error_handler(Exception, _handle_unforeseen)
    app.after_request(_capitalize_reason)


def status_of(error: MiLdapError) -> int:
    """Return the HTTP status of one of our errors."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def sentence_of(error: MiLdapError | str) -> str:
    """Return the sentence for clients of the API; a string is one already."""
    if isinstance(error, str):
        return error
    if type(error) in _SENTENCES:
        return _SENTENCES[type(error)](error)
    lead = next((lead for kind, lead in _LEADS if isinstance(error, kind)), "")
    return f"{lead} {error}".strip()


def forwarded_error(
    error: MiLdapError, method: str
) -> tuple[int, str, list[tuple[str, str]], bytes]:
    """Return the answer to a request that was to be forwarded: status, reason, fields and body."""
    status, sentence = status_of(error), sentence_of(error)
    body = json.dumps({"Error": sentence}).encode()
    fields = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("X-Error-Code", error.code),
    ]
    if status == 503:
        fields.append(("Retry-After", str(RETRY_AFTER_S)))
    is_shown = method in _SHOWN_AS_REASON
    reason = _as_reason(sentence) if is_shown else HTTPStatus(status).phrase
    return status, reason, fields, body


def with_retry(response: Response, error: Exception) -> Response:
    """Return the response, with the seconds after which the request may be repeated."""
    if isinstance(error, TooManyFailures):
        response.headers["Retry-After"] = str(error.retry_after_s)
    elif response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def handle_error(error: MiLdapError) -> Response:
    """Return the response of one of our errors."""
    response = _respond(error, sentence_of(error), status_of(error))
    # In a header: the contract allows nothing but the sentence in the body.
    response.headers["X-Error-Code"] = error.code
    return response


def _handle_http_error(error: HTTPException) -> Response:
    # A method that a path does not have is answered as an unknown path, as MI does.
    status = 404 if error.code == 405 else error.code or 500
    return _respond(error, _HTTP_SENTENCES.get(status, _BAD_REQUEST), status)


def _handle_unforeseen(error: Exception) -> Response:
    log.error("unforeseen_error", path=request.path, exc_info=error)
    return _respond(error, "The service failed. See its log under the request id.", 500)


def _respond(error: Exception, sentence: str, status: int) -> Response:
    response: Response = jsonify({"Error": sentence})
    response.status_code = status
    if _is_shown_as_reason(error, status):
        response.status = f"{status} {_as_reason(sentence)}"
    if status == 401:
        scheme = "Basic" if isinstance(error, LoginRefused) else "Bearer"
        response.headers["WWW-Authenticate"] = f'{scheme} realm="mi_ldap"'
    return with_retry(response, error)


def _is_shown_as_reason(error: Exception, status: int) -> bool:
    # The dashboard shows the reason phrase of a failed DELETE or PUT, and not the body.
    is_standard = status in (401, 404) or isinstance(error, AdminsOnly | OperatorsOnly)
    return request.method in _SHOWN_AS_REASON and not is_standard


def _as_reason(sentence: str) -> str:
    """Return the sentence in printable ASCII on one line."""
    # A name may contain line ends, which would end the status line and forge headers.
    plain = "".join(char if " " <= char <= "~" else "?" for char in sentence)
    return plain[:MAX_REASON].strip() or "Error"


def _capitalize_reason(response: Response) -> Response:
    if response.status_code == 200:
        return response
    # Werkzeug writes `403 FORBIDDEN`; the command-line clients print and compare the phrase.
    status, _, reason = response.status.partition(" ")
    if reason.isupper():
        response.status = f"{status} {HTTPStatus(int(status)).phrase}"
    return response
