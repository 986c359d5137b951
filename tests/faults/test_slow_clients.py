"""Clients that are slow or silent, against a real gunicorn over TLS: nobody else waits for them."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.faults.tiny_service import (
    CONNECTIONS,
    GET,
    THREADS,
    Service,
    assert_refused,
    client_hello,
    is_closed,
    read_answer,
    running,
)
from tests.stopwatch import STALL_S, seconds, within


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One with little patience, for all the tests."""
    with running(tmp_path_factory.mktemp("service"), "hurried") as service:
        yield service


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Service]:
    """One with the patience that the service has in earnest, for one test."""
    with running(tmp_path, "patient") as service:
        yield service


def half_open(service: Service, number: int) -> socket.socket:
    """Of each four: silent, half a handshake, half a head, half a body."""
    connection = service.dial() if number % 4 < 2 else service.connect()
    connection.sendall((b"", client_hello()[:100], GET[:20], HALF_POST)[number % 4])
    return connection


def say_hello(service: Service) -> None:
    assert service.send(GET)[2] == b"hello"


HALF_POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"


# Slow and silent


def test_200_half_open_connections_do_not_stop_the_others(patient: Service) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(half_open(patient, number)) for number in range(200)]
        taken_s = sorted(seconds(partial(say_hello, patient)) for _ in range(20))
        assert taken_s[10] < 0.1
        assert taken_s[-1] < STALL_S
        for connection in connections:  # still there: nobody was thrown out for it
            connection.setblocking(False)
            with pytest.raises((BlockingIOError, ssl.SSLWantReadError)):
                connection.recv(1)


def test_whoever_waited_longest_makes_room_for_more(patient: Service) -> None:
    with ExitStack() as stack:
        oldest = stack.enter_context(patient.dial())
        for _ in range(CONNECTIONS):
            stack.enter_context(patient.dial())
        assert patient.send(GET)[2] == b"hello"
        assert is_closed(oldest)


@pytest.mark.parametrize("sent", [b"", client_hello()[:100]], ids=["nothing", "half"])
def test_a_handshake_that_does_not_come_is_not_waited_for(service: Service, sent: bytes) -> None:
    with service.dial() as connection:
        connection.sendall(sent)
        assert is_closed(connection)


def test_a_connection_without_a_request_is_closed(service: Service) -> None:
    with service.connect() as connection:
        assert is_closed(connection)


def test_an_idle_connection_is_closed_after_a_while(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(GET)
        assert "Connection: keep-alive" in read_answer(connection)[1]
        assert is_closed(connection)


@pytest.mark.parametrize("sent", [GET[:20], HALF_POST], ids=["head", "body"])
def test_a_request_that_stops_half_way_is_answered_408(service: Service, sent: bytes) -> None:
    assert_refused(service.send(sent), "408 Request Timeout")


def test_a_head_that_drips_is_cut_off_in_time(service: Service) -> None:
    with service.connect() as connection, within(1):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        while not select.select([connection], [], [], 0.05)[0]:
            connection.sendall(b"y")
        assert_refused(read_answer(connection), "408 Request Timeout")


def test_clients_that_do_not_read_their_answers_hold_no_thread(service: Service) -> None:
    with ExitStack() as stack:
        for _ in range(2 * THREADS):
            connection = stack.enter_context(service.connect())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert service.send(GET)[2] == b"hello"


def test_a_request_that_finds_no_thread_in_time_is_answered_503(service: Service) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(service.connect()) for _ in range(4 * THREADS)]
        for connection in connections:
            connection.sendall(b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = [read_answer(connection) for connection in connections]
    assert THREADS <= sum(body == b"slept" for _, _, body in answers) <= 2 * THREADS
    too_late = next(answer for answer in answers if answer[0] != 200)
    assert_refused(too_late, "503 Service Unavailable")
    assert "\r\nRetry-After: 1" in too_late[1]


# Stopping


def test_stopping_finishes_what_is_in_flight_and_waits_for_nobody_else(patient: Service) -> None:
    with ExitStack() as stack:
        busy = stack.enter_context(patient.connect())
        busy.sendall(b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n")
        for number in range(20):
            stack.enter_context(half_open(patient, number))
        patient.process.terminate()
        status, head, body = read_answer(busy)
        assert (status, body) == (200, b"slept")
        assert "Connection: close" in head
        assert patient.process.wait(4) == 0
