"""What memory makes of transactions (RFC 5805), of which slapd tells before they are over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.directory import DirectoryStore
from mi_ldap.directory.embedded import EmbeddedDirectory
from mi_ldap.directory.operations import Add, Delete, Operation
from mi_ldap.directory.session import Refused
from tests.index.places import is_ready, is_settled, names_of, opened
from tests.until import until

MANY = 200
"""Operations of a transaction: it takes long enough for some polls."""


@pytest.fixture
def store(tmp_path: Path, directory: EmbeddedDirectory) -> Iterator[DirectoryStore]:
    with closing(opened(tmp_path, directory)) as made:
        until(lambda: is_ready(made))
        yield made


def user(directory: EmbeddedDirectory, name: str) -> Add:
    dn = f"uid={name},{directory.user_base}"
    return Add(dn, ("inetOrgPerson",), {"uid": [name], "cn": [name], "sn": ["x"]})


def in_one_transaction(store: DirectoryStore, operations: list[Operation]) -> None:
    with (
        deadline(30),
        closing(store._connector.bound()) as session,
        session.transaction() as transaction,
    ):
        for operation in operations:
            session.do(operation, transaction)


@contextmanager
def asked_all_the_time(question: Callable[[], object]) -> Iterator[None]:
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            question()

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield
        finally:
            is_over.set()
        asking.result()


def test_what_a_transaction_makes_is_there_when_it_is_over(
    store: DirectoryStore, directory: EmbeddedDirectory
) -> None:
    names = [f"u{number:03}" for number in range(MANY)]
    with asked_all_the_time(lambda: names_of(store)):
        in_one_transaction(store, [user(directory, name) for name in names])
        assert names_of(store) == names
    assert names_of(store) == names
    assert store.reads.source == "memory"


def test_what_a_transaction_removes_is_gone_when_it_is_over(
    store: DirectoryStore, directory: EmbeddedDirectory
) -> None:
    names = [f"u{number:03}" for number in range(MANY)]
    in_one_transaction(store, [user(directory, name) for name in names])
    last = names.pop()
    with asked_all_the_time(lambda: names_of(store)):
        gone = [Delete(f"uid={name},{directory.user_base}") for name in names]
        in_one_transaction(store, [*gone])
        assert names_of(store) == [last]
    assert names_of(store) == [last]
    assert store.reads.source == "memory"


def test_what_a_transaction_that_is_given_up_has_removed_stays(
    store: DirectoryStore, directory: EmbeddedDirectory
) -> None:
    names = [f"u{number:03}" for number in range(MANY)]
    in_one_transaction(store, [user(directory, name) for name in names])
    gone = [Delete(f"uid={name},{directory.user_base}") for name in names]
    with asked_all_the_time(lambda: names_of(store)):
        for _ in range(3):
            with pytest.raises(Refused):
                in_one_transaction(store, [*gone, Delete(f"uid=none,{directory.user_base}")])
            assert names_of(store) == names
    until(lambda: is_settled(store))
    assert names_of(store) == names
    assert store.reads.source == "memory"


def test_memory_that_is_filled_during_a_transaction_misses_nothing(
    tmp_path: Path, store: DirectoryStore, directory: EmbeddedDirectory
) -> None:
    names = [f"u{number:04}" for number in range(5 * MANY)]
    made = [user(directory, name) for name in names]
    with ExitStack() as others, ThreadPoolExecutor(1) as pool:
        parts = [made[start : start + MANY] for start in range(0, len(made), MANY)]
        making = [pool.submit(in_one_transaction, store, [*part]) for part in parts]
        opened_meanwhile: list[DirectoryStore] = []
        while not making[-1].done():
            folder = tmp_path / str(len(opened_meanwhile))
            other = others.enter_context(closing(opened(folder, directory)))
            until(partial(is_ready, other))
            opened_meanwhile.append(other)
        for each in making:
            each.result()
        assert len(opened_meanwhile) > 1
        for other in opened_meanwhile:
            assert names_of(other) == names
            assert other.reads.source == "memory"


def test_once_all_is_settled_a_read_costs_one_poll(
    tmp_path: Path, directory: EmbeddedDirectory
) -> None:
    asked: list[str] = []
    with closing(opened(tmp_path, directory, observe=asked.append)) as store:
        until(lambda: is_ready(store))
        in_one_transaction(store, [user(directory, name) for name in ("ann", "bob")])
        assert names_of(store) == ["ann", "bob"]
        until(lambda: is_settled(store))
        del asked[:]
        for _ in range(3):
            assert names_of(store) == ["ann", "bob"]
        assert asked == ["poll"] * 3
