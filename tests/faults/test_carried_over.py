"""An installation of MI that is carried over as it stands: deployment.toml, userstores, rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from mi_ldap.sql.engine import Database
from tests.hosts.fixtures import openldap  # noqa: F401
from tests.hosts.openldap import OpenLdap
from tests.kinds import PLAIN_OPENLDAP
from tests.service import Caller, Environment, Service, running
from tests.sql.fixtures import postgresql  # noqa: F401
from tests.sql.mi import TENANT, Mi
from tests.sql.mi_tables import hybrid_script
from tests.sql.servers import PostgreSql
from tests.sql.stores import Place
from tests.subtree import Host, Subtree, Tool, subtree_in

PASSWORD = "correct horse"
DEPLOYMENT = """
[server]
hostname = "mi.example.org"

[user_store]
type = "database"
read_only = "false"

[[datasource]]
id = "WSO2CarbonDB"
url = "jdbc:postgresql://127.0.0.1:{port}/{database}"
username = "mi"
password = "{password}"
driver = "org.postgresql.Driver"
pool_options.maxActive = 50
pool_options.testOnBorrow = true

[[datasource]]
id = "SALES"
url = "jdbc:oracle:thin:@sales.example.org:1521:SALES"
username = "sales"
password = "$secret{{sales}}"
driver = "oracle.jdbc.OracleDriver"

[realm_manager]
data_source = "WSO2CarbonDB"
user_stores_dir = "userstores"

[super_admin]
username = "admin"
admin_role = "admin"
"""
JDBC = """<?xml version="1.0" encoding="UTF-8"?>
<UserStoreManager class="org.wso2.micro.integrator.security.user.core.jdbc.JDBCUserStoreManager">
    <Property name="DomainName">wso2.com</Property>
    <Property name="url">jdbc:postgresql://127.0.0.1:{port}/{database}?useSSL=false</Property>
    <Property name="userName">mi</Property>
    <Property name="password">{password}</Property>
    <Property name="driverName">org.postgresql.Driver</Property>
    <Property name="PasswordDigest">SHA-256</Property>
    <Property name="StoreSaltedPassword">true</Property>
    <Property name="ReadOnly">false</Property>
    <Property name="Disabled">false</Property>
    <Property name="Description"/>
</UserStoreManager>
"""
LDAP = """<?xml version="1.0" encoding="UTF-8"?>
<UserStoreManager
    class="org.wso2.micro.integrator.security.user.core.ldap.ReadOnlyLDAPUserStoreManager">
    <Property name="DomainName">staff</Property>
    <Property name="ConnectionURL">{url}</Property>
    <Property name="ConnectionName">{account}</Property>
    <Property name="ConnectionPassword">{password}</Property>
    <Property name="UserSearchBase">{user_base}</Property>
    <Property name="UserNameAttribute">uid</Property>
    <Property name="UserNameSearchFilter">(&amp;(objectClass=person)(uid=?))</Property>
    <Property name="UserNameListFilter">(objectClass=person)</Property>
    <Property name="GroupSearchBase">{group_base}</Property>
    <Property name="GroupNameAttribute">cn</Property>
    <Property name="GroupNameSearchFilter">(&amp;(objectClass=groupOfNames)(cn=?))</Property>
    <Property name="GroupNameListFilter">(objectClass=groupOfNames)</Property>
    <Property name="MembershipAttribute">member</Property>
    <Property name="ReadGroups">true</Property>
    <Property name="Disabled">false</Property>
</UserStoreManager>
"""


@pytest.fixture
def directory(openldap: OpenLdap) -> Iterator[Subtree]:  # noqa: F811
    """The store `staff`: a user and a group, and its account without TLS on this machine."""
    host = Host(
        openldap.url, openldap.base, openldap.service, openldap.manager, kind=PLAIN_OPENLDAP
    )
    with closing(Tool(host.url, *host.tool)) as tool, subtree_in(host, tool) as place:
        dn = place.add_user("dave", PASSWORD)
        place.add_group("staff", dn)
        yield place


@contextmanager
def tables_of_mi(server: PostgreSql) -> Iterator[Place]:
    """A database with the tables as MI's scripts create them, and no others."""
    name = server.new_database()
    config, tool = replace(server.config, database=name), replace(server.tool, database=name)
    with closing(Database(tool)) as tools, closing(Place(config, tool, tools)) as place:
        place.run_script("current")
        yield place


