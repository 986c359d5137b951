"""The replica when the directory or the connection fails, or changes are not reported."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mi_ldap.directory import replica
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.replica.contents import ReplicaContents
from mi_ldap.directory.replica.groups import Group
from mi_ldap.directory.replica.synchronizer import Synchronizer
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.ldap.messages import Entry
from mi_ldap.store import DeleteUser
from tests.checks.directories import tool_of
from tests.directory.stores import Stores
from tests.hosts.openldap import OpenLdap
from tests.kinds import OPENLDAP
from tests.replica.places import is_ready, names_of, opened, opened_by_url
from tests.subtree import Tool, host_like, subtree_in
from tests.until import until


@pytest.fixture
def tool(directory: EmbeddedDirectory) -> Iterator[Tool]:
    made = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path, directory: EmbeddedDirectory) -> Iterator[DirectoryStore]:
    with closing(opened(tmp_path, directory)) as made:
        yield made


def add_users(tool: Tool, directory: EmbeddedDirectory, *names: str) -> None:
    for name in names:
        tool.add(f"uid={name},{directory.user_base}", ["inetOrgPerson"], uid=name, cn=name, sn="x")


def load(directory: EmbeddedDirectory, name: str, more: str = "", *options: str) -> None:
    """Behind the server's back; without -w `contextCSN` stays as it was."""
    dn = f"uid={name},{directory.user_base}"
    ldif = f"dn: {dn}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: x\nsn: x\n{more}\n"
    slapadd = ["slapadd", "-F", str(directory.folder / "slapd.d"), "-b", directory.suffix, *options]
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    subprocess.run(slapadd, input=ldif, text=True, check=True, env=environ)


