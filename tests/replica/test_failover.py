"""The replica is filled from the server that the service uses, also after a failover."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from mi_ldap import wiring
from mi_ldap.deadline import deadline
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import connection_pool
from mi_ldap.ldap.health_check import FailoverTimings
from tests import kinds
from tests.hosts.openldap import OpenLdap, Setup, replicating_pair
from tests.replica.places import is_ready
from tests.subtree import Subtree, Tool, replicated
from tests.until import until


@pytest.fixture(autouse=True)
def quick_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        connection_pool, "FailoverTimings", partial(FailoverTimings, preferred_pause_s=0.4)
    )


@contextmanager
def tool_on(server: OpenLdap) -> Iterator[Tool]:
    with closing(Tool(server.ldaps_url, *server.manager, ca_file=server.ca_file)) as tool:
        yield tool


def add(server: OpenLdap, place: Subtree, name: str) -> None:
    with tool_on(server) as tool:
        tool.add(place.user_dn(name), ["inetOrgPerson"], uid=name, cn=name, sn="x")


def names_of(store: DirectoryStore) -> list[str]:
    """As a client gets them that asks again after a 503."""
    while True:
        try:
            with deadline(5):
                return sorted(store.view().user_names().names)
        except DirectoryUnavailable:
            pass


def test_replica_is_refilled_after_failover(tmp_path: Path) -> None:
    bare = Setup(member_of=False, refint=False, ppolicy=False, unique=False)
    with replicating_pair(tmp_path / "pair", bare) as (first, second):
        host = replicated(first, second, kinds.REPLICAS)
        with tool_on(first) as tool:
            place = Subtree(host, tool)
            for base_dn in (place.user_base, place.group_base):
                tool.add(base_dn, ["organizationalUnit"], ou=place.name)
        add(first, place, "ann")
        found = wiring.services(place.settings(tmp_path)).store
        assert isinstance(found, DirectoryStore)
        with closing(found) as store:
            until(partial(is_ready, store))
            assert names_of(store) == ["ann"]
            first.kill()
            add(second, place, "bob")
            assert names_of(store) == ["ann", "bob"]
            until(partial(is_ready, store))
            assert names_of(store) == ["ann", "bob"]
            add(second, place, "carl")
            assert names_of(store) == ["ann", "bob", "carl"]
            first.start()
            until(lambda: store._connector.servers.is_current(first.ldaps_url))
            until(partial(is_ready, store))
            until(lambda: names_of(store) == ["ann", "bob", "carl"])  # replicated by now
            add(first, place, "dora")
            assert names_of(store) == ["ann", "bob", "carl", "dora"]
