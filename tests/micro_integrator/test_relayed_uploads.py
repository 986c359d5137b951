"""Bodies of any size on their way to a node, through a real worker over TLS."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.micro_integrator import Fault, MicroIntegrator, log_bytes
from tests.micro_integrator.client import receive_all
from tests.micro_integrator.relaying_service import RelayingService, head_of, read_answer
from tests.until import until

FILE = "/management/registry-resources/content?path=registry/config/orders.json"
TYPE = "Content-Type: application/octet-stream"
CHUNKED = "Transfer-Encoding: chunked"
HELLO = head_of("GET", "/hello", "Connection: close")
SIZE = 3_000_000  # over the limit of the bodies that are collected


def chunks(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        piece = content[start : start + size]
        yield b"%x;note=1\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\nTrailer: x\r\n\r\n"


def drips(connection: ssl.SSLSocket) -> bool:
    """Send a byte, after a moment; return False once the connection has ended."""
    time.sleep(0.1)
    try:
        connection.sendall(b"x")
    except OSError:
        return False
    return True


def length(size: int = SIZE) -> str:
    return f"Content-Length: {size}"


def test_a_body_over_a_megabyte_is_streamed(mi: MicroIntegrator, service: RelayingService) -> None:
    content = log_bytes(SIZE)
    answer = service.ask("PUT", FILE, content, TYPE)
    assert answer.status == 200
    (received,) = mi.forwarded
    assert received.sha256 == hashlib.sha256(content).hexdigest()
    assert received.header("Content-Length") == str(SIZE)
    assert received.header("Content-Type") == "application/octet-stream"
    outcome = service.outcome()
    assert (outcome["sent_bytes"], outcome["is_effect_known"]) == (SIZE, True)


@pytest.mark.parametrize("size", [1000, 100_000])
def test_a_chunked_body_is_decoded_and_chunked_again(
    mi: MicroIntegrator, service: RelayingService, size: int
) -> None:
    content = log_bytes(SIZE)
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, TYPE, CHUNKED))
        connection.sendall(b"".join(chunks(content, size)) + HELLO)
        answer = read_answer(connection)
    assert answer.status == 200
    (received,) = mi.forwarded
    assert received.sha256 == hashlib.sha256(content).hexdigest()
    assert received.header("Transfer-Encoding") == "chunked"
    assert received.header("Content-Length") is None
    assert mi.violations == []


def test_the_next_request_follows_a_body_that_was_read(service: RelayingService) -> None:
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, TYPE, length(4)) + b"abcd" + HELLO)
        received = receive_all(connection)
    assert received.endswith(b"hello")
    assert b"\r\nConnection: keep-alive" in received


def test_an_empty_body_is_not_streamed(mi: MicroIntegrator, service: RelayingService) -> None:
    service.ask("PUT", FILE, b"", TYPE)
    assert mi.forwarded[0].header("Content-Length") == "0"


def test_other_bodies_keep_their_limit(mi: MicroIntegrator, service: RelayingService) -> None:
    answer = service.ask("POST", "/management/apis", b"x" * 1_200_000, TYPE)
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert mi.forwarded == []


# Before the body


def test_continue_is_sent_for_a_request_that_is_forwarded_only(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    expect = "Expect: 100-continue"
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, TYPE, length(4), expect))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abcd")
        assert read_answer(connection).status == 200
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, TYPE, length(4), expect, "X-Refuse: 1"))
        answer = read_answer(connection)
    assert (answer.status, answer.headers["connection"]) == (403, "close")
    assert len(mi.forwarded) == 1


def test_an_unread_body_is_never_taken_for_a_request(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    smuggled = head_of("DELETE", "/management/applications/x")
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length(), "X-Refuse: 1") + smuggled)
        received = receive_all(connection)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 403 ")
    assert received.endswith(b'{"read": 0}')
    assert mi.forwarded == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([length(4), CHUNKED], 400),
        ([length(4), length(5)], 400),
        ([length(4), length(4)], 400),
        (["Content-Length: +4"], 400),
        (["Content-Length: 4, 4"], 400),
        (["Transfer-Encoding: identity, chunked"], 501),
        (["Transfer-Encoding: chunked, identity"], 400),
        (["Transfer-Encoding: xchunked"], 400),
        (["Transfer-Encoding:\x0bchunked"], 400),
        ([f"Content-Length: 1{'0' * 15}"], 413),
    ],
)
def test_a_body_whose_end_is_ambiguous_is_refused(
    mi: MicroIntegrator, service: RelayingService, fields: list[str], status: int
) -> None:
    smuggled = head_of("DELETE", "/management/applications/x")
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, *fields) + b"0\r\n\r\n" + smuggled)
        received = receive_all(connection)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert mi.forwarded == []


# While it is sent


@pytest.mark.parametrize(
    "wrong", [b"zz\r\n", b"4\r\nabcdX\r\n", b"5\nabcde\r\n", b"-1\r\n", b"0\r\nx\x00: y\r\n\r\n"]
)
def test_invalid_chunks_end_both_requests(
    mi: MicroIntegrator, service: RelayingService, wrong: bytes
) -> None:
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, CHUNKED) + b"4\r\nabcd\r\n" + wrong + HELLO)
        received = receive_all(connection)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 400 ")
    until(lambda: mi.forwarded[0].client_gone)
    assert not mi.forwarded[0].is_complete
    outcome = service.outcome()
    assert (outcome["status"], outcome["is_effect_known"]) == (400, False)


def test_a_client_that_goes_away_in_its_body_ends_the_request_to_the_node(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length()) + b"x" * 100_000)
        until(lambda: len(mi.forwarded) == 1 and mi.forwarded[0].length == 100_000)
    until(lambda: mi.forwarded[0].client_gone)
    assert not mi.forwarded[0].is_complete
    outcome = service.outcome()
    assert (outcome["status"], outcome["is_effect_known"]) == (499, False)
    assert outcome["reason"] == "The client closed the connection."


def test_a_body_that_moves_may_take_long_and_one_that_stops_is_refused(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    piece = b"x" * 65_536
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length(6 * len(piece))))
        for _ in range(6):
            connection.sendall(piece)
            time.sleep(0.5)  # in all longer than the time limit of 2 s
        assert read_answer(connection).status == 200
    service.forget_outcomes()
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length()) + piece)
        answer = read_answer(connection)
    assert (answer.status, answer.error) == (408, "The body of the request did not arrive in time.")
    assert service.outcome()["status"] == 408


def test_a_body_that_drips_is_refused(service: RelayingService) -> None:
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length()))
        until(lambda: not drips(connection))
    assert service.outcome()["status"] == 408


def test_a_slow_node_slows_its_client_down(mi: MicroIntegrator, service: RelayingService) -> None:
    mi.set_mode(Fault.SLOW_READER, piece_bytes=65_536, seconds=0.02)
    before = service.worker_rss_kb()
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length(60_000_000)))
        connection.settimeout(0.1)
        sent = 0
        with suppress(TimeoutError):
            while sent < 50_000_000:
                sent += connection.send(b"x" * 262_144)
    assert sent < 40_000_000  # what the buffers of two connections take
    assert service.worker_rss_kb() - before < 8_000


def test_a_node_that_reads_nothing_is_given_up(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.HANG_BEFORE_READ)
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length(4)) + b"abcd")
        answer = read_answer(connection)
    assert answer.status == 502
    assert answer.error.endswith("check whether the change was made.")


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("fault", [Fault.CLOSE_BEFORE_READ, Fault.CLOSE_IN_UPLOAD])
def test_a_node_that_closes_during_a_body_is_a_failure_whose_effect_is_not_known(
    mi: MicroIntegrator, service: RelayingService, fault: Fault, reset: bool
) -> None:
    mi.set_mode(fault, after_bytes=200_000, reset=reset)
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length()) + b"x" * 500_000)
        answer = read_answer(connection)
    assert (answer.status, answer.headers["connection"]) == (502, "close")
    assert service.outcome()["is_effect_known"] is False
    assert len(mi.forwarded) == 1


def test_an_answer_before_the_end_of_the_body_is_passed_on(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.ANSWER_EARLY, status=413, text="too large")
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length()) + b"x" * 100_000)
        received = receive_all(connection)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.endswith(b"too large")
    assert b"\r\nConnection: close\r\n" in received
    outcome = service.outcome()
    assert (outcome["status"], outcome["is_effect_known"]) == (413, True)


def test_a_streamed_body_is_not_sent_again_after_a_401(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.forget_tokens()
    answer = service.ask("PUT", FILE, log_bytes(SIZE), TYPE)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.error.endswith("so nothing was changed. Send the request again.")
    outcome = service.outcome()
    assert (outcome["status"], outcome["is_effect_known"]) == (503, True)
    assert service.ask("PUT", FILE, log_bytes(SIZE), TYPE).status == 200
    assert len(mi.forwarded) == 2
    assert mi.logins == 1


def test_a_client_may_close_its_side_after_the_body(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    """It counts as gone: a client that waits for an answer keeps its connection open."""
    mi.set_mode(Fault.SLOW_HEAD, seconds=0.5)
    with service.connect() as connection:
        connection.sendall(head_of("PUT", FILE, length(4)) + b"abcd")
        until(lambda: len(mi.forwarded) == 1)
        connection.shutdown(socket.SHUT_WR)
        until(lambda: mi.forwarded[0].client_gone)
    assert service.outcome()["status"] == 499
