"""The service on a database: the example as it is, MI's own sections, outages and failover."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mi_ldap.sql.schema import create_tables
from tests.service import Caller, Environment, Service, free_port, running
from tests.sql.fixtures import mariadb, postgresql  # noqa: F401
from tests.sql.servers import DatabaseServer, MariaDb, PostgreSql
from tests.sql.stores import server_place
from tests.until import until

CONFIG = Path(__file__).parents[2] / "config"
PASSWORD = "a password of some length"
MI = """
[[datasource]]
id = "WSO2CarbonDB"
url = "jdbc:{kind}://127.0.0.1:{port}/userdb?useSSL=false&amp;allowPublicKeyRetrieval=true"
username = "mi"
password = "{password}"
driver = "com.mysql.jdbc.Driver"
pool_options.maxActive = 50

[realm_manager]
data_source = "WSO2CarbonDB"

[user_store]
type = "database"
read_only = "false"

[bootstrap]
users = ["alice"]
"""


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """A server with MI's tables and no rows."""
    found: DatabaseServer = request.getfixturevalue(request.param)
    with server_place(found):
        yield found


@pytest.fixture
def own(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """A PostgreSQL of the test's own, to be mistreated."""
    with PostgreSql() as made:
        create_tables(made.config)
        yield made


def deployment(server: DatabaseServer, tmp_path: Path) -> Environment:
    """The environment of a service with the sections of MI's deployment.toml."""
    kind = "mariadb" if isinstance(server, MariaDb) else "postgresql"
    toml = tmp_path / "deployment.toml"
    toml.touch(0o600)
    toml.write_text(MI.format(kind=kind, port=server.port, password=server.password), "utf-8")
    return {
        "MI_LDAP_CONFIG": str(toml),
        "MI_LDAP_STATE_DIR": str(tmp_path / "state"),
        "MI_LDAP_SERVER__WORKERS": "1",
    }


@contextmanager
def called(env: Environment) -> Iterator[tuple[Service, Caller]]:
    with running(env) as service, service.caller() as call:
        yield service, call


def work_with(call: Caller) -> None:
    """A first session."""
    assert call("GET", "/login", basic=f"mallory:{PASSWORD}").status == 401
    token = call.login("alice", PASSWORD)  # the one name in bootstrap.users
    for method, path, body in (
        ("POST", "/users", {"userId": "bob", "password": PASSWORD}),
        ("POST", "/roles", {"role": "developers"}),
        ("PUT", "/roles", {"userId": "bob", "addedRoles": ["developers"]}),
    ):
        assert call(method, path, body, token=token).status == 200, (method, path)
    users = call("GET", "/users?pattern=*b*", token=token).json
    assert users["list"] == [{"userId": "bob"}]
    assert call("GET", "/roles/developers", token=token).json["users"] == ["bob"]
    assert call.login("bob", PASSWORD)
    for path in ("/roles/developers", "/users/bob"):
        assert call("DELETE", path, token=token).status == 200
    assert call("GET", "/users", token=token).json["list"] == [{"userId": "alice"}]


def test_the_sections_of_mi_are_used_as_they_are(server: DatabaseServer, tmp_path: Path) -> None:
    with called(deployment(server, tmp_path)) as (service, call):
        assert call.ask("GET", "/ready").json == {"status": "ready", "reads": "database"}
        work_with(call)
        said = service.log.read_text("utf-8")
    assert server.password not in said
    assert "configuration_note" not in said
    assert not (tmp_path / "state" / "directory").exists()  # no embedded directory


def test_the_example_is_used_as_it_is(own: DatabaseServer, tmp_path: Path) -> None:
    """But for addresses, the password and the authority; the first of two hosts is down."""
    secret = tmp_path / "secret"
    secret.write_text(own.password, "utf-8")
    env = {
        "MI_LDAP_CONFIG": str(CONFIG / "database.toml"),
        "MI_LDAP_STATE_DIR": str(tmp_path / "state"),
        "MI_LDAP_SERVER__WORKERS": "1",
        "MI_LDAP_DATASOURCE__URL": f"jdbc:postgresql://127.0.0.1:{free_port()},"
        f"127.0.0.1:{own.port}/userdb?sslmode=verify-full",
        "MI_LDAP_DATASOURCE__PASSWORD_FILE": str(secret),
        "MI_LDAP_USER_STORE__CA_FILE": str(own.certificates.ca_file),
    }
    with called(env) as (_, call):
        assert call.ask("GET", "/ready").status == 200
        work_with(call)


def test_a_database_that_is_down_is_503_until_it_is_back(
    own: DatabaseServer, tmp_path: Path
) -> None:
    with called(deployment(own, tmp_path)) as (service, call):
        token = call.login("alice", PASSWORD)
        own.kill()
        assert call.ask("GET", "/ready").status == 503
        assert call("GET", "/users", token=token).status == 503
        assert call("GET", "/login", basic=f"alice:{PASSWORD}").status == 503
        assert call.ask("GET", "/health").status == 200
        own.start()
        until(lambda: call.ask("GET", "/ready").status == 200)
        assert call("GET", "/users", token=token).status == 200
        service.assert_healthy()


def test_a_service_starts_while_its_database_is_down(own: DatabaseServer, tmp_path: Path) -> None:
    own.stop()
    with called(deployment(own, tmp_path)) as (service, call):
        assert call.ask("GET", "/ready").status == 503
        until(lambda: "database_unusable" in service.log.read_text("utf-8"))
        own.start()
        until(lambda: call.ask("GET", "/ready").status == 200)
        work_with(call)


def test_a_read_only_database_is_not_changed(own: DatabaseServer, tmp_path: Path) -> None:
    env = deployment(own, tmp_path)
    with called(env) as (_, call):
        call.login("alice", PASSWORD)
    with called({**env, "MI_LDAP_USER_STORE__READ_ONLY": "true"}) as (_, call):
        token = call.login("alice", PASSWORD)
        refused = call("POST", "/users", {"userId": "bob", "password": PASSWORD}, token=token)
        assert refused.status == 403
        assert call("GET", "/users", token=token).json["list"] == [{"userId": "alice"}]
