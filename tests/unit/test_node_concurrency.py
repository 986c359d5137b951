"""The limit of concurrent requests to a node."""

from __future__ import annotations

import asyncio

import pytest

from mi_ldap.micro_integrators.concurrency import ConcurrencyLimit
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.node import Node


def test_one_user_leaves_permits_to_others() -> None:
    async def ask() -> None:
        limit = ConcurrencyLimit(4, 2)
        for _ in range(2):
            await limit.acquire("slow")
        assert limit.must_wait("slow")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limit.acquire("slow"), 0.01)
        for user in ("other", ""):
            assert not limit.must_wait(user)
            await limit.acquire(user)
        assert limit.must_wait("third")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limit.acquire("third"), 0.01)
        waiting = asyncio.create_task(limit.acquire("slow"))
        await asyncio.sleep(0)
        limit.release("slow")
        await waiting

    asyncio.run(ask())


def test_nothing_is_kept_of_users_without_requests() -> None:
    async def ask() -> ConcurrencyLimit:
        limit = ConcurrencyLimit(3, 1)
        for user in ("a", "b", ""):
            await limit.acquire(user)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limit.acquire("c"), 0.01)
        for user in ("a", "b", ""):
            limit.release(user)
        return limit

    limit = asyncio.run(ask())
    assert not limit._users
    assert not limit.must_wait("a")


def test_one_user_never_has_all_permits_of_a_node() -> None:
    async def ask() -> None:
        node = Node(NodeConfig("mi-1", "http://localhost:9164/management", "door", "password"))
        requests = 0
        while not node.concurrency.must_wait("slow"):
            await node.concurrency.acquire("slow")
            requests += 1
        assert requests <= 32
        assert not node.concurrency.must_wait("other")

    asyncio.run(ask())
