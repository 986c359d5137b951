"""HTTP as the worker speaks it, and what it refuses before the application is asked."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator

import pytest

from tests.faults.tiny_service import (
    GET,
    PART,
    Service,
    assert_refused,
    is_closed,
    read_answer,
    receive,
    running,
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One with little patience, for all the tests."""
    with running(tmp_path_factory.mktemp("service"), "hurried") as service:
        yield service


# What HTTP is made of


def test_connections_are_kept_and_requests_may_be_pipelined(service: Service) -> None:
    post = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nping"
    with service.connect() as connection:
        connection.sendall(post + GET + post)
        replies = b""
        while replies.count(b"200 OK") < 3 or not replies.endswith(b"ping"):
            replies += receive(connection)
        assert replies.index(b"ping") < replies.index(b"hello") < replies.rindex(b"ping")
        connection.sendall(GET)
        assert read_answer(connection)[2] == b"hello"


def test_http_1_0_is_answered_and_closed(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
        status, head, body = read_answer(connection)
        assert (status, body) == (200, b"hello")
        assert "Connection: close" in head
        assert is_closed(connection)


def test_a_client_may_ask_before_it_sends_the_body(service: Service) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ping")
        assert read_answer(connection)[2] == b"ping"


def test_a_body_too_large_is_refused_instead_of_asked_for(service: Service) -> None:
    head = (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n"
    )
    assert_refused(service.send(head), "413 Content Too Large")


CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_chunked_body_is_put_together(service: Service) -> None:
    chunks = b"2;x=y\r\npi\r\n2\r\nng\r\n0\r\nTrailer: x\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(CHUNKED + chunks + GET)
        replies = b""
        while not replies.endswith(b"hello"):
            replies += receive(connection)
        assert b"ping" in replies


def test_head_is_answered_without_a_body(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).endswith(b"\r\n\r\n")
        assert is_closed(connection)


def test_close_among_other_options_closes(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: x, close\r\n\r\n")
        assert "\r\nConnection: close" in read_answer(connection)[1]
        assert is_closed(connection)


def test_a_later_minor_version_is_answered_as_1_1(service: Service) -> None:
    status, head, body = service.send(b"GET /hello HTTP/1.9\r\nHost: x\r\n\r\n")
    assert (status, body) == (200, b"hello")
    assert head.startswith("HTTP/1.1 ")
    assert "\r\nConnection: keep-alive" in head


def test_a_response_of_unknown_length_is_chunked(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET /parts?3 HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert len(response.read()) == 3 * PART
        assert read_answer(connection)[2] == b"hello"


def test_a_response_of_unknown_length_ends_with_the_connection_in_1_0(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET /parts?3 HTTP/1.0\r\n\r\n")
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.headers["Transfer-Encoding"] is None
        assert len(response.read()) == 3 * PART


def test_an_application_that_fails_in_the_midst_cuts_the_response_short(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET /parts?failing HTTP/1.1\r\nHost: x\r\n\r\n")
        response = http.client.HTTPResponse(connection)
        response.begin()
        with pytest.raises((http.client.IncompleteRead, OSError)):
            response.read()


def test_older_tls_is_refused(service: Service) -> None:
    with service.connect(ssl.TLSVersion.TLSv1_2) as connection:
        assert connection.version() == "TLSv1.2"
    with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises(ssl.SSLError):
        service.connect(ssl.TLSVersion.TLSv1_1)


# What is refused before the application

REFUSED = {
    "no Host": (b"GET /hello HTTP/1.1\r\n\r\n", "400 Bad Request"),
    "no host": (b"GET /hello HTTP/1.1\r\nHost: x/y\r\n\r\n", "400 Bad Request"),
    "two hosts": (b"GET /hello HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "400 Bad Request"),
    "gzip and chunks": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "501 Not Implemented",
    ),
    "no request line": (b"\r\n\r\n", "400 Bad Request"),
    "not HTTP": (b"hello\r\n\r\n", "400 Bad Request"),
    "bare line feeds": (b"GET / HTTP/1.1\nHost: x\n\n", "400 Bad Request"),
    "a raw space": (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
    "a NUL": (b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
    "a NUL in a field": (b"GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n", "400 Bad Request"),
    "not ASCII": ("GET /é HTTP/1.1\r\nHost: x\r\n\r\n".encode(), "400 Bad Request"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 Bad Request"),
    "method": (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
    "folding": (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", "400 Bad Request"),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost: x\r\nX : a\r\n\r\n", "400 Bad Request"),
    "two lengths": (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nping",
        "400 Bad Request",
    ),
    "length and chunks": (
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        "400 Bad Request",
    ),
    "a negative length": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "400 Bad Request",
    ),
    "a coding": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "400 Bad Request",
    ),
    "another coding": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n",
        "400 Bad Request",
    ),
    "an expectation": (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n", "400 Bad Request"),
    "a chunk's size": (CHUNKED + b"+2\r\npi\r\n0\r\n\r\n", "400 Bad Request"),
    "a chunk's end": (CHUNKED + b"2\r\nping\r\n0\r\n\r\n", "400 Bad Request"),
    "a trailer": (CHUNKED + b"0\r\nX: a\nY: b\r\n\r\n", "400 Bad Request"),
    "a line of chunks": (CHUNKED + b"2;" + b"x" * 50_000, "400 Bad Request"),
    "a long request line": (
        b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 9_000),
        "414 URI Too Long",
    ),
    "a longer one": (b"GET /" + b"x" * 100_000, "414 URI Too Long"),
    "many fields": (
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 101 + b"\r\n",
        "431 Request Header Fields Too Large",
    ),
    "a long field": (
        b"GET / HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"x" * 9_000),
        "431 Request Header Fields Too Large",
    ),
    "a head of 20 kB": (
        b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"X: %b\r\n" % (b"x" * 5_000)) * 4 + b"\r\n",
        "431 Request Header Fields Too Large",
    ),
    "a head of 100 kB": (
        b"GET / HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"x" * 100_000),
        "431 Request Header Fields Too Large",
    ),
    "a large body": (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000,
        "413 Content Too Large",
    ),
    "large chunks": (CHUNKED + (b"10000\r\n%b\r\n" % (b"x" * 65536)) * 40, "413 Content Too Large"),
    "a very large chunk": (CHUNKED + b"ffffffff\r\n", "413 Content Too Large"),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
def test_is_refused_in_our_form(service: Service, sent: bytes, status: str) -> None:
    assert_refused(service.send(sent), status)


def test_a_broken_application_is_answered_500_and_nothing_of_it_is_told(service: Service) -> None:
    answer = service.send(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
    assert_refused(answer, "500 Internal Server Error")
    assert b"luck" not in answer[2]


def test_answers_do_not_say_what_serves_them(service: Service) -> None:
    assert "gunicorn" not in service.send(GET)[1]


def test_plain_http_on_the_tls_port_is_told_so(service: Service) -> None:
    with service.dial() as connection:
        connection.sendall(GET)
        assert_refused(read_answer(connection), "400 Bad Request")


# Logs


def test_every_line_of_the_log_is_one_json_object(service: Service) -> None:
    service.send(GET)
    service.send(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert all({"at", "level", "event"} <= line.keys() for line in lines)
    hello = next(line for line in lines if line.get("path") == "/hello")
    assert (hello["method"], hello["status"], hello["client"]) == ("GET", 200, "127.0.0.1")
    assert hello["requestId"] == "r1"
    assert any("no such luck" in line.get("exception", "") for line in lines)


def test_nothing_of_what_may_be_secret_is_logged(service: Service) -> None:
    service.send(b"GET /hello?q=s3cret HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\r\n\r\n")
    service.send(b"GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Basic s3cret\0\r\n\r\n")
    service.send(b"GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization s3cret\r\n\r\n")
    service.send(b"s3cret\r\n\r\n")
    assert "s3cret" not in service.log.read_text()
