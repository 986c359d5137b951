"""Retries of changes that conflict with concurrent ones."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import Conflict

T = TypeVar("T")

_RANDOM = random.SystemRandom()  # independent of seeds that tests set

_FIRST_PAUSE_S = 0.005
_MAX_PAUSE_S = 0.2


def retry_on_conflict(action: Callable[[], T], *, first: Callable[[], T] | None = None) -> T:
    """Return the result of `action`; call it again, after a random pause, on each `Conflict`.

    Args:
        action: reads, decides and applies a change; is called again from the start.
        first: is called instead at first; it may decide on what was read before.

    Raises:
        Conflict: the request's deadline does not allow another attempt.
    """
    give_up_at = time.monotonic() + remaining_s()
    pause_s, attempt = _FIRST_PAUSE_S, first or action
    while True:
        try:
            return attempt()
        except Conflict:
            if time.monotonic() + 2 * pause_s > give_up_at:
                raise
            # A random pause, so that two requests that conflicted do not meet again.
            time.sleep(_RANDOM.uniform(0, pause_s))
            attempt = action
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)
