"""The supervisor's periodic tasks."""

from __future__ import annotations

import time
from unittest.mock import Mock

import pytest

from mi_ldap.serving.supervisor import PeriodicTask


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Mock:
    clock = Mock(return_value=1000.0)
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_a_task_runs_at_once_and_again_after_its_pause(clock: Mock) -> None:
    run = Mock(return_value=None)
    task = PeriodicTask(run, pause_s=10.0)
    for now, calls in ((1000.0, 1), (1009.9, 1), (1010.0, 2), (1019.0, 2), (1040.0, 3)):
        clock.return_value = now
        task.tick()
        assert run.call_count == calls


def test_a_task_that_is_done_does_not_run_again(clock: Mock) -> None:
    run = Mock(side_effect=[False, True])
    task = PeriodicTask(run, pause_s=10.0)
    for now in (1000.0, 1010.0, 1020.0, 1e9):
        clock.return_value = now
        task.tick()
    assert run.call_count == 2
