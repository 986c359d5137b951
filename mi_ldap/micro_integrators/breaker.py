"""A circuit breaker: after several failures in a row a node gets one request at a time, as a probe.

It is used in one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import Final

FAILURES: Final = 3
"""Failures in a row after which the breaker opens."""

PAUSE_S: Final = 5.0
"""Seconds from a failure until the next probe, while the breaker is open."""


class BreakerState(Enum):
    """What a breaker does with requests."""

    CLOSED = "closed"
    """All are sent."""
    OPEN = "open"
    """All are refused at once."""
    HALF_OPEN = "half_open"
    """The next one is sent as a probe."""


class Admission:
    """A request that the breaker has admitted; the first report about it counts."""

    def __init__(self, breaker: CircuitBreaker, *, is_probe: bool) -> None:
        self._breaker: CircuitBreaker | None = breaker
        self._is_probe = is_probe

    def succeeded(self) -> None:
        """Report that the node answered, with whatever status."""
        if breaker := self._take():
            breaker.close()

    def failed(self) -> None:
        """Report that the node cannot be reached, or gave no answer."""
        if breaker := self._take():
            breaker.note_failure(is_probe=self._is_probe)

    def abandoned(self) -> None:
        """Report that the request ended without showing anything about the node."""
        if (breaker := self._take()) and self._is_probe:
            breaker.release_probe()

    def _take(self) -> CircuitBreaker | None:
        breaker, self._breaker = self._breaker, None
        return breaker


class CircuitBreaker:
    """The breaker of one node.

    Args:
        failures: failures in a row after which it opens.
        pause_s: seconds until the next probe.
        probe_s: seconds after which a probe without a report is replaced by another one: the head
            of the answer to a large upload may take minutes.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        failures: int = FAILURES,
        pause_s: float = PAUSE_S,
        probe_s: float = 2 * PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_failures = failures
        self._pause_s = pause_s
        self._probe_s = probe_s
        self._clock = clock
        self.failures = 0
        self._next_probe_at = 0.0

    @property
    def state(self) -> BreakerState:
        if self.failures < self._most_failures:
            return BreakerState.CLOSED
        is_due = self._clock() >= self._next_probe_at
        return BreakerState.HALF_OPEN if is_due else BreakerState.OPEN

    @property
    def retry_after_s(self) -> float:
        """Seconds until the next probe is possible; 0 if a request is admitted now."""
        is_closed = self.state is BreakerState.CLOSED
        return 0.0 if is_closed else max(0.0, self._next_probe_at - self._clock())

    def admit(self) -> Admission | None:
        """Return the admission of one request; None if it must not be sent."""
        state = self.state
        if state is BreakerState.OPEN:
            return None
        is_probe = state is BreakerState.HALF_OPEN
        if is_probe:
            self._next_probe_at = self._clock() + self._probe_s
        return Admission(self, is_probe=is_probe)

    def close(self) -> None:
        """Admit all requests."""
        self.failures = 0

    def note_failure(self, *, is_probe: bool) -> None:
        """Count a failure.

        A request that was admitted before the breaker opened does not delay the next probe.
        """
        was_open = self.failures >= self._most_failures
        self.failures += 1
        if is_probe or not was_open:
            self._next_probe_at = self._clock() + self._pause_s

    def release_probe(self) -> None:
        """Admit another probe at once."""
        self._next_probe_at = self._clock()
