"""Parsing of request heads: strict checks line by line, then h11; no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

import h11

from mi_ldap.serving.errors import (
    BODY_LIMIT,
    FIELDS_LIMIT,
    HEAD_LIMIT,
    LINE_LIMIT,
    RequestError,
    body_too_large,
    head_too_large,
    invalid,
    line_too_long,
)

_REQUEST_LINE: Final = re.compile(rb"[^ ]+ [\x21-\x7e]+ HTTP/[0-9]\.[0-9]\r\n")
_METHOD: Final = re.compile(rb"[A-Z][A-Z0-9_-]{0,19} ")
# Absolute-form (RFC 9112 §3.2.2) is what clients send to a proxy; a fragment is never sent.
_TARGET: Final = re.compile(rb"(?:https?://([^/?#]*))?((?:/[^?#]*)?)(?:\?([^#]*))?", re.IGNORECASE)
_FIELD_NAME: Final = re.compile(rb"[!#$%&'*+.^`|~0-9A-Za-z-]+:")  # no `_`: WSGI takes it for `-`
_UNPRINTABLE: Final = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
# RFC 9110 §7.2, and RFC 3986 §3.2.2; an http(s) address has a host (RFC 9110 §4.2.1).
_HOST: Final = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
)
# A proxy and this service might each use another one of two.
_SINGLE_FIELDS: Final = frozenset((b"host", b"content-length", b"content-type"))
_MAX_DIGITS: Final = 15  # Python refuses to convert more than 4300 digits
_AMBIGUOUS: Final = "A header field is not valid, occurs twice, or contradicts another one."
_CODINGS: Final = "The only supported transfer coding is chunked."
_NO_TARGET: Final = "The target of the request is not the URL of a resource."


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request without its body.

    Attributes:
        method: `"GET"`.
        path: percent-encoded, `"/users/a%2Fb"`; `"*"` for the server itself.
        query: what follows the `?`, percent-encoded.
        version: `"HTTP/1.1"`.
        fields: names in lower case, and their values, in the order in which they came.
        length: bytes of the body, None for a chunked one.
        streams_body: whether the application is called before the body is received.
        expects_continue: whether the client waits for `100 Continue`.
        exchange: h11's connection of this one exchange, which frames the response.
    """

    method: str
    path: str
    query: str
    version: str
    fields: tuple[tuple[str, str], ...]
    length: int | None
    streams_body: bool
    expects_continue: bool
    exchange: h11.Connection


StreamsBody = Callable[[str, str], bool]
"""Tells by method and decoded path whether a body of any size is accepted, and streamed."""


def streams_nothing(_method: str, _path: str) -> bool:
    """Return False: every body is collected before the application is called."""
    return False


class HeadReader:
    """Reads a head from the front of a buffer, in whatever pieces the bytes arrive.

    Args:
        streams_body: tells which bodies may have any size.
    """

    # Each line is checked as soon as it is complete, so that the result does not depend on the
    # pieces, and a head that is wrong is refused before the rest of it arrives.

    def __init__(self, streams_body: StreamsBody = streams_nothing) -> None:
        self._streams_body = streams_body
        self._lines = 0
        self._checked = 0  # bytes, all of them in complete lines
        self._searched = 0

    def read(self, buffer: bytearray) -> RequestHead | None:
        """Remove the head from the buffer and return it; None while it is not complete.

        Raises:
            RequestError: the head is not valid, too large, or uses an unsupported feature.
        """
        while (end := buffer.find(b"\n", self._searched) + 1) > 0:
            line = bytes(buffer[self._checked : end])
            self._check(line)
            self._lines += 1
            self._checked = self._searched = end
            if line == b"\r\n":
                head = bytes(buffer[:end])
                del buffer[:end]
                return parse(head, self._streams_body)
        # The next call does not search these bytes again: a client may send them one by one.
        self._searched = len(buffer)
        self._check_size(len(buffer) - self._checked)
        return None

    def _check(self, line: bytes) -> None:
        # h11 0.16 accepts what proxies may interpret differently (request smuggling): bare line
        # feeds, folded fields, control characters, a Content-Length beside a Transfer-Encoding. It
        # also takes 0.3 s for a field of 8 kB of spaces before a NUL.
        self._check_size(len(line))
        if not line.endswith(b"\r\n") or _UNPRINTABLE.search(line, 0, len(line) - 2):
            raise invalid()
        if self._lines == 0:
            _check_request_line(line)
        elif line != b"\r\n":
            if self._lines > FIELDS_LIMIT:
                raise head_too_large()
            _check_field(line)

    def _check_size(self, length: int) -> None:
        if length > LINE_LIMIT and self._lines == 0:
            raise line_too_long()
        if length > LINE_LIMIT or self._checked + length > HEAD_LIMIT:
            raise head_too_large()


