"""A signal to stop reaches a process that was forked a moment before."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mi_ldap.serving.http_server import HttpServer
from mi_ldap.serving.processes import Child, Signals
from mi_ldap.settings import ServerSettings
from tests.faults.test_processes import children, eventually

SLOW_START_S = 0.5


@pytest.fixture
def signals_are_lost() -> Iterator[None]:
    """This process ignores signals to stop by a handler, which forked processes inherit."""
    before = {
        number: signal.signal(number, lambda _number, _frame: None) for number in Signals.STOP
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def slowly(function: Callable[[], None]) -> Callable[[], None]:
    def wait_first() -> None:
        until = time.monotonic() + SLOW_START_S
        while time.monotonic() < until:
            time.sleep(0.01)  # not once: a handled signal would not interrupt it
        function()

    return wait_first


@pytest.mark.usefixtures("signals_are_lost")
@pytest.mark.parametrize("number", Signals.STOP)
def test_a_child_that_has_no_handlers_yet_is_stopped(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(Signals, "forget", slowly(Signals.forget))
    child = Child(lambda: time.sleep(20))
    child.send(number)
    assert eventually(lambda: child.exit_status() is not None)
    assert child.exit_status() in (-number, 1)  # SIGINT raises KeyboardInterrupt in Python


@pytest.mark.usefixtures("signals_are_lost")
def test_a_worker_that_has_no_handlers_yet_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Signals, "forget", slowly(Signals.forget))
    settings = ServerSettings(workers=1, tls=False, graceful_timeout_s=20)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arbiter = Child(HttpServer(settings, [listener], None, application).run)
    try:
        assert eventually(lambda: bool(children(arbiter.pid)))
        arbiter.send(signal.SIGTERM)
        assert eventually(lambda: arbiter.exit_status() is not None)
    finally:
        for pid in [
            *children(arbiter.pid),
            *([arbiter.pid] if arbiter.exit_status() is None else []),
        ]:
            os.kill(pid, signal.SIGKILL)


def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("204 No Content", [])
    return []
