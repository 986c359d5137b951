"""An embedded slapd that hangs or dies, again and again: it is replaced, and soon."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from mi_ldap.serving import directory_probe, supervisor
from mi_ldap.serving.directory_probe import ANSWER_S, FAILURES_IDLE, PAUSE_S, DirectoryProbe
from mi_ldap.serving.supervisor import Restarter
from tests.faults.test_processes import Service, eventually, running


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path) as service:
        assert service.get("/management/login") == 200
        yield service


def works(service: Service) -> bool:
    try:
        return (
            service.get("/management/users?limit=1") in {200, 401} and service.get("/ready") == 200
        )
    except OSError:
        return False


def has_other_slapd(service: Service, pid: int) -> bool:
    try:
        return service.slapd != pid
    except (StopIteration, OSError):
        return False


def test_a_stopped_slapd_is_replaced(service: Service) -> None:
    bound_s = PAUSE_S + FAILURES_IDLE * (ANSWER_S + 0.5) + 10
    for _ in range(2):
        pid = service.slapd
        os.kill(pid, signal.SIGSTOP)
        assert eventually(partial(has_other_slapd, service, pid), bound_s)
        assert eventually(lambda: works(service), 15)
    assert "embedded_directory_hangs" in service.said()


def test_a_killed_slapd_is_started_again_as_soon_after_the_tenth_death(service: Service) -> None:
    for _ in range(10):
        pid = service.slapd
        os.kill(pid, signal.SIGKILL)
        began_s = time.monotonic()
        assert eventually(partial(has_other_slapd, service, pid), 10)
        assert eventually(lambda: works(service), 20)
        assert time.monotonic() - began_s < 20
        time.sleep(supervisor.STEADY_S + 0.3)
    pauses = [line for line in service.said().splitlines() if "embedded_directory_died" in line]
    assert len(pauses) == 10
    assert all('"next_start_in_s": 0.5' in line for line in pauses), pauses


class Process:
    """A slapd that listens and never answers, as its process shows itself in /proc."""

    def __init__(self, folder: Path, state: str) -> None:
        self.folder, self.state, self.ticks, self.works = folder, state, 0, False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "ldapi"))
        self.listener.listen(4)
        (folder / "7").mkdir()
        self.show()

    def show(self) -> None:
        self.ticks += self.works
        fields = [self.state, *["0"] * 10, str(self.ticks), "0", *["0"] * 20]
        (self.folder / "7" / "stat").write_text(f"7 (slapd) {' '.join(fields)}")


@pytest.mark.parametrize(
    ("state", "works", "hangs"),
    [("T", False, True), ("S", False, True), ("R", True, False), ("D", False, False)],
)
def test_a_process_that_works_is_given_more_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, works: bool, hangs: bool
) -> None:
    monkeypatch.setattr(directory_probe, "ANSWER_S", 0.02)
    process = Process(tmp_path, state)
    process.works = works
    probe = DirectoryProbe(tmp_path / "ldapi", tmp_path)
    needed = 0
    while not probe.hangs(7):
        process.show()
        needed += 1
        time.sleep(0.001)
        assert needed < 5000
    expected = directory_probe.FAILURES_IDLE if hangs else directory_probe.FAILURES_BUSY
    assert probe._failures == expected
    process.listener.close()


def test_a_process_that_hangs_after_it_has_worked_is_found_as_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_probe, "ANSWER_S", 0.02)
    process = Process(tmp_path, "R")
    process.works = True
    probe = DirectoryProbe(tmp_path / "ldapi", tmp_path)
    while not probe.hangs(7):
        # It stops while the second probe waits for an answer.
        process.works = probe._failures < 2
        process.show()
        time.sleep(0.001)
    assert probe._failures <= 2 + directory_probe.FAILURES_IDLE
    process.listener.close()


class Dying:
    """A directory whose starts fail, or that dies as soon as it has answered."""

    def __init__(self, folder: Path) -> None:
        self.socket_file = folder / "ldapi"
        self.pid: int | None = None
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        raise OSError("no")

    def is_running(self) -> bool:
        return False

    def kill(self) -> None:
        """There is nothing to end."""


def test_the_pauses_grow_while_no_start_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    directory = Dying(tmp_path)
    restarter = Restarter(directory)
    for _ in range(12000):
        restarter.tick()
        now[0] += 0.1
    assert 1200 / 30 <= directory.starts < 1200 / 30 + 10
