"""Limits of time, on machines that may stand still for seconds while the tests run.

A limit tells what is right from what is wrong only if what is wrong takes much longer: seconds more
for a wait (`within`), some times as much for a computation (`least_cpu_s`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STALL_S = 3.0
"""How long a machine may stand still. A wrong wait has to be longer than its limit and this."""


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Fail if the block takes longer than the limit, even if the machine stood still meanwhile."""
    began_s = time.monotonic()
    yield
    assert time.monotonic() - began_s < limit_s + STALL_S, "it took too long"


def seconds(action: Callable[[], object]) -> float:
    """How long the action takes. Of several, take the least or the median: a stall only adds."""
    began_s = time.monotonic()
    action()
    return time.monotonic() - began_s


def least_cpu_s(compute: Callable[[], object]) -> float:
    """The least CPU time of three runs: other processes can only add to it."""

    def cpu_s() -> float:
        began_s = time.thread_time()
        compute()
        return time.thread_time() - began_s

    return min(cpu_s() for _ in range(3))