def parse(head: bytes, streams_body: StreamsBody = streams_nothing) -> RequestHead:
    """Parse a head whose lines have been checked.

    Args:
        head: all bytes up to the empty line.
        streams_body: tells which bodies may have any size.

    Raises:
        RequestError: the head is not valid, or uses an unsupported feature.
    """
    exchange = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
    fields = [_split(line) for line in head.split(b"\r\n")[1:-2]]
    _check_single(fields)
    length = _framing(head, fields)
    exchange.receive_data(head)
    try:
        request = exchange.next_event()
    except h11.RemoteProtocolError:
        raise invalid() from None
    assert isinstance(request, h11.Request)  # noqa: S101 - the head ends with an empty line
    _check_host(request.http_version, fields)
    authority, path, query = _split_target(request.method, request.target)
    if authority:  # RFC 9112 §3.2.2: it replaces the Host field
        fields = [(b"host", authority), *(each for each in fields if each[0] != b"host")]
    method = request.method.decode("ascii")
    is_streamed = length != 0 and streams_body(method, decoded_path(path))
    if not is_streamed and length is not None and length > BODY_LIMIT:
        raise body_too_large()
    return RequestHead(
        method=method,
        path=path,
        query=query,
        version=f"HTTP/{min(request.http_version, b'1.1').decode('ascii')}",
        fields=tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in fields),
        length=length,
        streams_body=is_streamed,
        expects_continue=_expects_continue(request.http_version, fields),
        exchange=exchange,
    )


def decoded_path(path: str) -> str:
    """Return a percent-encoded path as in WSGI: bytes as text in Latin-1, here of UTF-8."""
    return unquote_to_bytes(path).decode("latin-1")


Fields = list[tuple[bytes, bytes]]


def _check_request_line(line: bytes) -> None:
    if not _REQUEST_LINE.fullmatch(line):
        raise invalid(
            "The request line is not valid: it takes a method, a path in printable ASCII with "
            "everything else percent-encoded, and the version, separated by single spaces."
        )
    if not _METHOD.match(line):
        raise invalid("The method of the request is not an HTTP method.")
    if line[-5:-4] != b"1":  # a minor version that is not known is answered as 1.1 (RFC 9110 §2.5)
        raise invalid("Only HTTP/1.1 and HTTP/1.0 are supported.")


def _check_field(line: bytes) -> None:
    if line[:1] in b" \t":
        raise invalid("A header field continues on a second line; send it on one.")
    if b":" not in line:
        raise invalid(_AMBIGUOUS)
    if not _FIELD_NAME.match(line):
        raise invalid("The name of a header field is not valid.")


def _split(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")


def _check_single(fields: Fields) -> None:
    names = [name for name, _ in fields if name in _SINGLE_FIELDS]
    if len(names) != len(set(names)):
        raise invalid(_AMBIGUOUS)


def _framing(head: bytes, fields: Fields) -> int | None:
    """Return the length of the body in bytes, None for a chunked one (RFC 9112 §6.3).

    Raises:
        RequestError: the length is ambiguous: a proxy could determine another one.
    """
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    lengths = [value for name, value in fields if name == b"content-length"]
    if codings:
        if lengths or head[: head.index(b"\r\n")].endswith(b"/1.0"):
            raise invalid(_AMBIGUOUS)
        _check_codings(b",".join(codings))
        return None
    return _length(lengths[0]) if lengths else 0


def _check_codings(sent: bytes) -> None:
    codings = [coding.strip(b" \t").lower() for coding in sent.split(b",")]
    if codings.count(b"chunked") != 1 or codings[-1] != b"chunked":
        raise invalid(_CODINGS)
    if codings != [b"chunked"]:  # RFC 9112 §6.1: the length is clear, the content not supported
        raise RequestError(501, _CODINGS)


def _length(value: bytes) -> int:
    if not value.isdigit():
        raise invalid(_AMBIGUOUS)
    digits = value.lstrip(b"0") or b"0"
    if len(digits) > _MAX_DIGITS:
        raise body_too_large()
    return int(digits)


def _split_target(method: bytes, target: bytes) -> tuple[bytes, str, str]:
    """Return authority (or `b""`), path and query, percent-encoded; reject CONNECT."""
    if target == b"*" and method == b"OPTIONS":
        return b"", "*", ""
    match = _TARGET.fullmatch(target)
    if match is None or method == b"CONNECT" or (match[1] is None and not match[2]):
        raise invalid(_NO_TARGET)
    if match[1] is not None and not _HOST.fullmatch(match[1]):
        raise invalid(_NO_TARGET)
    return match[1] or b"", (match[2] or b"/").decode("ascii"), (match[3] or b"").decode("ascii")


def _check_host(version: bytes, fields: Fields) -> None:
    """Require exactly one valid Host field (RFC 9112 §3.2); HTTP/1.0 needs none."""
    host = next((value for name, value in fields if name == b"host"), None)
    if host is None and version < b"1.1":
        return
    if host is None or not _HOST.fullmatch(host):
        raise invalid("The request has no Host field, or an invalid one.")


def _expects_continue(version: bytes, fields: Fields) -> bool:
    """Whether the client waits for `100 Continue` (RFC 9110 §10.1.1); never in HTTP/1.0."""
    expected = [value.lower() for name, value in fields if name == b"expect"]
    if any(value != b"100-continue" for value in expected):
        raise invalid("The only supported expectation is 100-continue.")
    return bool(expected) and version >= b"1.1"