def test_changes_during_a_server_restart_are_found(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    add_users(tool, directory, "ann", "bob")
    until(lambda: is_ready(store))
    assert names_of(store) == ["ann", "bob"]
    tool.delete(f"uid=ann,{directory.user_base}")  # seen by nobody yet
    directory.stop()
    directory.start()
    with closing(
        Tool(directory.url, directory.manager_dn, directory.read_manager_password())
    ) as again:
        add_users(again, directory, "carl")
        assert names_of(store) == ["bob", "carl"]
        until(lambda: is_ready(store))
        assert names_of(store) == ["bob", "carl"]
        again.delete(f"uid=bob,{directory.user_base}")
        assert names_of(store) == ["carl"]
        assert store.read_source().source == "memory"


def test_deletions_before_a_server_was_killed_are_found(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    """Its `contextCSN` is then that of its newest entry, and a removal leaves none."""
    add_users(tool, directory, "ann", "bob")
    directory.stop()
    directory.start()
    until(lambda: is_ready(store))
    with closing(
        Tool(directory.url, directory.manager_dn, directory.read_manager_password())
    ) as again:
        again.delete(f"uid=ann,{directory.user_base}")
    assert directory.pid is not None
    os.kill(directory.pid, signal.SIGKILL)
    until(lambda: not directory.is_running())
    directory.start()
    assert names_of(store) == ["bob"]
    until(lambda: is_ready(store))
    assert names_of(store) == ["bob"]


def test_move_of_a_container_moves_its_users(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    inner, elsewhere = f"ou=in,{directory.user_base}", f"ou=out,{directory.suffix}"
    for dn in (inner, elsewhere):
        tool.add(dn, ["organizationalUnit"])
    tool.add(f"uid=ann,{inner}", ["inetOrgPerson"], uid="ann", cn="ann", sn="x")
    until(lambda: is_ready(store))
    assert names_of(store) == ["ann"]
    tool.move(inner, "ou=in", elsewhere)
    assert names_of(store) == []
    until(lambda: is_ready(store))
    assert names_of(store) == []


def test_move_of_a_container_with_a_new_first_child_moves_it(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    """Nothing is told of the folder when the child comes."""
    inner, elsewhere = f"ou=in,{directory.user_base}", f"ou=out,{directory.suffix}"
    for dn in (inner, elsewhere):
        tool.add(dn, ["organizationalUnit"])
    until(lambda: is_ready(store))
    tool.add(f"uid=ann,{inner}", ["inetOrgPerson"], uid="ann", cn="ann", sn="x")
    assert names_of(store) == ["ann"]
    until(lambda: is_ready(store))
    tool.move(inner, "ou=in", elsewhere)
    assert names_of(store) == []
    until(lambda: is_ready(store))
    tool.move(f"ou=in,{elsewhere}", "ou=in", directory.user_base)
    assert names_of(store) == ["ann"]


@pytest.mark.parametrize("what", ["", "attrs=hasSubordinates "])
def test_invisible_container_disables_the_replica(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool, what: str
) -> None:
    """When it moves, nothing would be told."""
    hidden = f"ou=hidden,{directory.user_base}"
    tool.add(hidden, ["organizationalUnit"])
    tool.add(f"uid=ann,{hidden}", ["inetOrgPerson"], uid="ann", cn="ann", sn="x")
    who = f'by dn.exact="{directory.service_dn}" none by * break'
    rule = f'{{0}}to dn.base="{hidden}" {what}{who}'
    tool.add_values("olcDatabase={1}mdb,cn=config", olcAccess=rule)
    assert names_of(store) == ["ann"]
    until(lambda: "is not visible" in store.read_source().why)
    assert names_of(store) == ["ann"]


def test_changes_beyond_the_session_log_are_found(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    config = "olcOverlay={0}syncprov,olcDatabase={1}mdb,cn=config"
    tool.replace(config, olcSpSessionlog="3")
    add_users(tool, directory, *(f"u{number}" for number in range(9)))
    until(lambda: is_ready(store))
    for number in range(8):
        tool.delete(f"uid=u{number},{directory.user_base}")
    add_users(tool, directory, "late")
    assert names_of(store) == ["late", "u8"]


def test_too_many_changes_at_once_cause_a_resync(
    store: DirectoryStore,
    directory: EmbeddedDirectory,
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replica.synchronizer, "MAX_CHANGES", 5)
    until(lambda: is_ready(store))
    add_users(tool, directory, *(f"u{number}" for number in range(9)))
    assert len(names_of(store)) == 9
    until(lambda: is_ready(store))
    assert len(names_of(store)) == 9
    assert store.read_source().source == "memory"


def test_directory_above_the_limit_is_not_replicated(
    tmp_path: Path, directory: EmbeddedDirectory, tool: Tool
) -> None:
    add_users(tool, directory, *(f"u{number}" for number in range(9)))
    with closing(opened(tmp_path, directory, USER_STORE__INDEX_LIMIT="5")) as store:
        assert len(names_of(store)) == 9
        until(lambda: "index_limit" in store.read_source().why)
        assert len(names_of(store)) == 9


def test_index_limit_0_disables_the_replica(tmp_path: Path, directory: EmbeddedDirectory) -> None:
    with closing(opened(tmp_path, directory, USER_STORE__INDEX_LIMIT="0")) as store:
        assert store.view() is store
        assert store.read_source().source == "directory"


def test_server_without_syncprov_answers_reads(tmp_path: Path) -> None:
    with (
        OpenLdap(tmp_path / "openldap") as host,
        tool_of(host) as tool,
        subtree_in(host_like(host, OPENLDAP), tool) as place,
        closing(Stores(place, tmp_path)) as stores,
    ):
        store = stores.open()
        assert not store.view().user_names().names
        until(lambda: "syncprov" in store.read_source().why)


def test_entries_loaded_by_slapadd_are_found(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool, tmp_path: Path
) -> None:
    """slapadd without -w leaves `contextCSN` as it was, and syncprov tells of nothing newer."""
    add_users(tool, directory, "ann")
    until(lambda: is_ready(store))
    directory.stop()
    load(directory, "late")
    directory.start()
    assert names_of(store) == ["ann", "late"]
    until(lambda: "slapadd" in store.read_source().why)
    assert names_of(store) == ["ann", "late"]


def test_list_filter_on_a_silent_attribute_disables_the_replica(
    tmp_path: Path, directory: EmbeddedDirectory
) -> None:
    """The overlay memberof changes entries without a new stamp."""
    place = f"ou=groups,{directory.suffix}"
    listed = f"(&(objectClass=inetOrgPerson)(memberOf=cn=staff,{place}))"
    store = opened_by_url(tmp_path, directory, USER_NAME_LIST_FILTER=listed)
    with closing(store):
        assert store.view() is store
        assert "memberOf" in store.read_source().why


def test_dynamic_groups_disable_the_replica(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    until(lambda: is_ready(store))
    dn = f"cn=staff,{directory.group_base}"
    tool.add(dn, ["groupOfNames", "labeledURIObject"], cn="staff", member="", labeledURI="ldap:///")
    assert store.view().role_names().names == ("staff",)
    until(lambda: "computes members" in store.read_source().why)


def test_large_changing_group_is_read_a_fifth_of_the_time(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_users(tool, directory, "ann")
    ann, dn = f"uid=ann,{directory.user_base}", f"cn=dev,{directory.group_base}"
    tool.add(dn, ["groupOfNames"], cn="dev", member="")
    until(lambda: is_ready(store))
    monkeypatch.setattr(replica, "LARGE_GROUP", 0)
    read_members, times = ReplicaContents.read_members, list[float]()

    def slow(contents: ReplicaContents, groups: Iterable[Group]) -> Iterator[tuple[Group, Entry]]:
        if wanted := list(groups):
            times.append(time.monotonic())
            time.sleep(0.1)
        return read_members(contents, wanted)

    monkeypatch.setattr(ReplicaContents, "read_members", slow)
    user = store.find_user("ann")
    assert user is not None
    for turn in range(20):
        tool.replace(dn, member=[ann] if turn % 2 else [""])
        assert len(store.view().roles_of(user)) == turn % 2
        time.sleep(0.02)
    until(lambda: len(times) > 1)
    assert times[1] - times[0] >= 0.1 * (1 + replica.PAUSE_FACTOR)


def test_older_read_of_a_group_does_not_replace_a_newer_one(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    """refint changes members without a new stamp, so an older answer looks like a newer one."""
    add_users(tool, directory, "ann", "bob")
    ann, bob = (f"uid={name},{directory.user_base}" for name in ("ann", "bob"))
    tool.add(f"cn=dev,{directory.group_base}", ["groupOfNames"], cn="dev", member=[ann, bob])
    until(lambda: is_ready(store))
    reader = Reader(store._pool, store.layout())
    contents = ReplicaContents(reader)
    synchronizer = Synchronizer(store.layout(), *contents.entry_types(), is_one_database=False)
    with reader.connection() as connection:
        synchronizer.fill(connection, 100)
    (group,) = contents.groups
    contents.apply_members(contents.read_members([group]), time.monotonic())
    older = [(group, Entry(group.entry.dn, {**group.entry.attributes, "member": [ann.encode()]}))]
    contents.apply_members(older, time.monotonic())
    assert contents.names_in(group).names == ("ann", "bob")


def test_change_that_is_never_reported_turns_the_replica_off(
    store: DirectoryStore,
    directory: EmbeddedDirectory,
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """slapadd beside a running server makes one: nothing tells syncprov of it."""
    monkeypatch.setattr(replica, "LAG_S", 0.2)
    add_users(tool, directory, "ann")
    until(lambda: is_ready(store))
    assert names_of(store) == ["ann"]
    load(directory, "late")
    assert names_of(store) == ["ann", "late"]
    assert store.read_source().source == "memory"
    time.sleep(0.3)
    assert names_of(store) == ["ann", "late"]
    until(lambda: "slapadd" in store.read_source().why)
    assert names_of(store) == ["ann", "late"]


def test_server_clock_ahead_disables_the_replica(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    """After its clock was set back it tells of no change until that is caught up with."""
    until(lambda: is_ready(store))
    directory.stop()
    load(directory, "ahead", "entryCSN: 20990101000000.000000Z#000000#000#000000", "-w")
    directory.start()
    assert names_of(store) == ["ahead"]
    until(lambda: "clock" in store.read_source().why)
    with closing(
        Tool(directory.url, directory.manager_dn, directory.read_manager_password())
    ) as again:
        add_users(again, directory, "bob")
    assert names_of(store) == ["ahead", "bob"]


@pytest.mark.parametrize("limit", ["5", "100"])
def test_deletions_do_not_cause_a_resync(
    tmp_path: Path, directory: EmbeddedDirectory, tool: Tool, limit: str
) -> None:
    names = [f"u{number}" for number in range(9)]
    add_users(tool, directory, *names)
    with closing(opened(tmp_path, directory, USER_STORE__INDEX_LIMIT=limit)) as store:
        assert names_of(store) == names
        until(lambda: is_ready(store) or "index_limit" in store.read_source().why)
        before = store.read_source()
        for name in names[:3]:
            found = store.find_user(name)
            assert found
            store.apply(DeleteUser(found))
        assert store.read_source() == before
        assert names_of(store) == names[3:]


def test_deletions_with_another_id_attribute_keep_the_replica(
    tmp_path: Path, directory: EmbeddedDirectory, tool: Tool
) -> None:
    for name in ("ann", "bob"):
        dn = f"uid={name},{directory.user_base}"
        tool.add(dn, ["inetOrgPerson"], uid=name, cn=name, sn="x", employeeNumber=name)
    with closing(opened_by_url(tmp_path, directory, USER_ID_ATTRIBUTE="employeeNumber")) as it:
        until(lambda: is_ready(it))
        found = it.find_user("ann")
        assert found
        it.apply(DeleteUser(found))
        assert it.read_source().source == "memory"
        assert names_of(it) == ["bob"]


def test_group_renamed_before_its_members_are_read_is_read_again(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool
) -> None:
    """Only the poll that tells it makes those doubtful that name it by its old DN."""
    add_users(tool, directory, "ann")
    ann, old = f"uid=ann,{directory.user_base}", f"cn=old,{directory.group_base}"
    tool.add(old, ["groupOfNames"], cn="old", member=ann)
    until(lambda: is_ready(store))
    reader = Reader(store._pool, store.layout())
    contents = ReplicaContents(reader)
    synchronizer = Synchronizer(store.layout(), *contents.entry_types(), is_one_database=False)
    with reader.connection() as connection:
        synchronizer.fill(connection, 100)
        tool.move(old, "cn=new", directory.group_base)
        contents.apply_members(contents.read_members([*contents.groups]), time.monotonic())
        assert contents.groups.at(old)
        synchronizer.refresh(connection)
    assert contents.groups.at(f"cn=new,{directory.group_base}")


def test_slow_polls_disable_the_replica(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without an index of entryCSN."""
    monkeypatch.setattr(replica.synchronizer, "MAX_POLL_S", -1.0)
    assert names_of(store) == []
    until(lambda: "entryCSN" in store.read_source().why)


def test_internal_error_leaves_reads_to_the_directory(
    store: DirectoryStore, directory: EmbeddedDirectory, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: is_ready(store))
    add_users(tool, directory, "ann")

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Synchronizer, "refresh", fail)
    assert names_of(store) == ["ann"]
    until(lambda: "replica_failed" in store.read_source().why)


def test_growth_above_the_limit_turns_the_replica_off(
    tmp_path: Path, directory: EmbeddedDirectory, tool: Tool
) -> None:
    add_users(tool, directory, "ann")
    with closing(opened(tmp_path, directory, USER_STORE__INDEX_LIMIT="2")) as store:
        until(lambda: is_ready(store))
        add_users(tool, directory, "bob", "carl")
        assert names_of(store) == ["ann", "bob", "carl"]
        until(lambda: "index_limit" in store.read_source().why)
