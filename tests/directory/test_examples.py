"""Each example of `config/` runs as it is, but for addresses, passwords and bases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi_ldap.settings import load_settings
from tests.api.client import PASSWORD
from tests.hosts.fixtures import ds389, openldap, samba  # noqa: F401
from tests.hosts.process import DirectoryHost
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP, RFC_2307, Kind
from tests.service import Caller, Environment, environment, running
from tests.subtree import Subtree, Tool, host_like, subtree_in
from tests.table.directories import api_on

CONFIG = Path(__file__).parents[2] / "config"
PUT_IN = ("CONNECTION_PASSWORD", "CA_FILE", "USER_SEARCH_BASE", "GROUP_SEARCH_BASE")


@dataclass(frozen=True)
class Example:
    """Which directory an example is for; `realm` stands in its account for the test's own."""

    kind: Kind
    fixture: str
    realm: str = "dc=example,dc=org"


EXAMPLES = {
    "openldap": Example(OPENLDAP, "openldap"),
    "rfc2307": Example(RFC_2307, "openldap"),
    "389ds": Example(DS389, "ds389"),
    "active-directory": Example(ACTIVE_DIRECTORY, "samba", "@example.org"),
}


@pytest.fixture(params=EXAMPLES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(request: pytest.FixtureRequest, name: str) -> DirectoryHost:
    found: DirectoryHost = request.getfixturevalue(EXAMPLES[name].fixture)
    return found


@pytest.fixture
def place(server: DirectoryHost, name: str) -> Iterator[Subtree]:
    host = host_like(server, EXAMPLES[name].kind)
    with (
        closing(Tool(host.url, *host.tool, ca_file=host.ca_file)) as tool,
        subtree_in(host, tool) as made,
    ):
        yield made


@pytest.fixture
def env(server: DirectoryHost, place: Subtree, name: str, tmp_path: Path) -> Environment:
    """What an operator puts in; all else is as the example has it."""
    config = CONFIG / f"{name}.toml"
    given = environment(tmp_path, place)
    own = {
        key: value
        for key, value in given.items()
        if "USER_STORE" not in key or key.endswith(PUT_IN)
    }
    return {**own, "MI_LDAP_CONFIG": str(config), **address_in(config, server, EXAMPLES[name])}


def address_in(config: Path, server: DirectoryHost, example: Example) -> Environment:
    """The address by the example's own protocol, behind one that is down where it has several."""
    shown = load_settings(
        {"MI_LDAP_CONFIG": str(config), "MI_LDAP_USER_STORE__CONNECTION_PASSWORD": "x"}
    ).user_store
    scheme = (shown.connection_url or "").partition(":")[0].removesuffix("+srv")
    urls = [f"{scheme}://127.0.0.1:1"] if len(shown.connection_urls) > 1 else []
    urls.append(server.url if scheme == "ldap" else server.ldaps_url)
    realm = server.base if "=" in example.realm else "@example.test"
    return {
        "MI_LDAP_USER_STORE__CONNECTION_URL": " ".join(urls),
        "MI_LDAP_USER_STORE__CONNECTION_NAME": shown.connection_name.replace(example.realm, realm),
    }


def test_a_first_session(env: Environment, place: Subtree) -> None:
    with running(env) as service, service.caller() as call:
        assert call.ask("GET", "/ready").status == 200
        assert call("GET", "/login", basic=f"mallory:{PASSWORD}").status == 401
        work_with(call, place)
        assert "directory_found" in service.log.read_text()


def work_with(call: Caller, place: Subtree) -> None:
    """What README.md shows."""
    token = call.login("alice", PASSWORD)  # the one name in bootstrap.users
    for method, path, body in (
        ("POST", "/users", {"userId": "bob", "password": PASSWORD}),
        ("POST", "/roles", {"role": "developers"}),
        ("PUT", "/roles", {"userId": "bob", "addedRoles": ["developers"]}),
    ):
        assert call(method, path, body, token=token).status == 200, (method, path)
    assert place.tool.exists(place.user_dn("bob"))
    members = [member.lower() for member in place.members("developers") if member]
    assert members == [place.kind.member_of_dn(place.user_dn("bob")).lower()]
    users = call("GET", "/users?pattern=*b*", token=token).json
    assert users["list"] == [{"userId": "bob"}]
    assert call("GET", "/roles/developers", token=token).json["users"] == ["bob"]
    assert call.login("bob", PASSWORD)
    for path in ("/roles/developers", "/users/bob"):
        assert call("DELETE", path, token=token).status == 200
    assert call("GET", "/users", token=token).json["list"] == [{"userId": "alice"}]


def test_every_example_is_tried() -> None:
    files = {file.stem for file in CONFIG.glob("*.toml")}
    # tests/faults/test_database_service.py tries the one of databases,
    # test_secondary_example.py the one with a secondary store, test_read_only_example.py the one of
    # a directory that is read-only, tests/micro_integrator/test_example.py the one of nodes.
    elsewhere = {"mi-ldap", "database", "secondary", "read-only", "micro-integrators"}
    assert files == {*EXAMPLES, *elsewhere}


# What docs/directories.md says of login by other names


@pytest.mark.parametrize("name", ["openldap", "389ds"], indirect=True)
def test_login_by_mail(place: Subtree, tmp_path: Path) -> None:
    either = "(&(objectClass=inetOrgPerson)(|(uid=?)(mail=?)))"
    with api_on(place, tmp_path, USER_STORE__USER_NAME_SEARCH_FILTER=either) as api:
        admin = api.logged_in("admin")
        place.add_user("bob", PASSWORD, mail="bob@example.org")
        assert api.logged_in("bob@example.org").token
        assert api.logged_in("bob").token
        place.add_user("eve", PASSWORD, mail="bob")
        assert api.login("bob").status_code == 401
        assert admin.names() == ["admin", "bob", "eve"]


@pytest.mark.parametrize("name", ["active-directory"], indirect=True)
def test_login_by_upn(place: Subtree, tmp_path: Path) -> None:
    person = "(objectCategory=person)(objectClass=user)"
    either = f"(&{person}(|(sAMAccountName=?)(userPrincipalName=?)))"
    with api_on(place, tmp_path, USER_STORE__USER_NAME_SEARCH_FILTER=either) as api:
        api.logged_in("admin")
        upn = "robert@example.test"
        place.add_user("bob", PASSWORD, userPrincipalName=upn)
        assert api.logged_in(upn).token
        assert api.logged_in("bob").token
