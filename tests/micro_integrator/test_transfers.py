"""The stand-in's log files and uploads: bytes are streamed, counted and hashed."""

from __future__ import annotations

import hashlib

import pytest

from tests.micro_integrator import Fault, MicroIntegrator, log_bytes, log_sha256
from tests.micro_integrator.client import Client, receive_all
from tests.until import until

_BOUNDARY = "--x'y"
_TYPE = f'Content-Type: multipart/form-data; boundary="{_BOUNDARY}"'


def multipart(content: bytes, filename: str = "Zażółć.car") -> bytes:
    """A body with one file, as the Go CLI sends it."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"'
    return (
        f"{head}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + f"\r\n--{_BOUNDARY}--\r\n".encode()
    )


def test_a_log_file_has_the_bytes_that_its_size_tells(mi: MicroIntegrator, client: Client) -> None:
    size = 30_000_001
    mi.add_log("übersicht 2.log", size)
    answer = client.ask("GET", "logs?file=%C3%BCbersicht%202.log")
    assert hashlib.sha256(answer.body).hexdigest() == log_sha256(size)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert int(answer.headers["Content-Length"]) == size
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert mi.forwarded[0].sent == size
    assert "übersicht 2.log" in [item["FileName"] for item in client.get("logs")["list"]]


def test_a_log_file_without_a_byte_is_an_answer(client: Client) -> None:
    answer = client.ask("GET", "logs?file=wso2error.log")
    assert (answer.status, answer.body) == (200, b"")
    assert client.ask("GET", "logs?file=none.log").status == 404


@pytest.mark.parametrize(
    ("asked", "part"), [("5-", slice(5, None)), ("5-9", slice(5, 10)), ("-7", slice(-7, None))]
)
def test_a_range_of_a_log_file_is_sent(
    mi: MicroIntegrator, client: Client, asked: str, part: slice
) -> None:
    mi.add_log("ranges.log", 3_000_000)
    headers = {"Authorization": f"Bearer {client.token}", "Range": f"bytes={asked}"}
    answer = client.ask("GET", "logs?file=ranges.log", headers=headers)
    assert answer.status == 206
    assert answer.body == log_bytes(3_000_000)[part]
    start = 3_000_000 - len(log_bytes(3_000_000)[part]) if part.stop is None else part.start
    assert answer.headers["Content-Range"].startswith(f"bytes {start}-")
    assert (
        client.ask(
            "GET", "logs?file=ranges.log", headers={**headers, "Range": "bytes=3000000-"}
        ).status
        == 416
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"\r\n--", b"x" * 300_000 + f"\r\n--{_BOUNDARY[:-1]}".encode()],
)
def test_an_upload_is_counted_and_hashed(
    mi: MicroIntegrator, client: Client, content: bytes
) -> None:
    body = multipart(content)
    name, value = _TYPE.split(": ", 1)
    headers = {"Authorization": f"Bearer {client.token}", name: value}
    answer = client.ask("POST", "applications", body, headers)
    assert answer.status == 200
    received = mi.forwarded[-1]
    assert (received.length, received.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert received.is_complete
    assert received.parts == [
        {
            "name": "file",
            "filename": "Zażółć.car",
            "content_type": "application/octet-stream",
            "length": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    ]
    assert "Zażółć" in [item["name"] for item in client.get("applications")["activeList"]]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (multipart(b"x", "x.zip"), _TYPE),
        (multipart(b"x")[:-10], _TYPE),
        (multipart(b"x").removesuffix(b"--\r\n") + b"\r\n" + multipart(b"y")[7:], _TYPE),
        (multipart(b"x"), "Content-Type: application/zip"),
        (b"", _TYPE),
    ],
)
def test_an_upload_that_is_not_one_file_is_400(
    client: Client, body: bytes, content_type: str
) -> None:
    name, value = content_type.split(": ", 1)
    headers = {"Authorization": f"Bearer {client.token}", name: value}
    assert client.ask("POST", "applications", body, headers).status == 400


def test_a_chunked_upload_is_accepted(mi: MicroIntegrator, client: Client) -> None:
    body = multipart(b"x" * 70_000)
    chunks = b"".join(b"%X;a=b\r\n%b\r\n" % (len(p), p) for p in (body[:9], body[9:]))
    head = client.head("POST", "applications", _TYPE, "Transfer-Encoding: chunked")
    last = client.head("GET", "server", "Connection: close")
    answers = client.exchange(head + chunks + b"0\r\nX-Trailer: 1\r\n\r\n" + last)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert mi.forwarded[0].sha256 == hashlib.sha256(body).hexdigest()


def test_a_body_is_asked_for_by_100_continue(client: Client) -> None:
    expect = ("Content-Length: 4", "Expect: 100-continue", "Connection: close")
    with client.dial() as connection:
        connection.sendall(client.head("PATCH", "server", *expect))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"null")
        assert receive_all(connection).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_401_comes_instead_of_100_continue(mi: MicroIntegrator, client: Client) -> None:
    mi.forget_tokens()
    expect = ("Content-Length: 4", "Expect: 100-continue")
    assert client.exchange(client.head("PATCH", "server", *expect)).startswith(b"HTTP/1.1 401 ")
    assert not mi.forwarded[-1].is_complete


def test_an_upload_that_breaks_off_is_recorded_as_such(mi: MicroIntegrator, client: Client) -> None:
    with client.dial() as connection:
        connection.sendall(client.head("POST", "applications", _TYPE, "Content-Length: 100"))
        connection.sendall(b"0123456789")
        until(lambda: [one.length for one in mi.forwarded] == [10])
    until(lambda: mi.forwarded[-1].client_gone)
    assert not mi.forwarded[-1].is_complete
    assert mi.forwarded[-1].status == 0


def test_a_download_that_breaks_off_is_recorded_as_such(
    mi: MicroIntegrator, client: Client
) -> None:
    mi.add_log("huge.log", 10**12)
    with client.dial() as connection:
        connection.sendall(client.head("GET", "logs?file=huge.log"))
        connection.recv(1000)
    until(lambda: mi.forwarded[-1].client_gone)
    assert 0 < mi.forwarded[-1].sent < 10**12


def test_a_slow_reader_takes_an_upload_in_drips(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.SLOW_READER, piece_bytes=1000, seconds=30)
    with client.dial() as connection:
        body = multipart(b"x" * 5000)
        head = client.head("POST", "applications", _TYPE, f"Content-Length: {len(body)}")
        connection.sendall(head + body)
        until(lambda: [one.length for one in mi.forwarded] == [1000])
        assert mi.forwarded[-1].status == 0
        mi.set_mode()
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert mi.forwarded[-1].length == len(body)


def test_an_early_answer_reaches_a_client_that_is_still_sending(
    mi: MicroIntegrator, client: Client
) -> None:
    mi.set_mode(Fault.ANSWER_EARLY, status=413)
    head = client.head("POST", "applications", _TYPE, "Content-Length: 400000")
    assert client.exchange(head + b"x" * 300_000).startswith(b"HTTP/1.1 413 ")
    assert mi.forwarded[-1].length == 0
