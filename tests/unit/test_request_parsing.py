"""Requests out of bytes: what is refused, and that nothing depends on how the bytes are cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_ldap.serving.errors import RequestError
from mi_ldap.serving.request_body import ChunkedBody, SizedBody
from mi_ldap.serving.request_head import HeadReader, RequestHead
from tests.stopwatch import least_cpu_s

Parsed = tuple[Any, ...]
"""Of each request `(method, path, query, fields, body)`, then `(status, sentence)` of an error."""


def requests_in(pieces: list[bytes]) -> Parsed:
    """What a connection makes of bytes that arrive in these pieces."""
    buffer = bytearray()
    parser = parsing(buffer)
    found: list[object] = []
    try:
        for piece in pieces:
            buffer += piece
            while (request := next(parser)) is not None:
                found.append(request)
    except RequestError as error:
        found.append((error.status.value, error.sentence))
    return tuple(found)


def parsing(buffer: bytearray) -> Iterator[Parsed | None]:
    """Each complete request, or None where more must arrive."""
    while True:
        reader = HeadReader()
        while (head := reader.read(buffer)) is None:
            yield None
        body_reader = ChunkedBody() if head.length is None else SizedBody(head.length)
        while (body := body_reader.read(buffer)) is None:
            yield None
        yield head.method, head.path, head.query, head.fields, body


def status_of(data: bytes) -> int | None:
    """The status that it is refused with; None where it is not."""
    last = requests_in([data])[-1:]
    return last[0][0] if last and isinstance(last[0][0], int) else None


def head_of(data: bytes) -> RequestHead:
    head = HeadReader().read(bytearray(data))
    assert head is not None
    return head


GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"

REFUSED = {
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "no Host, 1.9": (b"GET / HTTP/1.9\r\n\r\n", 400),
    "an empty Host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "two Hosts": (GET + b"Host: x\r\n\r\n", 400),
    "a Host with a path": (b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
    "a Host with a space": (b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
    "a Host with a user": (b"GET / HTTP/1.1\r\nHost: a@x\r\n\r\n", 400),
    "a Host with a word for a port": (b"GET / HTTP/1.1\r\nHost: x:y\r\n\r\n", 400),
    "two Hosts in one": (b"GET / HTTP/1.1\r\nHost: x, y\r\n\r\n", 400),
    "an IPv6 Host without brackets": (b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400),
    "a malformed Host of 1.0": (b"GET / HTTP/1.0\r\nHost: x/y\r\n\r\n", 400),
    "version 2": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
    "version 0.9": (b"GET / HTTP/0.9\r\nHost: x\r\n\r\n", 400),
    "no version": (b"GET /\r\nHost: x\r\n\r\n", 400),
    "version in small letters": (b"GET / http/1.1\r\nHost: x\r\n\r\n", 400),
    "version of two digits": (b"GET / HTTP/1.10\r\nHost: x\r\n\r\n", 400),
    "a tab in the request line": (b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "two spaces in the request line": (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a fragment": (b"GET /users/c#sharp HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "no path": (b"GET users HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an authority": (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "CONNECT to a path": (b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an asterisk": (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "another scheme": (b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an address with a user": (b"GET http://a@x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a blank line first": (b"\r\n" + GET + b"\r\n", 400),
    "a bare line feed": (b"GET / HTTP/1.1\nHost: x\r\n\r\n", 400),
    "a bare line feed in a field": (GET + b"A: b\nC: d\r\n\r\n", 400),
    "a bare line feed at the end": (GET + b"\n", 400),
    "a bare carriage return": (GET + b"A: b\rC: d\r\n\r\n", 400),
    "a NUL": (GET + b"A: \0\r\n\r\n", 400),
    "a control character": (GET + b"A: \x01\r\n\r\n", 400),
    "folding": (GET + b"A: b\r\n c: d\r\n\r\n", 400),
    "folding at once": (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    "no colon": (GET + b"A\r\n\r\n", 400),
    "no name": (GET + b": a\r\n\r\n", 400),
    "a space in a name": (GET + b"A : b\r\n\r\n", 400),
    "an underscore in a name": (GET + b"X_Forwarded_For: b\r\n\r\n", 400),
    "a name that is not ASCII": (GET + b"\xc3\xa9: b\r\n\r\n", 400),
    "length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "chunks of 1.0": (
        b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
        400,
    ),
    "the same length twice": (POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    "a list of lengths": (POST + b"Content-Length: 1, 1\r\n\r\na", 400),
    "a signed length": (POST + b"Content-Length: +1\r\n\r\na", 400),
    "a length in hex": (POST + b"Content-Length: 0x1\r\n\r\na", 400),
    "a length with a separator": (POST + b"Content-Length: 1_0\r\n\r\na", 400),
    "an empty length": (POST + b"Content-Length: \r\n\r\n", 400),
    "other digits": (POST + "Content-Length: \u0661\r\n\r\n".encode(), 400),
    "a length of 4,000 digits": (POST + b"Content-Length: %b\r\n\r\n" % (b"9" * 4000), 413),
    "two types": (POST + b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", 400),
    "gzip, then chunks": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "gzip, then chunks, in two": (
        POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        501,
    ),
    "chunks, then gzip": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", 400),
    "chunks twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n", 400),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "no coding": (POST + b"Transfer-Encoding: \r\n\r\n", 400),
    "almost chunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n", 400),
    "chunked in quotes": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n', 400),
    "a vertical tab": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n", 400),
    "a chunk without a size": (CHUNKED + b"\r\n" + END, 400),
    "a chunk of negative size": (CHUNKED + b"-1\r\n" + END, 400),
    "a chunk size in 0x": (CHUNKED + b"0x1\r\na\r\n" + END, 400),
    "a chunk size with a space": (CHUNKED + b"1 \r\na\r\n" + END, 400),
    "a space before a chunk size": (CHUNKED + b" 1\r\na\r\n" + END, 400),
    "a chunk size of nine digits": (CHUNKED + b"000000001\r\na\r\n" + END, 400),
    "a chunk line with a bare line feed": (CHUNKED + b"1\na\r\n" + END, 400),
    "an extension with a carriage return": (CHUNKED + b"1;a\rb\r\na\r\n" + END, 400),
    "a chunk longer than it says": (CHUNKED + b"1\r\nab\r\n" + END, 400),
    "a chunk that ends in a line feed": (CHUNKED + b"1\r\na\n" + END, 400),
    "a trailer with a bare line feed": (CHUNKED + b"0\r\nA: b\n\r\n", 400),
    "a trailer with a NUL": (CHUNKED + b"0\r\nA: \0\r\n\r\n", 400),
    "endless trailers": (CHUNKED + b"0\r\n" + b"A: b\r\n" * 50_000, 400),
    "megabytes of framing": (CHUNKED + b"1\r\na\r\n" * 200_000, 400),
    "an endless chunk line": (CHUNKED + b"1;" + b"a" * 10_000, 400),
    "too many fields": (GET + b"A: b\r\n" * 100 + b"\r\n", 431),
    "too much of a head": (GET + b"A: %b\r\n" % (b"x" * 6_000) * 3 + b"\r\n", 431),
    "an endless field": (GET + b"A: " + b"x" * 9_000, 431),
    "an endless request line": (b"GET /" + b"x" * 9_000, 414),
}

CUT = {name: sent for name, sent in REFUSED.items() if len(sent[0]) < 500}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
def test_an_invalid_request_is_refused(sent: bytes, status: int) -> None:
    assert status_of(sent) == status


TAKEN = {
    "origin form": (GET + b"\r\n", ("GET", "/", "")),
    "absolute form": (
        b"GET http://y:1/a?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
        ("GET", "/a", "b=c"),
    ),
    "absolute form without a path": (
        b"GET http://y HTTP/1.1\r\nHost: x\r\n\r\n",
        ("GET", "/", ""),
    ),
    "asterisk form": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", ("OPTIONS", "*", "")),
    "two slashes": (b"GET //a?b?c HTTP/1.1\r\nHost: x\r\n\r\n", ("GET", "//a", "b?c")),
    "1.0 without Host": (b"GET / HTTP/1.0\r\n\r\n", ("GET", "/", "")),
    "an IPv6 Host": (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ("GET", "/", "")),
}


@pytest.mark.parametrize(("sent", "expected"), TAKEN.values(), ids=TAKEN)
def test_is_taken(sent: bytes, expected: tuple[str, str, str]) -> None:
    head = head_of(sent)
    assert (head.method, head.path, head.query) == expected


def test_a_later_minor_version_is_taken_for_1_1() -> None:
    head = head_of(b"GET / HTTP/1.9\r\nHost: x\r\nExpect: 100-Continue\r\n\r\n")
    assert (head.version, head.expects_continue) == ("HTTP/1.1", True)
    assert b"200" in head.exchange.send(h11.Response(status_code=200, headers=[]))


def test_the_address_counts_and_not_the_field() -> None:
    assert dict(head_of(b"GET http://y:1/ HTTP/1.1\r\nHost: x\r\n\r\n").fields)["host"] == "y:1"


@pytest.mark.parametrize("options", [b"close", b"x, close", b"x,Close,y", b"keep-alive, close"])
def test_close_among_other_options_closes(options: bytes) -> None:
    exchange = head_of(GET + b"Connection: " + options + b"\r\n\r\n").exchange
    exchange.send(h11.Response(status_code=204, headers=[]))
    exchange.send(h11.EndOfMessage())
    assert exchange.our_state is h11.MUST_CLOSE


# However the bytes are cut

SENT = (
    GET + b"\r\n",
    POST + b"Content-Length: 5\r\n\r\nhello" + GET + b"\r\n",
    CHUNKED + b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n" + GET + b"\r\n",
    *(sent for sent, _ in CUT.values()),
)


def test_requests_may_arrive_in_parts() -> None:
    for sent in SENT:
        whole = requests_in([sent])
        assert whole
        for at in range(1, len(sent)):
            assert requests_in([sent[:at], sent[at:]]) == whole, sent
        assert requests_in([bytes([byte]) for byte in sent]) == whole, sent


FRAGMENTS = st.sampled_from(
    (
        *(b"GET / HTTP/1.1\r\n", b"POST /a?b HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"Host: x\r\n"),
        *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b"\0",
            b":",
            b"abc",
            b"3\r\n",
            b"0\r\n",
            b";x",
            b"A: b",
        ),
    )
)
STREAMS = st.lists(FRAGMENTS | st.binary(max_size=8), max_size=24).map(b"".join)


@given(STREAMS, st.lists(st.integers(1, 60), max_size=10))
@settings(max_examples=500, deadline=None)
def test_any_bytes_at_any_cut_give_the_same(sent: bytes, lengths: list[int]) -> None:
    pieces, at = [], 0
    for length in lengths:
        pieces.append(sent[at : at + length])
        at += length
    assert requests_in([*pieces, sent[at:]]) == requests_in([sent])


def by_h11(sent: bytes) -> list[Parsed]:
    """The requests as h11 alone reads them, which takes more than we do."""
    found: list[Parsed] = []
    rest = sent
    while rest:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(rest)
        try:
            request = connection.next_event()
            body = b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += bytes(event.data)
        except h11.RemoteProtocolError:
            break
        if not isinstance(request, h11.Request) or not isinstance(event, h11.EndOfMessage):
            break
        found.append((request.method.decode(), request.target.decode(), body))
        rest = connection.trailing_data[0]
    return found


@given(STREAMS)
@settings(max_examples=500, deadline=None)
def test_what_is_taken_is_what_h11_reads(sent: bytes) -> None:
    ours: list[Any] = [found for found in requests_in([sent]) if len(found) == 5]
    as_h11 = [
        (method, f"{path}?{query}" if query else path, body)
        for method, path, query, _, body in ours
    ]
    assert by_h11(sent)[: len(ours)] == as_h11


# Time


@pytest.mark.usefixtures("settled_heap", "untraced")
@pytest.mark.parametrize("byte", [b" ", b"\t", b":", b",", b";", b"=", b'"', b"%", b"\xcc", b"/"])
def test_no_byte_repeated_is_quadratic(byte: bytes) -> None:
    """h11 alone takes a third of a second for 8 kB of spaces."""
    heads = (
        *(b"GET /" + byte * 8_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",),
        *(GET + b"A:" + byte * 8_000 + end + b"\r\n\r\n" for end in (b"", b"a", b"\0")),
        *(GET + name + b": " + byte * 8_000 + b"\r\n\r\n" for name in (b"Host", b"Connection")),
        *(
            POST + name + byte * 8_000 + b"x\r\n\r\n"
            for name in (b"Transfer-Encoding: ", b"Expect:")
        ),
        CHUNKED + b"1" + byte * 4_000 + b"\r\na\r\n" + END,
    )

    def parse() -> None:
        for head in heads:
            requests_in([head])

    assert least_cpu_s(parse) < 0.3
