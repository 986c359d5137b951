"""A cache of what was read, which is valid while nothing changes in the database server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection

from mi_ldap.sql.change_checks import Check, ServerState
from mi_ldap.sql.engine import Database

T = TypeVar("T")

_MAX_OBJECTS: Final = 20_000
"""The most users and roles in all values together, about 10 MB."""


class CachedValue(NamedTuple):
    """A value that was read.

    Attributes:
        state: of a check before the read began.
        read_at: when the read had ended, by `time.monotonic()`.
    """

    state: ServerState | None
    read_at: float
    value: Any
    size: int = 1

    def is_valid(self, check: Check) -> bool:
        """Whether a read would return the same value at the time of the check."""
        # Nothing has changed between the check before the read and this one, after the read.
        return self.state == check.state and self.read_at <= check.asked_at


class ReadCache:
    """Returns values from memory if the database has not changed since they were read.

    Only PostgreSQL can report that. With other databases every value is read. Threads may share it.

    Args:
        database: the connections.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._values: dict[Hashable, CachedValue] = {}
        self._size = 0

    @property
    def is_usable(self) -> bool:
        """Whether this request may get values from memory."""
        return self._database.change_check() is not None

    def get(
        self,
        key: Hashable,
        read: Callable[[Connection], T],
        size: Callable[[T], int] = lambda value: 1,
    ) -> T:
        """Return a value as it has been in the database since the request began.

        Args:
            key: identifies the value.
            read: reads the value, which must be immutable.
            size: returns the number of users and roles in the value.
        """
        check = self._database.change_check()
        if check is None:
            return self._database.read(read)
        cached = self._values.get(key)
        if cached and cached.is_valid(check):
            value: T = cached.value
            return value
        value = self._database.read(read)
        self._add(key, CachedValue(check.state, time.monotonic(), value, size(value)))
        return value

    def _add(self, key: Hashable, added: CachedValue) -> None:
        """Add a value; remove those of other states, and the oldest above the limit."""
        with self._lock:
            newest = next(reversed(self._values.values()), added)
            if newest.state != added.state:
                self._values, self._size = {}, 0
            if replaced := self._values.pop(key, None):
                self._size -= replaced.size
            self._values[key] = added
            self._size += added.size
            while self._size > _MAX_OBJECTS:
                self._size -= self._values.pop(next(iter(self._values))).size
