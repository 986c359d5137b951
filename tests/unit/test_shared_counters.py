"""What workers share about a Micro Integrator."""

from __future__ import annotations

import os

from mi_ldap.micro_integrators.counters import SharedCounters, Totals


def in_worker(counters: SharedCounters, slot: int, *reports: bool) -> None:
    """Report from another process whether the node can be used."""
    if not (child := os.fork()):
        counters.use_slot(slot)
        for is_up in reports:
            counters.note_state(is_up=is_up)
            counters.add(0.5, is_error=not is_up)
        os._exit(0)
    os.waitpid(child, 0)


def test_the_last_report_of_all_workers_counts() -> None:
    counters = SharedCounters()
    assert counters.is_up
    in_worker(counters, 1, True, False)
    assert not counters.is_up
    in_worker(counters, 0, True)
    assert counters.is_up
    in_worker(counters, 1, False)
    assert not counters.is_up


def test_the_counters_of_all_workers_are_added() -> None:
    counters = SharedCounters()
    in_worker(counters, 0, True, False)
    in_worker(counters, 1, True)
    in_worker(counters, 0, True)  # in the place of the ended one
    assert counters.totals() == Totals(requests=4, errors=1, seconds=2.0)