def fill(place: Place) -> None:
    """What MI has written: users, roles, and hybrid roles with members of three stores."""
    with closing(Database(place.config, creates=True)) as database:
        for statement in hybrid_script():
            database.write(partial(Connection.exec_driver_sql, statement=statement))
    mi = Mi(place)
    for name in ("admin", "bob"):
        mi.add_user(name, PASSWORD)
    for role, user in (("admin", "admin"), ("dev", "bob")):
        mi.add_role(role)
        mi.assign(role, user)
    for domain in ("PRIMARY", "SYSTEM", "INTERNAL", "APPLICATION", "WSO2.COM", "STAFF"):
        insert(place, "UM_DOMAIN", UM_DOMAIN_NAME=domain)
    for role in ("everyone", "testers", "Application/shop"):
        insert(place, "UM_HYBRID_ROLE", UM_ROLE_NAME=role)
    for domain, user, role in (
        ("PRIMARY", "bob", "testers"),
        ("WSO2.COM", "carl", "testers"),
        ("WSO2.COM", "carl", "Application/shop"),
        ("STAFF", "dave", "Application/shop"),
    ):
        place.execute(
            "INSERT INTO UM_HYBRID_USER_ROLE (UM_USER_NAME, UM_ROLE_ID, UM_TENANT_ID, UM_DOMAIN_ID)"
            " SELECT :user, R.UM_ID, :tenant, D.UM_DOMAIN_ID FROM UM_HYBRID_ROLE R, UM_DOMAIN D "
            "WHERE R.UM_ROLE_NAME = :role AND D.UM_DOMAIN_NAME = :domain",
            user=user,
            role=role,
            domain=domain,
            tenant=TENANT,
        )


def insert(place: Place, table: str, **values: str) -> None:
    ((column, value),) = values.items()
    statement = f"INSERT INTO {table} ({column}, UM_TENANT_ID) VALUES (:value, :tenant)"  # noqa: S608
    place.execute(statement, value=value, tenant=TENANT)


@dataclass(frozen=True)
class Installation:
    """MI's databases, and the environment of a service with its configuration."""

    primary: Place
    env: Environment
    secrets: tuple[str, ...]


@pytest.fixture
def installation(
    postgresql: PostgreSql,  # noqa: F811
    directory: Subtree,
    tmp_path: Path,
) -> Iterator[Installation]:
    account, password = directory.host.account
    server = {"port": postgresql.port, "password": postgresql.password}
    with tables_of_mi(postgresql) as primary, tables_of_mi(postgresql) as secondary:
        fill(primary)
        Mi(secondary).add_user("carl", PASSWORD)
        config, stores = tmp_path / "deployment.toml", tmp_path / "userstores"
        config.write_text(DEPLOYMENT.format(database=primary.config.database, **server), "utf-8")
        stores.mkdir()
        jdbc = JDBC.format(database=secondary.config.database, **server)
        (stores / "wso2_com.xml").write_text(jdbc, "utf-8")
        ldap = LDAP.format(
            url=directory.host.url,
            account=account,
            password=password,
            user_base=directory.user_base,
            group_base=directory.group_base,
        )
        (stores / "staff.xml").write_text(ldap, "utf-8")
        env = {"MI_LDAP_CONFIG": str(config), "MI_LDAP_STATE_DIR": str(tmp_path / "state")}
        yield Installation(primary, env, (postgresql.password, password, PASSWORD))


@contextmanager
def called(installation: Installation) -> Iterator[tuple[Service, Caller]]:
    with running(installation.env) as service, service.caller() as call:
        yield service, call


def roles_of(call: Caller, token: str, name: str) -> object:
    return call("GET", f"/users/{name}", token=token).json["roles"]


