"""The replica equals the directory after random changes by any client.

`MI_LDAP_WALKS=100` walks so many; which seed went wrong is in the test's name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mi_ldap import wiring
from mi_ldap.directory import replica
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.settings import load_settings
from tests.replica.observed import observed
from tests.replica.places import is_ready, names_of
from tests.replica.walk import ROLES, USERS, Walk
from tests.until import until

SEEDS = range(int(os.environ.get("MI_LDAP_WALKS", "4")))
STEPS = 60


@pytest.fixture
def store(
    tmp_path: Path, directory: EmbeddedDirectory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DirectoryStore]:
    monkeypatch.setattr(replica, "RECHECK_S", 0.05)
    # refint of the embedded slapd is done some milliseconds after the change.
    monkeypatch.setattr(replica.groups, "REFINT_S", 0.5)
    settings = load_settings({"MI_LDAP_STATE_DIR": str(tmp_path)})
    store = wiring.services(settings, directory).primary
    assert isinstance(store, DirectoryStore)
    yield store
    store.close()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often memory answered, and how often it left that to the directory."""
    counted: Counter[str] = Counter()
    query = replica.Replica.query

    def counting(self: replica.Replica, question: Any) -> Any:
        try:
            answer = query(self, question)
        except replica.CacheMiss:
            counted["directory"] += 1
            raise
        counted["memory"] += 1
        return answer

    monkeypatch.setattr(replica.Replica, "query", counting)
    return counted


def compare(store: DirectoryStore, what: str) -> None:
    """Memory says what the directory says, before it is asked or after."""
    before = observed(store, USERS, ROLES)
    seen = observed(store.view(), USERS, ROLES)
    after = observed(store, USERS, ROLES)
    for key in {*before, *after, *seen}:
        answers = (before.get(key), after.get(key))
        assert seen.get(key) in answers, f"after {what}: {key}"


def is_back(store: DirectoryStore) -> bool:
    """Whether memory answers all reads, or will not before another change."""
    if "slapadd" in store.read_source().why:
        return True
    names_of(store)  # each poll reads the groups that are due
    snapshot = store._context().replica._snapshot  # type: ignore[union-attr]
    return is_ready(store) and snapshot is not None and not snapshot.contents.groups.uncertain


@pytest.mark.parametrize("seed", SEEDS)
def test_replica_equals_the_directory_after_random_changes(
    store: DirectoryStore, directory: EmbeddedDirectory, answers: Counter[str], seed: int
) -> None:
    walk = Walk(directory, store, seed)
    store.admin_role()
    until(lambda: is_ready(store))
    done: list[str] = []
    for number in range(STEPS):
        done.append(f"{number} {walk.step()}")
        compare(store, "\n".join(done))
        if number % 3 == 2:  # else further changes come while groups are uncertain
            until(lambda: is_back(store))
            compare(store, "\n".join(done))
    walk.close()
    print(answers)
    assert answers["memory"] > answers["directory"]
