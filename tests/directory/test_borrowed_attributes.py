"""Custody without our schema, as the pages in `docs/directories` say how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ldap3 import MODIFY_REPLACE

from tests.api.client import PASSWORD, Api
from tests.hosts.ds389 import Ds389
from tests.hosts.openldap import OpenLdap, Setup
from tests.hosts.process import DirectoryHost
from tests.kinds import DS389, PLAIN_OPENLDAP, Kind
from tests.subtree import Subtree, Tool, host_like, subtree_in
from tests.table.directories import api_on
from tests.table.scenarios import SCENARIOS
from tests.table.stores import InDirectory

BORROWED = ("employeeNumber", "preferredLanguage")
SETTINGS = {
    "USER_STORE__CUSTODIAN_ATTRIBUTE": BORROWED[0],
    "USER_STORE__EPOCH_ATTRIBUTE": BORROWED[1],
}
DENIAL = (
    '(targetattr="employeeNumber || preferredLanguage")'
    '(version 3.0; acl "The marks are mi_ldap\'s alone";'
    ' deny (all) userdn!="ldap:///{account}";)'
)
SELF_WRITE = (
    '(targetattr="preferredLanguage || employeeNumber")'
    '(version 3.0; acl "By default"; allow (write) userdn="ldap:///self";)'
)


def prepare_openldap(place: Subtree) -> None:
    """Once for all places of the server."""
    account, database = place.host.account[0], "olcDatabase={1}mdb,cn=config"
    if any(BORROWED[0] in rule for rule in place.tool.read(database, "olcAccess")["olcAccess"]):
        return
    rule = f'{{1}}to attrs={",".join(BORROWED)} by dn.exact="{account}" write by * none'
    place.tool.add_values(database, olcAccess=rule)


def prepare_389(place: Subtree) -> None:
    denial = DENIAL.format(account=place.host.account[0])
    place.tool.add_values(place.user_base, aci=[denial, SELF_WRITE])
    place.tool.add_values(place.group_base, aci=denial)
    classes = ["groupOfNames", "extensibleObject"]
    place.tool.add(place.group_dn("admin"), classes, cn="admin")


BARE = Setup(member_of=False, refint=False, ppolicy=False, unique=False, own_schema=False)
HOSTS: dict[str, tuple[Kind, Callable[[Path], DirectoryHost], Callable[[Subtree], None]]] = {
    "openldap": (PLAIN_OPENLDAP, lambda folder: OpenLdap(folder, BARE), prepare_openldap),
    "389ds": (DS389, lambda folder: Ds389(folder, own_schema=False), prepare_389),
}


@pytest.fixture(scope="module", params=HOSTS)
def kind_and_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, DirectoryHost]]:
    with HOSTS[request.param][1](tmp_path_factory.mktemp("bare") / "host") as server:
        yield request.param, server


@pytest.fixture
def place(kind_and_server: tuple[str, DirectoryHost]) -> Iterator[Subtree]:
    name, server = kind_and_server
    kind, _, prepare = HOSTS[name]
    host = host_like(server, kind)
    with (
        closing(Tool(host.url, *host.tool, ca_file=host.ca_file)) as tool,
        subtree_in(host, tool) as made,
    ):
        prepare(made)
        yield made


@pytest.fixture
def api(place: Subtree, tmp_path: Path) -> Iterator[Api]:
    with api_on(place, tmp_path / "state", **SETTINGS) as made:
        yield made


@pytest.mark.parametrize("column", [column for column in SCENARIOS if column != "policy"])
def test_everything_works(api: Api, place: Subtree, column: str) -> None:
    SCENARIOS[column](api, InDirectory(place))


def test_users_move_none_of_the_marks(
    api: Api, place: Subtree, kind_and_server: tuple[str, DirectoryHost]
) -> None:
    api.logged_in("admin").add_user("bob", isAdmin=True)
    dn = place.user_dn("bob")
    with kind_and_server[1].connected(dn, PASSWORD) as bob:
        for mark in BORROWED:
            assert not bob.modify(dn, {mark: [(MODIFY_REPLACE, ["mine"])]})
            assert bob.result["result"] == 50
