"""The turns of the requests to one node: how many may be under way, in all and of one user."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(slots=True)
class _Share:
    """The turns of one user, and how many requests have or wait for one."""

    turns: asyncio.Semaphore
    requests: int = 0


class Turns:
    """Used in one event loop.

    Args:
        most: the most requests under way.
        most_of_user: the most of one user, so that slow downloads of one leave turns to others.
    """

    def __init__(self, most: int, most_of_user: int) -> None:
        self._turns = asyncio.Semaphore(most)
        self._most_of_user = most_of_user
        self._shares: dict[str, _Share] = {}

    def must_wait(self, user: str) -> bool:
        """Whether `acquire` would wait."""
        share = self._shares.get(user)
        return self._turns.locked() or (share is not None and share.turns.locked())

    async def acquire(self, user: str) -> None:
        """Wait for a turn.

        Args:
            user: the id of the user, `""` for requests that are limited elsewhere.
        """
        if user:
            await self._acquire_share(user)
        try:
            await self._turns.acquire()
        except BaseException:
            self._release_share(user)
            raise

    def release(self, user: str) -> None:
        """Give a turn back."""
        self._turns.release()
        self._release_share(user)

    async def _acquire_share(self, user: str) -> None:
        share = self._shares.setdefault(user, _Share(asyncio.Semaphore(self._most_of_user)))
        share.requests += 1
        try:
            await share.turns.acquire()
        except BaseException:
            self._leave(user, share)
            raise

    def _release_share(self, user: str) -> None:
        if share := self._shares.get(user):
            share.turns.release()
            self._leave(user, share)

    def _leave(self, user: str, share: _Share) -> None:
        share.requests -= 1
        if not share.requests:
            del self._shares[user]
