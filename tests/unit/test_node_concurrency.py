"""How many requests to a node are under way."""

from __future__ import annotations

import asyncio

import pytest

from mi_ldap.micro_integrators.turns import Turns


def test_one_user_leaves_turns_to_others() -> None:
    async def ask() -> None:
        turns = Turns(4, 2)
        for _ in range(2):
            await turns.acquire("slow")
        assert turns.must_wait("slow")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(turns.acquire("slow"), 0.01)
        for user in ("other", ""):
            assert not turns.must_wait(user)
            await turns.acquire(user)
        assert turns.must_wait("third")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(turns.acquire("third"), 0.01)
        waiting = asyncio.create_task(turns.acquire("slow"))
        await asyncio.sleep(0)
        turns.release("slow")
        await waiting

    asyncio.run(ask())


def test_nothing_is_kept_of_users_without_requests() -> None:
    async def ask() -> Turns:
        turns = Turns(3, 1)
        for user in ("a", "b", ""):
            await turns.acquire(user)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(turns.acquire("c"), 0.01)
        for user in ("a", "b", ""):
            turns.release(user)
        return turns

    turns = asyncio.run(ask())
    assert not turns._shares
    assert not turns.must_wait("a")
