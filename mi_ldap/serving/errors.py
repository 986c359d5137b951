"""Errors of requests that do not reach the application, as flat JSON like its own errors."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final
from uuid import uuid4

HEAD_LIMIT: Final = 16 * 1024
"""Bytes of a request line and all header fields together."""
# Bytes of a body; a little over the application's own limit, whose sentence is more specific.
BODY_LIMIT: Final = 1024 * 1024 + 64 * 1024
LINE_LIMIT: Final = 8190
"""Bytes of the request line alone, and of one header field, its CRLF included."""
FIELDS_LIMIT: Final = 100
"""Header fields of one request."""

# The sentences never repeat data from the request: a malformed head may contain a password.
INVALID_CHUNKS: Final = "The body of the request is not valid chunked encoding."


class RequestError(Exception):
    """A request that is answered with an error by the server itself.

    Args:
        status: the HTTP status, e.g. 400.
        sentence: the value of `Error` in the response.
        retry_after_s: the value of `Retry-After`, in seconds; None to send none.
    """

    def __init__(self, status: int, sentence: str, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status = HTTPStatus(status)
        self.sentence = sentence
        self.retry_after_s = retry_after_s
        self.request_id = uuid4().hex

    def response(self) -> bytes:
        """Return the complete response as bytes."""
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


def invalid(sentence: str = "The request is not valid HTTP/1.1.") -> RequestError:
    """Return a 400 error with the sentence."""
    return RequestError(400, sentence)


def line_too_long() -> RequestError:
    """Return the error of a request line over `LINE_LIMIT`."""
    return RequestError(414, f"The request line is longer than {LINE_LIMIT} bytes.")


def head_too_large() -> RequestError:
    """Return the error of header fields over one of the three limits."""
    return RequestError(
        431,
        f"The head of the request is too large: at most {HEAD_LIMIT // 1024} kB in all, "
        f"{FIELDS_LIMIT} fields, and {LINE_LIMIT} bytes a field.",
    )


def body_too_large() -> RequestError:
    """Return the error of a body whose declared or actual size exceeds the limit."""
    return RequestError(413, "The body of the request is larger than 1 MB.")


def too_slow(part: str) -> RequestError:
    """Return the error of a `part` (`"head"`, `"body"`) that did not arrive in time."""
    return RequestError(408, f"The {part} of the request did not arrive in time.")


def too_busy() -> RequestError:
    """Return the error of a request for which no thread became free in time."""
    return RequestError(503, "The service is too busy. Try again later.", retry_after_s=1)


# The names of RFC 9110; http.HTTPStatus of Python 3.11 and 3.12 has older ones.
_REASONS = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "URI Too Long",
}
