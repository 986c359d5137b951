"""Strangers who open connections without end, and don't read what they ask for.

They come from other loopback addresses than the clients that must be served.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.tiny_service import (
    BIG,
    GET,
    Service,
    client_hello,
    is_closed,
    read_answer,
    running,
)

STRANGER = "127.0.0.66"
LIMIT_KB = 64 * 1024
"""What a worker may hold for requests and responses."""
GENEROUS_KB = 3 * LIMIT_KB
"""What its memory may grow by: also what threads are making, and what the C library keeps."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One with the time limits that the service has in earnest."""
    with running(tmp_path, "patient") as service:
        yield service


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def eventually(is_so: Callable[[], bool], within_s: float = 10.0) -> bool:
    give_up_at = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.1)
    return True


@contextmanager
def repeatedly(act: Callable[[], object], threads: int = 1) -> Iterator[None]:
    """Do something all the time, in threads, whatever comes of it."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            with suppress(OSError):
                act()

    running_threads = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running_threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in running_threads:
            thread.join()


# Responses that nobody reads


def unread(service: Service, request: bytes) -> ssl.SSLSocket:
    connection = service.connect(source=STRANGER)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with suppress(OSError):  # it may have been dropped already
        connection.sendall(request)
    return connection


@pytest.mark.parametrize("path", ["/big", "/parts?1000"])
def test_responses_that_nobody_reads_take_no_more_than_their_share(
    service: Service, path: str
) -> None:
    before = service.in_memory()
    with ExitStack() as stack:
        for _ in range(100):  # 800 MB, and as much again
            stack.enter_context(unread(service, get(path) * 3))
        grown_kb = service.in_memory()["rss_kb"] - before["rss_kb"]
        assert grown_kb < GENEROUS_KB
        for _ in range(20):
            assert service.send(GET)[2] == b"hello"
    assert eventually(lambda: service.in_memory()["Connection"] <= before["Connection"])


def test_what_is_gone_is_out_of_memory_at_once(service: Service) -> None:
    """The collector of reference cycles is off."""
    before = service.in_memory()
    with ExitStack() as stack:
        for number in range(100):
            sent = (GET, get("/broken"), b"rubbish\r\n\r\n", get("/parts?9"), GET[:20], b"")
            stack.enter_context(unread(service, sent[number % len(sent)]))
        assert service.in_memory()["Connection"] > before["Connection"]
    assert eventually(lambda: service.in_memory()["Connection"] <= before["Connection"])
    after = service.in_memory()
    for kind in ("Connection", "Response", "SSLObject", "Task", "socket"):
        assert after[kind] <= before[kind], (kind, before, after)


def test_a_client_that_reads_slowly_gets_all_of_it(service: Service) -> None:
    with service.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(get("/big"))
        received = 0
        while received < BIG:
            received += len(connection.recv(65536))
            time.sleep(0.005)


def test_a_client_that_takes_nothing_is_dropped(tmp_path: Path) -> None:
    with running(tmp_path, "hurried") as service:
        before = service.in_memory()["Connection"]
        with unread(service, get("/big")):
            assert eventually(lambda: service.in_memory()["Connection"] <= before, 5)


# Requests that do not end


def test_bodies_that_do_not_end_take_no_more_than_their_share(service: Service) -> None:
    before_kb = service.in_memory()["rss_kb"]
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(200):
            sender = stack.enter_context(service.connect(source=STRANGER))
            with suppress(OSError):
                sender.sendall(head + b"x" * 1_000_000)
        assert service.in_memory()["rss_kb"] - before_kb < GENEROUS_KB
        assert service.send(GET)[2] == b"hello"


# Connections without end


def flood(service: Service, opened: list[socket.socket], first: bytes) -> None:
    connection = service.dial(STRANGER)
    opened.append(connection)
    connection.sendall(first)
    if len(opened) > 600:
        opened.pop(0).close()


@pytest.mark.parametrize("first", [b"", client_hello()[:100]], ids=["silent", "half a handshake"])
def test_connections_without_end_do_not_keep_clients_out(service: Service, first: bytes) -> None:
    opened: list[socket.socket] = []
    asked = served = 0
    with ExitStack() as stack:
        kept = [stack.enter_context(service.connect()) for _ in range(20)]
        for connection in kept:
            connection.sendall(GET)
            read_answer(connection)
        with repeatedly(lambda: flood(service, opened, first), threads=2):
            assert eventually(lambda: len(opened) > 400)
            until = time.monotonic() + 4
            while time.monotonic() < until:
                for connection in kept:
                    asked += 1
                    connection.sendall(GET)
                    served += read_answer(connection)[2] == b"hello"
                asked += 1
                served += service.send(GET)[2] == b"hello"
    for stranger in opened:
        stranger.close()
    assert served == asked


def test_700_clients_are_kept_in_one_worker(tmp_path: Path) -> None:
    with running(tmp_path, "patient", connections=2048) as service, ExitStack() as stack:
        clients: list[ssl.SSLSocket] = []
        for _ in range(700):
            clients.append(stack.enter_context(service.connect()))
            clients[-1].sendall(GET)
        for client in clients:
            assert read_answer(client)[2] == b"hello"
        for client in clients:
            client.sendall(GET)
            assert read_answer(client)[2] == b"hello"


def test_established_clients_stay_while_others_come(service: Service) -> None:
    """Of more than the limit, those of the address that has the most go."""
    with ExitStack() as stack:
        kept = [stack.enter_context(service.connect()) for _ in range(20)]
        for connection in kept:
            connection.sendall(GET)
            read_answer(connection)
        for _ in range(350):
            stranger = stack.enter_context(service.connect(source=STRANGER))
            stranger.sendall(GET)
            read_answer(stranger)
        for connection in kept:
            connection.sendall(GET)
            assert read_answer(connection)[2] == b"hello"


def test_too_few_file_descriptors_are_told_of_and_lived_with(tmp_path: Path) -> None:
    with running(tmp_path, "patient", descriptors=200) as service, ExitStack() as stack:
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
        limited = next(line for line in lines if line["event"] == "file_descriptors_limited")
        assert (limited["file_descriptors"], limited["connections"]) == (200, 100)
        oldest = stack.enter_context(service.dial(STRANGER))
        for _ in range(250):
            stack.enter_context(service.dial(STRANGER))
        for _ in range(10):
            assert service.send(GET)[2] == b"hello"
        assert is_closed(oldest)
        assert "connections_dropped" in service.log.read_text()
