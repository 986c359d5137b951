"""Counters of a node that all workers share."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Final

SLOTS: Final = 256
"""The most workers whose requests are counted."""

_FIELDS: Final = 3
_MICROSECONDS: Final = 1_000_000


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
    """Counters in memory that processes share; create them before the workers are forked.

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
        self._values[self._at] += 1
        self._values[self._at + 1] += is_error
        self._values[self._at + 2] += int(seconds * _MICROSECONDS)

    def totals(self) -> Totals:
        """Return the sums over all workers."""
        requests, errors, micros = (sum(self._values[at::_FIELDS]) for at in range(_FIELDS))
        return Totals(requests, errors, micros / _MICROSECONDS)
