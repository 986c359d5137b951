"""The limit of concurrent requests to one node, in all and of one user."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(slots=True)
class _UserLimit:
    """The permits of one user, and how many requests have or wait for one."""

    permits: asyncio.Semaphore
    requests: int = 0


class ConcurrencyLimit:
    """Lets a request wait for a permit while too many are under way; used in one event loop.

    Args:
        most: the most requests under way.
        most_of_user: the most of one user, whose slow downloads must not block other users.
    """

    def __init__(self, most: int, most_of_user: int) -> None:
        self._permits = asyncio.Semaphore(most)
        self._most_of_user = most_of_user
        self._users: dict[str, _UserLimit] = {}

    def must_wait(self, user: str) -> bool:
        """Whether `acquire` would wait."""
        limit = self._users.get(user)
        return self._permits.locked() or (limit is not None and limit.permits.locked())

    async def acquire(self, user: str) -> None:
        """Wait for a permit.

        Args:
            user: the id of the user, `""` for requests that are limited elsewhere.
        """
        if user:
            await self._acquire_of_user(user)
        try:
            await self._permits.acquire()
        except BaseException:
            self._release_of_user(user)
            raise

    def release(self, user: str) -> None:
        """Return a permit."""
        self._permits.release()
        self._release_of_user(user)

    async def _acquire_of_user(self, user: str) -> None:
        limit = self._users.setdefault(user, _UserLimit(asyncio.Semaphore(self._most_of_user)))
        limit.requests += 1
        try:
            await limit.permits.acquire()
        except BaseException:
            self._uncount(user, limit)
            raise

    def _release_of_user(self, user: str) -> None:
        if limit := self._users.get(user):
            limit.permits.release()
            self._uncount(user, limit)

    def _uncount(self, user: str, limit: _UserLimit) -> None:
        limit.requests -= 1
        if not limit.requests:
            del self._users[user]
