"""The least time that a refusal takes, so that it does not tell which names exist."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import LoginRefused
from mi_ldap.model import AuthenticationResult, User
from mi_ldap.store import UserStore


class ResponseTimeFloor:
    """The least time that a refusal takes: what a wrong password costs the directory, and more.

    A slow hash runs for names that exist only; waiting up to a floor that follows the recent cost
    of real refusals hides which they are. It moves in steps, so that it tells nothing either.
    """

    STEP_S = 0.01
    MOST_S = 0.5

    def __init__(self) -> None:
        self._costs_s: deque[float] = deque([0.01], maxlen=64)
        self._lock = threading.Lock()

    def authenticate(self, store: UserStore, user: User, password: str) -> AuthenticationResult:
        """Prove a password, and learn what a refusal costs."""
        with self.learning():
            return store.authenticate(user, password)

    @contextmanager
    def learning(self) -> Iterator[None]:
        """What the block needs for one refusal is learned."""
        began_s = time.monotonic()
        try:
            yield
        except LoginRefused:
            self.learn(time.monotonic() - began_s)
            raise

    def learn(self, cost_s: float) -> None:
        """Take in what one refused bind cost, in seconds."""
        with self._lock:
            self._costs_s.append(cost_s)

    def wait(self, since_s: float) -> None:
        """Sleep until the floor is reached, counted from `since_s` (`time.monotonic()`)."""
        with self._lock:
            floor_s = (max(self._costs_s) // self.STEP_S + 2) * self.STEP_S
        left_s = min(floor_s, self.MOST_S) - (time.monotonic() - since_s)
        time.sleep(max(0.0, min(left_s, remaining_s())))
