"""Waiting for what comes sooner or later."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], longest_s: float = 15.0) -> None:
    """Return once it is so; fail when it takes too long."""
    ends_at = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < ends_at, "it took too long"
        time.sleep(0.01)
