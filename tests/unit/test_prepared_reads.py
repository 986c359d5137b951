"""The thread that fills memory when a worker starts survives any failure."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.serving import service
from tests.memory_store import MemoryStore


def test_discovery_is_tried_again_after_any_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    store, failures = MemoryStore(), [DirectoryUnavailable(), RuntimeError("unexpected")]
    calls = []

    def view() -> MemoryStore:
        calls.append(1)
        if failures:
            raise failures.pop(0)
        return store

    monkeypatch.setattr(store, "view", view)
    monkeypatch.setattr(service, "_DISCOVERY_PAUSE_S", 0.0)
    with capture_logs() as logged:
        service._prepare_reads([store, MemoryStore()])
    assert len(calls) == 3
    assert [line["event"] for line in logged] == ["discovery_failed"]
