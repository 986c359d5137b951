"""A change is in every read that begins after its response, even with concurrent writers.

slapd keeps a change to itself as long as another is under way that began before it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import AmbiguousName
from mi_ldap.model import EntryId, Role
from mi_ldap.store import AssignRole, DeleteUser, RenewEpoch, RevokeRole, SetCustodian, Unchanged
from tests.replica.places import is_ready, opened, opened_by_url
from tests.subtree import Tool
from tests.until import until

ROUNDS = 120

Write = Callable[[DirectoryStore, DirectoryStore, str], None]


@pytest.fixture
def pair(
    tmp_path: Path, directory: EmbeddedDirectory
) -> Iterator[tuple[DirectoryStore, DirectoryStore]]:
    with ExitStack() as stack:
        folders = (tmp_path / "one", tmp_path / "other")
        one, other = (stack.enter_context(closing(opened(folder, directory))) for folder in folders)
        for store in (one, other):
            until(partial(is_ready, store))
        yield one, other


def at_the_same_time(pair: tuple[DirectoryStore, DirectoryStore], write: Write) -> None:
    one, other = pair
    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, one, other, "a"), pool.submit(write, other, one, "b")]
        for each in writing:
            each.result()
    for store in pair:
        assert store.read_source().source == "memory"


def test_concurrent_membership_changes_are_in_the_next_read(
    pair: tuple[DirectoryStore, DirectoryStore],
) -> None:
    one, _ = pair
    for name in ("a1", "a2", "a3", "b1", "b2", "b3"):
        _add(one, name)
    at_the_same_time(pair, partial(_change, one.create_role("dev")))


def _change(role: Role, one: DirectoryStore, other: DirectoryStore, whose: str) -> None:
    lot = random.Random(whose)
    for number in range(ROUNDS):
        with deadline(20):
            found = one.find_user(f"{whose}{lot.randrange(1, 4)}")
            assert found
            holds = found.name in one.member_names(role).names
            step = (RevokeRole if holds else AssignRole)(role, found)
            one.apply(Unchanged(found), SetCustodian(found, EntryId(f"id{number}")), step)
        with deadline(20):
            seen = other.view().user(found.id)
            assert seen
            assert seen.custodian_id == f"id{number}"
            assert (found.name in other.view().member_names(role).names) is not holds


def test_concurrent_creations_and_deletions_are_in_the_next_read(
    pair: tuple[DirectoryStore, DirectoryStore],
) -> None:
    at_the_same_time(pair, _make_and_remove)


def _add(store: DirectoryStore, name: str) -> None:
    """A user that is no longer marked as unfinished, so that it is shown."""
    store.apply(RenewEpoch(store.create_user(name)))


def _make_and_remove(one: DirectoryStore, other: DirectoryStore, whose: str) -> None:
    for number in range(ROUNDS):
        name = f"{whose}{number}"
        with deadline(20):
            _add(one, name)
        with deadline(20):
            made = other.view().find_user(name)
            assert made
            one.apply(DeleteUser(made))
        for store in (one, other):
            with deadline(20):
                assert store.view().find_user(name) is None


def test_user_that_moves_between_bases_is_always_found(
    tmp_path: Path, directory: EmbeddedDirectory
) -> None:
    inner = f"ou=in,{directory.user_base}"
    here, there = f"ou=here,{inner}", f"ou=there,{inner}"
    both = f"{here}#{there}"
    with (
        closing(
            Tool(directory.url, directory.manager_dn, directory.read_manager_password())
        ) as tool,
        ThreadPoolExecutor(1) as pool,
    ):
        for dn in (inner, here, there):
            tool.add(dn, ["organizationalUnit"])
        for name, base in (("bob", here), ("carl", there)):  # both are places from the beginning
            tool.add(f"uid={name},{base}", ["inetOrgPerson"], uid=name, cn=name, sn="x")
        tool.add(f"uid=ann,{here}", ["inetOrgPerson"], uid="ann", cn="ann", sn="x")
        with closing(opened_by_url(tmp_path, directory, USER_SEARCH_BASE=both)) as store:
            until(partial(is_ready, store))

            def move() -> None:
                for _ in range(ROUNDS):
                    tool.move(f"uid=ann,{here}", "uid=ann", there)
                    tool.move(f"uid=ann,{there}", "uid=ann", here)

            moving = pool.submit(move)
            while not moving.done():
                # The directory itself, asked base by base, may know her twice.
                with deadline(5), suppress(AmbiguousName):
                    store.view().find_user("ann")
            moving.result()
            with deadline(5):
                assert store.view().find_user("ann")
            until(partial(is_ready, store))
            with deadline(5):
                assert store.view().find_user("ann")