def members(place: Place) -> list[tuple[str, ...]]:
    """The memberships of hybrid roles as MI reads them."""
    return place.query(
        "SELECT D.UM_DOMAIN_NAME, M.UM_USER_NAME, R.UM_ROLE_NAME FROM UM_HYBRID_USER_ROLE M, "
        "UM_HYBRID_ROLE R, UM_DOMAIN D WHERE M.UM_ROLE_ID = R.UM_ID AND "
        "M.UM_DOMAIN_ID = D.UM_DOMAIN_ID AND M.UM_TENANT_ID = R.UM_TENANT_ID AND "
        "M.UM_TENANT_ID = D.UM_TENANT_ID ORDER BY 1, 2, 3"
    )


def test_an_installation_of_mi_is_carried_over(installation: Installation) -> None:
    with called(installation) as (service, call):
        assert call.ask("GET", "/ready").json == {"status": "ready", "reads": "database"}
        admin = call.login("admin", PASSWORD)
        assert call("GET", "/users", token=admin).json["list"] == [
            {"userId": name} for name in ("admin", "bob", "STAFF/dave", "WSO2.COM/carl")
        ]
        assert call("GET", "/roles", token=admin).json == {
            "count": 6,
            "list": [
                {"role": name}
                for name in (
                    *("admin", "Application/shop", "dev", "Internal/everyone"),
                    *("Internal/testers", "STAFF/staff"),
                )
            ],
        }
        for name, roles in (
            ("admin", ["admin"]),
            ("bob", ["dev", "Internal/testers"]),
            ("WSO2.COM/carl", ["Application/shop", "Internal/testers"]),
            ("STAFF/dave", ["Application/shop", "STAFF/staff"]),
        ):
            assert roles_of(call, admin, name) == ["Internal/everyone", *roles]
        everyone = call("GET", "/roles/Internal/everyone", token=admin).json["users"]
        assert everyone == ["admin", "bob", "STAFF/dave", "WSO2.COM/carl"]
        assert call("GET", "/roles/shop?domain=Application", token=admin).json == {
            "role": "Application/shop",
            "users": ["STAFF/dave", "WSO2.COM/carl"],
        }
        for name in ("bob", "carl", "STAFF/dave"):
            assert call.login(name, PASSWORD)
        said = service.log.read_text("utf-8")
    assert [secret for secret in installation.secrets if secret in said] == []


def test_both_see_the_changes_of_hybrid_roles(installation: Installation) -> None:
    place = installation.primary
    with called(installation) as (_, call):
        admin = call.login("admin", PASSWORD)

        def change(name: str, **roles: list[str]) -> int:
            return call("PUT", "/roles", {"userId": name, **roles}, token=admin).status

        assert change("STAFF/dave", addedRoles=["Internal/testers"]) == 200
        assert change("admin", addedRoles=["Application/shop"]) == 200
        assert change("WSO2.COM/carl", removedRoles=["Internal/testers"]) == 200
        assert members(place) == [
            ("PRIMARY", "admin", "Application/shop"),
            ("PRIMARY", "bob", "testers"),
            ("STAFF", "dave", "Application/shop"),
            ("STAFF", "dave", "testers"),
            ("WSO2.COM", "carl", "Application/shop"),
        ]
        body = {"role": "Application/depot"}
        assert call("POST", "/roles", body, token=admin).status == 200
        assert call("POST", "/roles", {"role": "Internal/ops"}, token=admin).status == 200
        stored = place.query("SELECT UM_ROLE_NAME FROM UM_HYBRID_ROLE ORDER BY UM_ID")
        assert [name for (name,) in stored] == [
            *("everyone", "testers", "Application/shop", "Application/depot", "ops")
        ]
        # A deleted user and a deleted role take their rows with them.
        assert call("DELETE", "/users/WSO2.COM/carl", token=admin).status == 200
        assert call("DELETE", "/roles/Internal/testers", token=admin).status == 200
        assert members(place) == [
            ("PRIMARY", "admin", "Application/shop"),
            ("STAFF", "dave", "Application/shop"),
        ]
        # What MI deletes is gone here at once.
        place.execute("DELETE FROM UM_HYBRID_ROLE WHERE UM_ROLE_NAME = 'Application/shop'")
        assert roles_of(call, admin, "admin") == ["Internal/everyone", "admin"]
        assert call("GET", "/roles/Application/shop", token=admin).status == 404
