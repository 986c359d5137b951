"""The deadline of the current request.

A request has one deadline, set where it begins. Everything that waits asks for the remaining time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

DEFAULT_S = 5.0
"""The remaining time, in seconds, where no deadline was set."""

# Seconds for a rollback, which may begin when the request's own time is over.
UNDO_S = 2.0

_ends_at: ContextVar[float | None] = ContextVar("deadline", default=None)
_began_at: ContextVar[float | None] = ContextVar("began_at", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Give the block `seconds` from now, including everything that it calls."""
    now = time.monotonic()
    # A nested deadline, such as that of a rollback, belongs to a request that began earlier.
    began = _began_at.set(_began_at.get() or now)
    ends = _ends_at.set(now + seconds)
    try:
        yield
    finally:
        _ends_at.reset(ends)
        _began_at.reset(began)


def remaining_s() -> float:
    """Return the remaining seconds, 0 after the deadline; `DEFAULT_S` where none was set."""
    ends_at = _ends_at.get()
    return DEFAULT_S if ends_at is None else max(0.0, ends_at - time.monotonic())


def began_at() -> float:
    """Return when the current request began, by `time.monotonic()`; now if there is none."""
    return _began_at.get() or time.monotonic()
