"""Deciding and acting again, as long as somebody else changes things in between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import Conflict

T = TypeVar("T")

_CHANCE = random.SystemRandom()  # leaves alone what others draw from `random`

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.2


def retry_on_conflict(decide_and_do: Callable[[], T]) -> T:
    """What `decide_and_do` returns, tried again after each `Conflict`.

    Raises:
        Conflict: the request's time is over.
    """
    give_up_at = time.monotonic() + remaining_s()
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return decide_and_do()
        except Conflict:
            if time.monotonic() + 2 * pause_s > give_up_at:
                raise
            time.sleep(_CHANCE.uniform(0, pause_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
