"""Members that the overlay refint changes some time after their entries, without a new stamp."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.directory import replica
from mi_ldap.directory.replica.contents import ReplicaContents
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.embedded import EmbeddedDirectory
from tests.replica.places import is_ready, names_of, opened
from tests.subtree import Tool
from tests.until import until


@pytest.fixture
def tool(directory: EmbeddedDirectory) -> Iterator[Tool]:
    made = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
    yield made
    made.close()


@pytest.fixture
def store(
    tmp_path: Path, directory: EmbeddedDirectory, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DirectoryStore]:
    """A store whose memory has `ann` and `bob`, both in `dev`, which is in `ops`."""
    monkeypatch.setattr(replica.groups, "REFINT_S", 0.5)
    for name in ("ann", "bob"):
        add_user(tool, directory, name)
    people = [f"uid={name},{directory.user_base}" for name in ("ann", "bob")]
    dev = f"cn=dev,{directory.group_base}"
    tool.add(dev, ["groupOfNames"], cn="dev", member=people)
    tool.add(f"cn=ops,{directory.group_base}", ["groupOfNames"], cn="ops", member=dev)
    with closing(opened(tmp_path, directory)) as made:
        until(lambda: is_ready(made) and not uncertain(made))
        yield made


def add_user(tool: Tool, directory: EmbeddedDirectory, name: str) -> None:
    dn = f"uid={name},{directory.user_base}"
    tool.add(dn, ["inetOrgPerson"], uid=name, cn=name, sn="x")


def contents_of(store: DirectoryStore) -> ReplicaContents:
    context = store._context()
    assert context.replica
    assert context.replica._snapshot
    return context.replica._snapshot.contents


def uncertain(store: DirectoryStore) -> set[str]:
    """The names of the groups whose members memory does not know, after a poll."""
    names_of(store)
    return {group.role.name for group in contents_of(store).groups.uncertain}


def roles(store: DirectoryStore, name: str, *, from_memory: bool) -> set[str]:
    reads = store.view() if from_memory else store
    with deadline(5):
        user = reads.find_user(name)
        assert user
        details = reads.details(user)
        return {role.name for role in (*details.roles, *details.inherited)}


@pytest.mark.parametrize("is_polled_between", [True, False])
def test_new_user_with_the_dn_of_a_deleted_one_has_no_roles(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool, is_polled_between: bool
) -> None:
    ann, dev = f"uid=ann,{directory.user_base}", f"cn=dev,{directory.group_base}"
    for _ in range(20):
        tool.delete(ann)
        if is_polled_between:
            names_of(store)
        add_user(tool, directory, "ann")
        found = roles(store, "ann", from_memory=True)
        assert found in (set(), roles(store, "ann", from_memory=False))
        until(lambda: roles(store, "ann", from_memory=False) == set())
        assert roles(store, "ann", from_memory=True) == set()
        until(lambda: not uncertain(store))
        assert roles(store, "ann", from_memory=True) == set()
        tool.add_values(dev, member=ann)
        assert roles(store, "ann", from_memory=True) == {"dev", "ops"}


def test_group_is_uncertain_while_a_member_has_another_entry(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    """The member stays, as if refint were slow: the group names it before it exists."""
    tool.add_values(f"cn=dev,{directory.group_base}", member=f"uid=new,{directory.user_base}")
    assert uncertain(store) == set()
    began = time.monotonic()
    add_user(tool, directory, "new")
    assert uncertain(store) == {"dev"}
    assert roles(store, "new", from_memory=True) == {"dev", "ops"}
    until(lambda: not uncertain(store))
    assert time.monotonic() - began >= replica.groups.REFINT_S
    assert roles(store, "new", from_memory=True) == {"dev", "ops"}


def test_deletion_leaves_the_groups_certain(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What refint removes later is nobody's DN meanwhile: no answer depends on it."""
    monkeypatch.setattr(replica.groups, "REFINT_S", 60.0)
    tool.delete(f"uid=ann,{directory.user_base}")
    assert uncertain(store) == set()
    assert roles(store, "bob", from_memory=True) == {"dev", "ops"}
    role = store.find_role("ops")
    assert role
    assert store.view().member_names(role).names == ("bob",)


def test_renamed_user_keeps_its_roles(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    tool.move(f"uid=ann,{directory.user_base}", "uid=eve", directory.user_base)
    assert uncertain(store) == {"dev"}
    until(lambda: roles(store, "eve", from_memory=False) == {"dev", "ops"})
    assert roles(store, "eve", from_memory=True) == {"dev", "ops"}
    until(lambda: not uncertain(store))
    assert roles(store, "eve", from_memory=True) == {"dev", "ops"}
