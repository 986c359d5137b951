"""When heartbeats are sent, and by how many processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.serving import heartbeat_process, heartbeat_request
from mi_ldap.serving.heartbeat_process import HeartbeatLoop, HeartbeatProcess


class Loop(HeartbeatLoop):
    """Sends nothing; each attempt has the next outcome."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        super().__init__("icp", "https://icp.example.org", 10)
        self.outcomes = [*outcomes]

    def send(self) -> bool:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_pauses_grow_while_there_is_no_answer_and_end_with_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat_process, "JITTER", 0)
    down, bug = OSError("down"), RuntimeError("a bug")
    attempts: list[tuple[bool | Exception, float]] = [
        *((True, 10), (down, 20), (False, 40), (bug, 60), (down, 60)),
        *((True, 10), (True, 10), (down, 20), (DirectoryUnavailable(), 10), (False, 20)),
    ]
    loop = Loop(*(outcome for outcome, _ in attempts))
    with capture_logs():
        assert [loop.run_once() for _ in attempts] == [pause_s for _, pause_s in attempts]


def test_an_answer_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def read(size: int = -1) -> bytes:
        asked.append(size)
        return b"{}"

    answer = SimpleNamespace(status=200, read=read)
    connection = SimpleNamespace(request=lambda *_: None, getresponse=lambda: answer)
    monkeypatch.setattr(heartbeat_request, "_connected", lambda *_: nullcontext(connection))
    assert heartbeat_request.post("http://icp.example.org/x", b"{}", None, 10) == (200, b"{}")
    assert 0 < asked[0] <= 1024 * 1024


class Process:
    """In place of a child process."""

    started: list[Process]

    def __init__(self, _run: Callable[[], None]) -> None:
        self.status: int | None = None
        self.signals: list[int] = []
        Process.started.append(self)

    def exit_status(self) -> int | None:
        return self.status

    def send(self, number: int) -> None:
        self.signals.append(number)


def test_one_process_sends_heartbeats_and_is_replaced_when_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [100.0]
    monkeypatch.setattr(heartbeat_process, "Child", Process)
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    Process.started = []

    def started_after(seconds: float) -> int:
        now_s[0] += seconds
        process.tick()
        return len(Process.started)

    process = HeartbeatProcess(lambda: None)
    assert [started_after(pause_s) for pause_s in (0, 1, 60)] == [1, 1, 1]
    with capture_logs():
        Process.started[-1].status = 1
        assert started_after(0) == 2
        Process.started[-1].status = 1
        assert [started_after(pause_s) for pause_s in (0, 4, 2)] == [2, 2, 3]
    process.stop()
    assert Process.started[-1].signals == [signal.SIGKILL]
    Process.started[-1].status = -signal.SIGKILL
    assert started_after(60) == 3
