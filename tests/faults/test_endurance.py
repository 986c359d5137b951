"""A short endurance run: see `tests.faults.endurance` for the long one."""

from __future__ import annotations

from pathlib import Path

from tests.faults import endurance


def test_nothing_acknowledged_is_lost_and_nothing_half_made_under_kills(tmp_path: Path) -> None:
    report = endurance.run(tmp_path / "state", writes=300, kills=6, clients=6)
    print(report)
    assert report.lost == []
    assert report.half_made == []
    assert report.kills.total() == 6
    assert set(report.audit_lines) == {1}, "an acknowledged write has one line"
