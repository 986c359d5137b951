"""Clients that go away or are slow, and silent nodes: nobody else waits, and memory stays flat."""

from __future__ import annotations

import hashlib
import signal
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.micro_integrator import Fault, MicroIntegrator, log_bytes, log_sha256
from tests.micro_integrator.relaying_service import (
    THREADS,
    Options,
    RelayingService,
    head_of,
    read_answer,
    relaying,
)
from tests.until import until

APIS = head_of("GET", "/management/apis")
LARGE = head_of("GET", "/management/logs?file=large.log")
LARGE_BYTES = 16_000_000


def digest_of(service: RelayingService, size: int) -> str:
    """The hash of a large file, which is read as it comes."""
    digest = hashlib.sha256()
    with service.connect() as connection:
        connection.sendall(LARGE)
        received = bytearray()
        while b"\r\n\r\n" not in received:
            received += connection.recv(65_536)
        body = received[received.index(b"\r\n\r\n") + 4 :]
        digest.update(body)
        size -= len(body)
        while size:
            piece = connection.recv(min(size, 262_144))
            assert piece, "the connection was closed"
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()


def test_a_client_that_goes_away_ends_the_request_to_a_silent_node(
    mi: MicroIntegrator, tmp_path: Path
) -> None:
    with relaying(tmp_path / "relay", mi, Options(timeout_s=30)) as service:
        mi.set_mode(Fault.HANG_BEFORE_HEAD)
        with service.connect() as connection:
            connection.sendall(APIS)
            until(lambda: len(mi.forwarded) == 1)
        until(lambda: mi.forwarded[0].client_gone, 5)
        outcome = service.outcome()
        assert (outcome["status"], outcome["is_effect_known"]) == (499, True)
        assert outcome["reason"] == "The client closed the connection."
        with service.connect() as connection:
            connection.sendall(head_of("POST", "/management/apis", "Content-Length: 2") + b"{}")
            until(lambda: len(mi.forwarded) == 2)
        assert service.outcome()["is_effect_known"] is False
        until(lambda: mi.forwarded[1].client_gone, 5)


def test_a_client_that_goes_away_in_an_answer_ends_the_request(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.add_log("large.log", LARGE_BYTES)
    with service.connect() as connection:
        connection.sendall(LARGE)
        connection.recv(100_000)
    until(lambda: mi.forwarded[0].client_gone, 5)
    outcome = service.outcome()
    assert (outcome["status"], outcome["reason"]) == (200, "The client closed the connection.")
    assert outcome["received_bytes"] < LARGE_BYTES


def test_requests_that_are_sent_meanwhile_are_answered_afterwards(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.SLOW_HEAD, times=1, seconds=0.3)
    with service.connect() as connection:
        connection.sendall(APIS)
        until(lambda: len(mi.forwarded) == 1)
        connection.sendall(head_of("GET", "/hello", "Connection: close"))
        answers = b""
        while piece := connection.recv(65_536):
            answers += piece
            if answers.endswith(b"hello"):
                break
    assert answers.count(b"HTTP/1.1 200") == 2


def test_a_flood_of_further_requests_is_not_read(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.HANG_BEFORE_HEAD)
    before = service.worker_rss_kb()
    with service.connect() as connection:
        connection.sendall(APIS)
        until(lambda: len(mi.forwarded) == 1)
        connection.settimeout(0.1)
        sent = 0
        try:
            while sent < 50_000_000:
                sent += connection.send(APIS * 4000)
        except (TimeoutError, ssl.SSLError, OSError):
            pass
        assert sent < 20_000_000
        assert service.worker_rss_kb() - before < 4_000


def test_silent_nodes_take_no_threads(mi: MicroIntegrator, tmp_path: Path) -> None:
    with relaying(tmp_path / "relay", mi, Options(timeout_s=30)) as service, ExitStack() as stack:
        mi.set_mode(Fault.HANG_IN_BODY, after_bytes=50)
        for _ in range(5 * THREADS):
            connection = stack.enter_context(service.connect())
            connection.sendall(APIS)
        until(lambda: len(mi.forwarded) >= 5 * THREADS)
        for _ in range(10):
            assert service.ask("GET", "/hello").body == b"hello"


def test_a_client_that_reads_slowly_takes_little_memory(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.add_log("large.log", LARGE_BYTES)
    service.ask("GET", "/management/logs?file=audit.log")
    before = service.worker_rss_kb()
    with ExitStack() as stack:
        connections = [stack.enter_context(service.connect()) for _ in range(8)]
        for connection in connections:
            connection.sendall(LARGE)
            connection.recv(1000)
        until(lambda: sum(one.sent for one in mi.forwarded) > 4_000_000)
        assert service.worker_rss_kb() - before < 20_000
        # Nobody reads: the connections are closed after a while, and so are those to the node.
        until(lambda: all(one.client_gone for one in mi.forwarded[1:]))
        reasons = {one["reason"] for one in service.next_outcomes(9)}
    assert reasons == {"", "The client did not receive the answer in time."}


def test_eight_large_files_at_once_arrive_whole_with_flat_memory(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.add_log("large.log", LARGE_BYTES)
    before = service.worker_rss_kb()
    with ThreadPoolExecutor(9) as pool:
        transfers = [pool.submit(digest_of, service, LARGE_BYTES) for _ in range(8)]
        largest = before
        while not all(each.done() for each in transfers):
            largest = max(largest, service.worker_rss_kb())
            time.sleep(0.05)
    assert {each.result() for each in transfers} == {log_sha256(LARGE_BYTES)}
    assert largest - before < 20_000


def test_requests_that_run_when_the_service_stops_are_finished(
    mi: MicroIntegrator, tmp_path: Path
) -> None:
    options = Options(timeout_s=30, pause_s=30)
    with relaying(tmp_path / "relay", mi, options) as service, ExitStack() as stack:
        mi.set_mode(Fault.SLOW_BODY, piece_bytes=1024, seconds=0.3, resource="logs")
        moving = stack.enter_context(service.connect())
        moving.sendall(head_of("GET", "/management/logs?file=audit.log"))
        until(lambda: len(mi.forwarded) == 1)
        mi.set_mode(Fault.HANG_BEFORE_HEAD, resource="apis")
        silent = stack.enter_context(service.connect())
        silent.sendall(head_of("POST", "/management/apis", "Content-Length: 2") + b"{}")
        until(lambda: len(mi.forwarded) == 2)
        service.process.send_signal(signal.SIGTERM)
        answer = read_answer(moving)
        assert (answer.is_whole, answer.body) == (True, log_bytes(4096))
        outcomes = {one["method"]: one for one in service.next_outcomes(2)}
    assert (outcomes["GET"]["status"], outcomes["GET"]["reason"]) == (200, "")
    stopped = outcomes["POST"]
    assert (stopped["status"], stopped["is_effect_known"]) == (499, False)
    assert stopped["reason"] == "The service closed the connection."
    assert len(service.next_outcomes(0)) == 0
