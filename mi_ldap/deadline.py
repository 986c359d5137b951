"""How long the present request may still last.

A request has one deadline, set by whoever begins it; everything that waits asks what is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

DEFAULT_S = 5.0

UNDO_S = 2.0
"""What undoing may take besides the request's own time, which may be over by then."""

_ends_at: ContextVar[float | None] = ContextVar("deadline", default=None)
_began_at: ContextVar[float | None] = ContextVar("began_at", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Everything inside has `seconds` from now, in all."""
    now = time.monotonic()
    began = _began_at.set(_began_at.get() or now)
    ends = _ends_at.set(now + seconds)
    try:
        yield
    finally:
        _ends_at.reset(ends)
        _began_at.reset(began)


def remaining_s() -> float:
    """The seconds left, 0 when the time is over; `DEFAULT_S` where no deadline was set."""
    ends_at = _ends_at.get()
    return DEFAULT_S if ends_at is None else max(0.0, ends_at - time.monotonic())


def began_at() -> float:
    """When the present request began, of `time.monotonic()`; now where there is none."""
    return _began_at.get() or time.monotonic()
