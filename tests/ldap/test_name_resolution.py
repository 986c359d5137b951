"""Silent name servers cost no more than the request's time, and one thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.name_resolution import addresses_of
from tests.ldap.connectors import connector
from tests.stopwatch import STALL_S, within

# Not used by other tests, whose lookups may still be running.
HOST = "silent.example.org"

real_getaddrinfo = socket.getaddrinfo


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The system's resolver hangs for every name until this is set; addresses need none."""
    answers = threading.Event()

    def getaddrinfo(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if not more.get("flags"):
            answers.wait(10)
            host = "127.0.0.1"
        return real_getaddrinfo(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield answers
    answers.set()
    for thread in resolving():
        thread.join()


def resolving() -> list[threading.Thread]:
    names = {f"name-resolution {host}" for host in (HOST, "127.0.0.1", "::1")}
    return [each for each in threading.enumerate() if each.name in names]


def ask() -> float:
    began_s = time.monotonic()
    with deadline(0.3), pytest.raises(socket.gaierror, match="did not answer in time"):
        addresses_of(HOST, 389)
    return time.monotonic() - began_s


def test_concurrent_lookups_share_one_thread_and_keep_their_deadlines(
    answering: threading.Event,
) -> None:
    with ThreadPoolExecutor(20) as pool:
        took_s = [each.result() for each in [pool.submit(ask) for _ in range(60)]]
    assert max(took_s) < 0.3 + STALL_S
    assert len(resolving()) == 1
    answering.set()
    with deadline(5):
        assert addresses_of(HOST, 389)[0][4] == ("127.0.0.1", 389)
    for thread in resolving():
        thread.join(5)
    assert not resolving()


def test_an_address_needs_no_resolver(answering: threading.Event) -> None:
    with deadline(1):
        assert addresses_of("127.0.0.1", 389)[0][4] == ("127.0.0.1", 389)
        assert addresses_of("::1", 389)[0][4][:2] == ("::1", 389)
    assert not resolving()


@pytest.mark.usefixtures("answering")
def test_a_name_that_is_not_resolved_in_time_is_an_outage() -> None:
    with within(1), deadline(1), pytest.raises(DirectoryUnavailable):
        connector(f"ldap://{HOST}").bound()


def test_errors_of_the_resolver_are_raised() -> None:
    with deadline(5), pytest.raises((socket.gaierror, UnicodeError)):
        addresses_of("a" * 64 + ".invalid", 389)
