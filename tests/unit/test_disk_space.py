"""The watch over the room that is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog

from mi_ldap.state.disk_space import DiskSpace


def free_mb(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize // 1_000_000


def test_it_is_low_below_the_threshold_on_any_of_the_file_systems(tmp_path: Path) -> None:
    assert not DiskSpace([tmp_path], max(1, free_mb(tmp_path) // 2)).is_low()
    assert DiskSpace([Path("/proc"), tmp_path], 2 * free_mb(tmp_path) + 10).is_low()
    assert not DiskSpace([tmp_path], 0).is_low()
    assert not DiskSpace([tmp_path / "missing"], 1_000_000).is_low()


def test_only_changes_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = DiskSpace([tmp_path], 10)
    room = iter([100, 5, 4, 100, 100])
    monkeypatch.setattr(disk, "is_low", lambda: next(room) < 10)
    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            disk.log_changes()
    assert [line["event"] for line in lines] == ["disk_space_low", "disk_space_sufficient"]
