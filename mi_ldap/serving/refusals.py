"""What is answered before the application is asked: one flat JSON object, like its own errors.

The sentences never repeat what was sent: a malformed head may well be a mistyped password.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from uuid import uuid4

from gunicorn.http import errors as http_errors

HEAD_LIMIT = 16 * 1024
"""Bytes of a request line and all header fields together."""
BODY_LIMIT = 1024 * 1024 + 64 * 1024
"""Bytes of a body; a little over the application's own limit, whose answer is the better one."""
LINE_LIMIT = 8190
"""Bytes of the request line alone, and of one header field."""
FIELDS_LIMIT = 100
"""Header fields of one request."""


class Refusal(Exception):
    """A request that ends here.

    Args:
        status: the HTTP status, e.g. 400.
        sentence: what the client reads as `Error`.
        retry_after_s: when it is worth trying again, in seconds.
    """

    def __init__(self, status: int, sentence: str, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status = HTTPStatus(status)
        self.sentence = sentence
        self.retry_after_s = retry_after_s
        self.request_id = uuid4().hex

    def response(self) -> bytes:
        """The whole answer, ready for the wire."""
        body = json.dumps({"Error": self.sentence}).encode()
        head = [
            f"HTTP/1.1 {self.status.value} {_REASONS.get(self.status, self.status.phrase)}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "Connection: close",
            f"X-Request-Id: {self.request_id}",
        ]
        if self.retry_after_s is not None:
            head.append(f"Retry-After: {self.retry_after_s}")
        return "\r\n".join([*head, "", ""]).encode("ascii") + body


def refuse_head(error: Exception) -> Refusal:
    """The answer to a head that gunicorn's parser did not take."""
    for kind, status, sentence in _HEADS:
        if isinstance(error, kind):
            return Refusal(status, sentence)
    return Refusal(400, "The request is not valid HTTP/1.1.")


def too_large() -> Refusal:
    """The answer to a body over the limit, declared or found."""
    return Refusal(413, "The body of the request is larger than 1 MB.")


def too_slow(part: str) -> Refusal:
    """The answer to a `part` (`"head"`, `"body"`) that did not come in time."""
    return Refusal(408, f"The {part} of the request did not arrive in time.")


# RFC 9110 names, where http.HTTPStatus of Python 3.11 and 3.12 has older ones.
_REASONS = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "URI Too Long",
}

_HEADS: tuple[tuple[type[Exception], int, str], ...] = (
    (
        http_errors.LimitRequestLine,
        414,
        f"The request line is longer than {LINE_LIMIT} bytes.",
    ),
    (
        http_errors.LimitRequestHeaders,
        431,
        f"The head of the request is too large: at most {HEAD_LIMIT // 1024} kB in all, "
        f"{FIELDS_LIMIT} fields, and {LINE_LIMIT} bytes a field.",
    ),
    (
        http_errors.InvalidRequestMethod,
        400,
        "The method of the request is not an HTTP method.",
    ),
    (
        http_errors.InvalidHTTPVersion,
        400,
        "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
    ),
    (
        http_errors.InvalidRequestLine,
        400,
        "The request line is not valid: it takes a method, a path in printable ASCII with "
        "everything else percent-encoded, and the version, separated by single spaces.",
    ),
    (
        http_errors.ObsoleteFolding,
        400,
        "A header field goes over several lines; write it on one.",
    ),
    (
        http_errors.UnsupportedTransferCoding,
        400,
        "Of the transfer codings only chunked is understood.",
    ),
    (
        http_errors.ExpectationFailed,
        400,
        "Of the expectations only 100-continue is understood.",
    ),
    (
        http_errors.InvalidHeader,
        400,
        "A header field is not valid, stands twice, or contradicts another one.",
    ),
    (
        http_errors.InvalidHeaderName,
        400,
        "The name of a header field is not valid.",
    ),
)
