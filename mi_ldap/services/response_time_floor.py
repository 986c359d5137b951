"""A minimum response time for failed logins, so that it does not reveal which names exist."""

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
    """The minimum response time of failed logins: slightly more than a wrong password takes."""

    # The directory computes the slow password hash only for names that exist. So all failed logins
    # last as long as the slowest of the recent binds that the directory refused.

    STEP_S = 0.01
    MAX_S = 0.5

    def __init__(self) -> None:
        # Bounded, so that one slow bind raises the floor only for the next 64 failures.
        self._costs_s: deque[float] = deque([0.01], maxlen=64)
        self._lock = threading.Lock()

    def authenticate(self, store: UserStore, user: User, password: str) -> AuthenticationResult:
        """Verify a password by a bind; measure it if it is refused."""
        with self.measured():
            return store.authenticate(user, password)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the block, if it raises `LoginRefused`."""
        began_s = time.monotonic()
        try:
            yield
        except LoginRefused:
            self.record(time.monotonic() - began_s)
            raise

    def record(self, cost_s: float) -> None:
        """Record the duration of one refused bind, in seconds."""
        with self._lock:
            self._costs_s.append(cost_s)

    def wait(self, since_s: float) -> None:
        """Sleep until the floor is reached, counted from `since_s` (`time.monotonic()`)."""
        with self._lock:
            # In whole steps, so that small changes of the floor reveal nothing either.
            floor_s = (max(self._costs_s) // self.STEP_S + 2) * self.STEP_S
        left_s = min(floor_s, self.MAX_S) - (time.monotonic() - since_s)
        time.sleep(max(0.0, min(left_s, remaining_s())))
