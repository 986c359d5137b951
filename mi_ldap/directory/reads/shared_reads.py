"""Requests that wait for the same list share one read of the directory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import DirectoryUnavailable

T = TypeVar("T")


class _Read(Generic[T]):
    """A read that one request carries out, for itself and for those that wait for it."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self.result: list[T] = []  # empty if the read failed

    def wait(self) -> None:
        """Return when the read is over.

        Raises:
            DirectoryUnavailable: the request's time is over first.
        """
        if not self.is_over.wait(max(0.0, remaining_s())):
            raise DirectoryUnavailable("The directory did not answer in time. Try again later.")


# A list of 100,000 users takes a second of one core. Sixteen clients that ask for it at once would
# each wait for sixteen reads, since Python runs one thread at a time, and all would time out.
class SharedReads(Generic[T]):
    """Reads by key, at most one of a key at a time.

    A result contains all changes that were made before the request that gets it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, _Read[T]] = {}
        self._next: dict[Hashable, _Read[T]] = {}

    def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return what `read` returns, called by this request or by another one after it arrived.

        Args:
            key: what is read; calls with equal keys have equal `read`s.
            read: called on this thread or not at all.
        """
        while True:
            with self._lock:
                # A read that has begun already may lack a change that the client has made before
                # its request, so the request joins the next one.
                before, mine = self._running.get(key), self._next.get(key)
                joins = before is not None and mine is not None
                if mine is None:
                    mine = _Read()
                    (self._running if before is None else self._next)[key] = mine
            if not joins:
                return self._carry_out(key, before, mine, read)
            mine.wait()
            if mine.result:
                return mine.result[0]
            # It failed, perhaps only since the other request had less time left: try again.

    def _carry_out(
        self, key: Hashable, before: _Read[T] | None, mine: _Read[T], read: Callable[[], T]
    ) -> T:
        try:
            if before is not None:
                before.wait()
            result = read()
            mine.result.append(result)
            return result
        finally:
            self._end(key, mine)

    def _end(self, key: Hashable, ended: _Read[T]) -> None:
        """Let the next read run; those who wait for the ended one get its result."""
        with self._lock:
            if self._next.get(key) is ended:  # its request gave up before the one before it ended
                del self._next[key]
            elif (following := self._next.pop(key, None)) is not None:
                self._running[key] = following
            else:
                self._running.pop(key, None)
        ended.is_over.set()
