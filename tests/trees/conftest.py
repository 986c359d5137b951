"""Fixtures for the tests of real trees: each kind of directory, filled as companies fill theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.client import Api
from tests.hosts.openldap import OpenLdap, Setup
from tests.hosts_of_kinds import Hosts
from tests.kinds import OPENLDAP
from tests.machines import MakeApi, machines_at
from tests.subtree import Host, Subtree, Tool, host_like, subtree_in
from tests.trees.kinds import GROUPS_OF_MEMBERS, SCHEMA_OF_MEMBERS


@pytest.fixture(scope="session")
def members_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """An OpenLDAP whose administrator has loaded `groupOfMembers`."""
    setup = Setup(member_of=False, refint=False, ppolicy=False, unique=False, nis=False)
    with OpenLdap(tmp_path_factory.mktemp("members"), setup) as directory:
        host = host_like(directory, GROUPS_OF_MEMBERS)
        tool = Tool(host.url, *host.tool, ca_file=host.ca_file)
        tool.add(
            "cn=members,cn=schema,cn=config",
            ["olcSchemaConfig"],
            cn="members",
            olcObjectClasses=SCHEMA_OF_MEMBERS,
        )
        tool.close()
        yield host


@pytest.fixture
def place(request: pytest.FixtureRequest, hosts: Hosts) -> Iterator[Subtree]:
    """A place of the test's own in the kind of directory that `on` names."""
    kind = request.param
    with ExitStack() as closing:
        if kind is OPENLDAP:
            yield request.getfixturevalue("subtree")
        elif kind is GROUPS_OF_MEMBERS:
            host: Host = request.getfixturevalue("members_host")
            tool = Tool(host.url, *host.tool, ca_file=host.ca_file)
            closing.callback(tool.close)
            yield closing.enter_context(subtree_in(host, tool))
        else:
            yield closing.enter_context(hosts.place(kind))


@pytest.fixture
def api_of(place: Subtree, tmp_path: Path) -> Iterator[MakeApi]:
    """Makes APIs on the test's own place, each as on a machine of its own."""
    with machines_at(place, tmp_path) as make:
        yield make


@pytest.fixture
def admin(api_of: MakeApi) -> Api:
    """The API as the first admin sees it."""
    return api_of().logged_in("admin")
