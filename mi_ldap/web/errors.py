"""Our errors and HTTP's -> `{"Error": "<sentence>"}`: the one place that knows status codes."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from mi_ldap.errors import (
    AdminsOnly,
    BadRequest,
    Conflict,
    Forbidden,
    LoginRefused,
    MiLdapError,
    NotAuthenticated,
    NotFound,
    TooManyFailures,
    Unavailable,
)

log = structlog.get_logger()

RETRY_AFTER_S = 5
MAX_REASON = 120

_STATUS: tuple[tuple[type[MiLdapError], int], ...] = (
    (NotAuthenticated, 401),
    (TooManyFailures, 429),
    (Forbidden, 403),
    (NotFound, 404),
    (BadRequest, 400),
    (Conflict, 409),
    (Unavailable, 503),
)

_HTTP_SENTENCES = {
    404: "Requested resource not found.",
    405: "Requested resource not found.",
    413: "The request is larger than 1 MB.",
}


def init_app(app: Flask) -> None:
    """Answer every error in one form."""

    @app.errorhandler(MiLdapError)
    def ours(error: MiLdapError) -> Response:
        return _answer(error, str(error), status_of(error))

    @app.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> Response:
        code = 404 if error.code == 405 else error.code or 500
        sentence = _HTTP_SENTENCES.get(code, "Error processing the request.")
        return _answer(error, sentence, code)

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        log.error("unforeseen_error", path=request.path, exc_info=error)
        return _answer(error, "The service failed. See its log under the request id.", 500)

    @app.after_request
    def canonical_reason(response: Response) -> Response:
        if response.status_code == 200:
            return response
        # werkzeug writes reasons in capitals; the command-line clients print and test them.
        code, _, reason = response.status.partition(" ")
        if reason.isupper():
            response.status = f"{code} {HTTPStatus(int(code)).phrase}"
        return response


def status_of(error: MiLdapError) -> int:
    """The HTTP status of one of our errors."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def _answer(error: Exception, sentence: str, code: int) -> Response:
    response: Response = jsonify({"Error": sentence})
    response.status_code = code
    if _belongs_in_reason(error, code):
        response.status = f"{code} {_as_reason(sentence)}"
    if code == 401:
        scheme = "Basic" if isinstance(error, LoginRefused) else "Bearer"
        response.headers["WWW-Authenticate"] = f'{scheme} realm="mi_ldap"'
    return with_retry(response, error)


def with_retry(response: Response, error: Exception) -> Response:
    """The answer, with when it is worth trying again."""
    if isinstance(error, TooManyFailures):
        response.headers["Retry-After"] = str(error.retry_after_s)
    elif response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _belongs_in_reason(error: Exception, code: int) -> bool:
    """The dashboard shows the reason phrase of a failed DELETE or PUT, and not the body."""
    known = code in (401, 404) or isinstance(error, AdminsOnly)
    return request.method in ("DELETE", "PUT") and not known


def _as_reason(sentence: str) -> str:
    """Printable ASCII on one line: a name may hold anything."""
    plain = "".join(char if " " <= char <= "~" else "?" for char in sentence)
    return plain[:MAX_REASON].strip() or "Error"
