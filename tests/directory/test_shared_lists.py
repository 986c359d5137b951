"""Clients that request a list at the same time, without memory, share reads."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.services.queries import Query, Selection
from tests.machines import MakeApi
from tests.subtree import Subtree

MANY, CLIENTS = 300, 16


@pytest.mark.parametrize(
    "query", [Query(limit=25, offset=50), Query(role="everybody", limit=25, offset=50)]
)
def test_concurrent_lists_are_read_at_most_twice(
    query: Query, api_of: MakeApi, subtree: Subtree
) -> None:
    said: Counter[str] = Counter()
    lock = threading.Lock()

    def note(operation: str) -> None:
        with lock:
            said[operation] += 1

    names = [f"user{number:04}" for number in range(MANY)]
    for name in names:
        subtree.add_user(name)
    subtree.add_group("everybody", *map(subtree.user_dn, names))
    users = api_of(note, USER_STORE__INDEX_LIMIT="0", USER_STORE__POOL_SIZE="20").services.users
    begin = threading.Barrier(CLIENTS)

    def ask(_: int) -> Selection:
        begin.wait()
        with deadline(10):
            return users.select(query)

    users.select(query)
    said.clear()
    users.select(query)
    alone = said["search"]
    said.clear()
    with ThreadPoolExecutor(CLIENTS) as pool:
        found = [*pool.map(ask, range(CLIENTS))]
    assert {each.names for each in found} == {tuple(names[50:75])}
    looked_up = CLIENTS if query.role else 0  # each request finds the role first
    assert said["search"] <= looked_up + 3 * alone


def test_new_user_is_in_the_next_list(api_of: MakeApi, subtree: Subtree) -> None:
    users = api_of(USER_STORE__INDEX_LIMIT="0").services.users
    over = threading.Event()

    def list_on() -> None:
        while not over.is_set():
            with deadline(10):
                users.select(Query())

    with ThreadPoolExecutor(3) as pool:
        listing = [pool.submit(list_on) for _ in range(3)]
        for number in range(20):
            subtree.add_user(f"new{number}")
            with deadline(10):
                assert f"new{number}" in users.select(Query()).names
        over.set()
        for each in listing:
            each.result()
