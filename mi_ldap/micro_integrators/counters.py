"""What all workers share about a node: counters, and whether it answers."""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass
from typing import Final

SLOTS: Final = 256
"""The most workers whose requests are counted."""

_FIELDS: Final = 5
_REQUESTS, _ERRORS, _MICROSECONDS, _REPORTED_AT, _IS_DOWN = range(_FIELDS)


@dataclass(frozen=True, slots=True)
class Totals:
    """What all workers have counted since the service started.

    Attributes:
        requests: that ended, whatever their outcome.
        errors: of those, the ones that the node did not answer completely.
        seconds: the time that all of them took.
    """

    requests: int
    errors: int
    seconds: float


class SharedCounters:
    """Numbers in memory that processes share; create them before the workers are forked.

    Each worker writes its own slot, in one thread, so no lock is needed. A worker that replaces an
    ended one goes on with the values of its slot.
    """

    def __init__(self) -> None:
        self._values = memoryview(mmap.mmap(-1, SLOTS * _FIELDS * 8)).cast("Q")
        self._at = 0

    def use_slot(self, slot: int) -> None:
        """Count in this slot from now on, in this process; no other live process may use it."""
        self._at = slot % SLOTS * _FIELDS

    def add(self, seconds: float, *, is_error: bool) -> None:
        """Count a request that has ended."""
        self._values[self._at + _REQUESTS] += 1
        self._values[self._at + _ERRORS] += is_error
        self._values[self._at + _MICROSECONDS] += int(seconds * 1_000_000)

    def note_state(self, *, is_up: bool) -> None:
        """Note that the node has answered a request, or has failed to."""
        self._values[self._at + _IS_DOWN] = not is_up
        self._values[self._at + _REPORTED_AT] = time.monotonic_ns()  # one clock for all processes

    @property
    def is_up(self) -> bool:
        """Whether the node answered its last request; true before the first one."""
        reports = zip(
            self._values[_REPORTED_AT::_FIELDS], self._values[_IS_DOWN::_FIELDS], strict=True
        )
        _, is_down = max(reports)
        return not is_down

    def totals(self) -> Totals:
        """Return the sums over all workers."""
        return Totals(
            self._sum(_REQUESTS), self._sum(_ERRORS), self._sum(_MICROSECONDS) / 1_000_000
        )

    def _sum(self, field: int) -> int:
        return sum(self._values[field::_FIELDS])
