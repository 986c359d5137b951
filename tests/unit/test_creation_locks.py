"""The locks of creations that are still running."""

from __future__ import annotations

import os
from pathlib import Path

from mi_ldap.directory.writes.creation_locks import CreationLocks


def test_a_file_that_cannot_be_used_costs_no_descriptors(tmp_path: Path) -> None:
    path = tmp_path / "creations.lock"
    os.mkfifo(path)
    locks = CreationLocks(path)
    before = _open_descriptors()
    for _ in range(20):
        mark = locks.begin()
        assert locks.is_running(mark)
        locks.end(mark)
        assert locks.is_running(mark) is None
    assert _open_descriptors() == before


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_closed_file_is_opened_again_with_the_same_tag(tmp_path: Path) -> None:
    locks = CreationLocks(tmp_path / "creations.lock")
    first = locks.begin()
    before = len([*Path("/proc/self/fd").iterdir()])
    locks.close()
    assert len([*Path("/proc/self/fd").iterdir()]) == before - 1
    assert locks.is_running(first) is False
    assert locks.begin()[:8] == first[:8]
    locks.close()
