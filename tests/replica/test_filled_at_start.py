"""Memory is filled when a worker starts, not at the first read."""

from __future__ import annotations

from pathlib import Path

from tests.service import environment, running
from tests.subtree import Subtree
from tests.until import until


def test_each_worker_fills_its_memory_when_it_starts(subtree: Subtree, tmp_path: Path) -> None:
    subtree.add_user("alice")
    with running(environment(tmp_path, subtree, server__workers=2)) as service:
        until(lambda: service.log.read_text().count('"replica_ready"') == 2)
        with service.caller() as call:
            assert call.ask("GET", "/ready").json == {"status": "ready", "reads": "memory"}
