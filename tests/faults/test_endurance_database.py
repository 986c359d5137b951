"""A short run of kills on each database: see `tests.faults.endurance_database` for the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import endurance_database


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_nothing_acknowledged_is_lost_and_nothing_half_made_under_kills(
    kind: str, tmp_path: Path
) -> None:
    report = endurance_database.run(kind, tmp_path, writes=200, kills=4, clients=6)
    print(report)
    assert report.lost == []
    assert report.half_made == []
    assert report.between == [], "each change is one transaction"
    assert report.broken_rules == []
    assert report.log_lines == []
    assert report.kills == {"database": 1, "service": 1, "worker": 2}
    assert "500" not in report.writes
    assert set(report.audit_lines) == {1}, "an acknowledged write has one line"
