"""Taking the time of a work, again and again, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

Figure = dict[str, float]
"""What was measured of a work: `ms`, `rps` and the like; `status` where it was refused."""

BUDGET_S = 1.0
"""What one work may take of a round, but for its last repetition."""

_MOST = 300


class Unavailable(Exception):
    """The service answered 503: it could not do the work before its deadline.

    Args:
        after_ms: when the answer came.
    """

    def __init__(self, after_ms: float) -> None:
        super().__init__(f"503 after {after_ms:.0f} ms")
        self.after_ms = after_ms


def timed_ms(work: Callable[[], object]) -> float:
    """How long it takes once."""
    began_s = time.perf_counter()
    work()
    return (time.perf_counter() - began_s) * 1000


def median_ms(work: Callable[[int], object]) -> Figure:
    """The median of as many repetitions as fit, each told its number; one at least."""
    ends_at_s = time.monotonic() + BUDGET_S
    times = [timed_ms(partial(work, 0))]
    while time.monotonic() < ends_at_s and len(times) < _MOST:
        times.append(timed_ms(partial(work, len(times))))
    return {"ms": median(times)}


def or_refused(work: Callable[[], Figure]) -> Figure:
    """The figure of the work, or of its refusal: `ms` is then when that came."""
    try:
        return work()
    except Unavailable as refusal:
        return {"status": 503, "ms": refusal.after_ms}


def merged(figures: Sequence[Figure]) -> Figure:
    """The median over rounds, key by key; what was refused once counts as refused."""
    kept = [each for each in figures if "status" in each] or list(figures)
    return {key: median(each[key] for each in kept) for key in kept[0]}
