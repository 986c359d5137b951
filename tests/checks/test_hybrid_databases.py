"""The doctor and `mi-ldap database` on the tables of hybrid roles, in each database."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mi_ldap.sql import Database
from tests.checks.databases import database_keys, make_first_admin
from tests.checks.doctor_runs import Command
from tests.checks.hybrid import (
    ADMIN_ROLE,
    become_admin,
    examined,
    of_database,
    of_directory,
    settings_of,
)
from tests.hosts.process import free_ports
from tests.sql.servers import DatabaseServer, PostgreSql
from tests.sql.stores import Place
from tests.subtree import Subtree


def test_tables_of_hybrid_roles_beside_a_directory(
    read_only: Subtree, bare: Place, state: Path, command: Command
) -> None:
    keys = of_directory(read_only, state, **of_database(bare.config))
    if bare.config.dialect == "sqlite":
        assert "mi-ldap database create" in examined(command, keys).said("hybrid-roles", "fail")
        Path(bare.config.database).touch()
    before = examined(command, keys)
    level = "warn" if bare.config.dialect == "mysql" else "pass"
    said = before.said("hybrid-roles", level)
    assert "um_hybrid_user_role" in said.lower()
    assert "mi-ldap database create" in said
    assert command(keys, "database", "check").exit_code == 2
    # The tables that were tried are gone.
    created = command(keys, "database", "create")
    names = ("um_domain", "um_hybrid_role", "um_hybrid_user_role")
    own = ("mi_ldap_user", "mi_ldap_hybrid_role")
    assert created.stdout.lower() == "".join(f"created {name}.\n" for name in (*names, *own))
    assert command(keys, "database", "create").stdout.startswith("All tables exist.")
    checked = command(keys, "database", "check")
    assert (checked.exit_code, checked.stdout.count("\n")) == (0, 1)
    assert "all tables of hybrid roles" in checked.stdout
    assert "may change hybrid roles" in examined(command, keys).said("hybrid-roles", "pass")
    bare.execute("DROP TABLE UM_HYBRID_USER_ROLE")
    again = command(keys, "database", "check")
    assert again.exit_code == 2
    assert "um_hybrid_user_role" in again.stdout.lower()


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


def test_an_account_that_may_only_read_is_told_its_grants(
    read_only: Subtree, server: DatabaseServer, state: Path, command: Command
) -> None:
    database = server.new_database()
    owner = replace(server.config, database=database)
    account = f"reader_{free_ports(1)[0]}"
    keys = of_directory(read_only, state, **of_database(owner))
    reading = of_directory(read_only, state, **of_database(replace(owner, username=account)))
    host = "" if isinstance(server, PostgreSql) else "@localhost"
    create = "ROLE {} LOGIN PASSWORD" if isinstance(server, PostgreSql) else "USER {} IDENTIFIED BY"
    as_administrator(
        server, database, f"CREATE {create.format(account + host)} '{server.password}'"
    )
    if not isinstance(server, PostgreSql):
        as_administrator(server, database, f"GRANT SELECT ON {database}.* TO {account}{host}")
    missing = examined(command, reading)
    level = "fail" if isinstance(server, PostgreSql) else "warn"
    assert "mi-ldap database create" in missing.said("hybrid-roles", level)
    assert command(keys, "database", "create").exit_code == 0
    if isinstance(server, PostgreSql):
        assert "may not read" in examined(command, reading).said("hybrid-roles", "fail")
        as_administrator(
            server, database, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {account}"
        )
    report = examined(command, reading)
    said = report.said("hybrid-roles", "fail")
    assert said.startswith("The account cannot change hybrid roles. It may not: add domains, ")
    other_role = {**reading, "MI_LDAP_SUPER_ADMIN__ADMIN_ROLE": "admin"}
    assert "It may not" in examined(command, other_role).said("hybrid-roles", "warn")
    grants = [line for line in said.split("\n") if line.startswith("GRANT")]
    as_administrator(server, database, *(each.replace("@'%'", host) for each in grants))
    report = examined(command, reading)
    assert "may change hybrid roles" in report.said("hybrid-roles", "pass")
    # The grants are all that the service needs.
    become_admin(read_only, state, **settings_of(reading))


def as_administrator(server: DatabaseServer, database: str, *statements: str) -> None:
    if not isinstance(server, PostgreSql):
        server.run_sql(*statements)
        return
    with closing(Database(replace(server.tool, database=database))) as tools:
        for statement in statements:
            tools.read(lambda c, text=statement: c.exec_driver_sql(text))  # type: ignore[misc]


def test_a_database_that_is_down_is_named(
    read_only: Subtree, postgresql: PostgreSql, state: Path, command: Command
) -> None:
    down = replace(postgresql.config, hosts=(("127.0.0.1", free_ports(1)[0]),))
    report = examined(command, of_directory(read_only, state, **of_database(down)))
    assert "connection refused" in report.said("hybrid-roles", "fail")
    assert "Nothing of the hybrid roles was examined." in report.said("hybrid-roles", "skip")
    assert "see hybrid-roles below" in report.said("admins", "skip")
    assert report.said("admins", "fail") == ""
    secure = of_directory(read_only, state, **of_database(postgresql.config))
    secure["MI_LDAP_DATASOURCE__URL"] += "?sslMode=REQUIRED"
    said = examined(command, secure).said("hybrid-roles", "fail")
    assert "sslrootcert in datasource.url" in said
    assert "user_store.ca_file" not in said
    secure["MI_LDAP_DATASOURCE__URL"] += f"&sslrootcert={postgresql.certificates.ca_file}"
    said = examined(command, secure).said("hybrid-roles", "pass")
    assert "has a verified certificate" in said


def test_a_database_of_users_has_their_hybrid_roles(
    bare: Place, state: Path, command: Command
) -> None:
    keys = database_keys(bare.config, state, super_admin__admin_role=ADMIN_ROLE)
    if bare.config.dialect == "sqlite":
        report = examined(command, keys)
        assert "Not examined until the database can be used" in report.said("hybrid-roles", "skip")
        assert report.said("hybrid-roles", "pass") == report.said("hybrid-roles", "fail") == ""
    assert command(keys, "database", "create").exit_code == 0
    make_first_admin(keys, "alice")
    report = examined(command, keys)
    assert (report.status, report.problems()) == (0, [])
    said = report.said("hybrid-roles", "pass")
    assert "stored in the database of the users" in said
    assert "There is 1 hybrid role with 1 member." in said
