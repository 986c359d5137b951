"""The doctor on databases: SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import trustme

from mi_ldap.sql import DatabaseConfig
from mi_ldap.sql.schema import create_tables
from tests.checks.databases import database_keys, examined, make_first_admin
from tests.checks.doctor_runs import problems, text_of
from tests.hosts.process import free_ports
from tests.sql.servers import DatabaseServer, MariaDb, PostgreSql
from tests.sql.stores import Place, sqlite_place

PAGE = Path(__file__).parents[2] / "docs" / "stores" / "database.md"

INSERT_USER = (
    "INSERT INTO UM_USER (UM_USER_ID, UM_USER_NAME, UM_USER_PASSWORD, UM_SALT_VALUE, "
    "UM_CHANGED_TIME, UM_TENANT_ID) "
    "VALUES (:id, :name, :password, :salt, '2026-01-01 00:00:00', -1234)"
)
COUNTS = (
    "SELECT (SELECT count(*) FROM UM_USER), (SELECT count(*) FROM UM_ROLE), "
    "(SELECT count(*) FROM UM_USER_ROLE), (SELECT count(*) FROM UM_USER_ATTRIBUTE)"
)


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


def add_user(place: Place, name: str, password: str = "a" * 44, salt: str | None = "s") -> None:
    place.execute(INSERT_USER, id=str(uuid4()), name=name, password=password, salt=salt)


def test_a_healthy_database_passes_all_checks(place: Place, state: Path) -> None:
    keys = database_keys(place.config, state)
    make_first_admin(keys, "alice")
    report = examined(keys)
    assert problems(report) == []
    names = {finding.check for finding in report.findings}
    own = {"layout", "indexes", "rights", "duplicates", "dangling-rows", "digests", "admins"}
    assert own < names
    assert "alice" in text_of(report, "admins", "pass")
    if place.config.password:
        assert place.config.password not in report.as_json()


def test_the_doctor_changes_nothing(place: Place, state: Path) -> None:
    add_user(place, "bob")
    before = place.query(COUNTS)
    report = examined(database_keys(place.config, state))
    assert "create users" in text_of(report, "rights", "pass")
    assert place.query(COUNTS) == before


def test_a_missing_index_is_named_and_the_remedy_creates_it(place: Place, state: Path) -> None:
    suffix = " ON UM_USER" if place.config.dialect == "mysql" else ""
    place.execute(f"DROP INDEX mi_ldap_user_name_index{suffix}")
    said = text_of(examined(database_keys(place.config, state)), "indexes", "warn")
    (statement,) = re.findall("CREATE INDEX .*;", said)
    place.execute(statement.replace("mi_ldap_index_1", "mi_ldap_user_name_index"))
    assert problems(examined(database_keys(place.config, state))) == []


def test_names_that_are_there_twice_are_reported(place: Place, state: Path) -> None:
    add_user(place, "bob")
    add_user(place, "BOB")
    add_user(place, "carol")
    said = text_of(examined(database_keys(place.config, state)), "duplicates", "fail")
    assert "Several users have one name, so they cannot log in: bob." in said
    keys = database_keys(place.config, state, user_store__case_insensitive_username="false")
    assert text_of(examined(keys), "duplicates", "fail") == ""


def test_users_without_an_id_are_reported(place: Place, state: Path) -> None:
    for name in ("bob", "carol"):
        add_user(place, name)
    place.execute("UPDATE UM_USER SET UM_USER_ID = ' ' WHERE UM_USER_NAME = 'bob'")
    report = examined(database_keys(place.config, state))
    said = text_of(report, "duplicates", "fail")
    assert "UM_USER_ID is empty, so these users cannot log in: bob." in said
    assert text_of(report, "duplicates", "pass") == ""


def test_rows_of_nobody_are_counted(place: Place, state: Path) -> None:
    place.execute("INSERT INTO UM_ROLE (UM_ROLE_NAME, UM_TENANT_ID) VALUES ('dev', -1234)")
    place.plant("dev", "gone")
    said = text_of(examined(database_keys(place.config, state)), "dangling-rows", "warn")
    assert re.search("not exist: 1 row of UM_USER_ROLE", said, re.IGNORECASE)


def test_how_passwords_are_stored_is_reported(place: Place, state: Path) -> None:
    add_user(place, "good")
    add_user(place, "unsalted", salt=None)
    add_user(place, "sha1", password="a" * 28)
    said = text_of(examined(database_keys(place.config, state)), "digests", "warn")
    assert "The passwords of 1 user are no SHA-256 digests" in said
    assert "The passwords of 1 user are stored without a salt." in said
    for digest, sentence in (
        ("MD5", "Passwords are digested with MD5, which is weak."),
        ("PLAIN_TEXT", "Passwords are stored as they are."),
    ):
        keys = database_keys(place.config, state, user_store__password_digest=digest)
        assert sentence in text_of(examined(keys), "digests", "warn")
    keys = database_keys(place.config, state, user_store__store_salted_password="false")
    assert "without a salt" in text_of(examined(keys), "digests", "warn")


def test_admins_without_a_custodian_and_a_lost_admin_role_are_reported(
    place: Place, state: Path
) -> None:
    keys = database_keys(place.config, state)
    assert text_of(examined(keys), "admins", "pass").startswith("There is no role admin yet.")
    make_first_admin(keys, "alice")
    for table in ("UM_USER_ATTRIBUTE", "UM_USER_ROLE", "UM_ROLE"):
        place.execute(f"DELETE FROM {table}")  # noqa: S608
    said = text_of(examined(keys), "admins", "fail")
    assert "There is no role admin, although an admin was created before" in said


def test_who_may_become_the_first_admin_is_reported(place: Place, state: Path) -> None:
    keys = database_keys(place.config, state, bootstrap__mode="first_login")
    assert "whoever logs in first" in text_of(examined(keys), "first-admin", "warn")
    named = {**keys, "MI_LDAP_BOOTSTRAP__USERS": "alice"}
    assert "alice does not exist" in text_of(examined(named), "first-admin", "fail")
    add_user(place, "alice")
    assert "the first of alice" in text_of(examined(named), "first-admin", "warn")


def test_a_database_without_tables_is_told_how_to_get_them(tmp_path: Path, state: Path) -> None:
    config = DatabaseConfig("sqlite", (), str(tmp_path / "empty.sqlite"))
    keys = database_keys(config, state)
    assert "cannot be opened" in text_of(examined(keys), "address", "fail")
    Path(config.database).touch()
    report = examined(keys)
    assert "mi-ldap database create" in text_of(report, "layout", "fail")
    assert "rights, duplicates" in text_of(report, "layout", "skip")


def test_missing_tables_and_columns_are_named(tmp_path: Path, state: Path) -> None:
    config = DatabaseConfig("sqlite", (), str(tmp_path / "users.sqlite"))
    create_tables(config)
    with sqlite_place(tmp_path) as place:
        place.execute("DROP TABLE um_hybrid_user_role", "ALTER TABLE um_user DROP um_salt_value")
    report = examined(database_keys(config, state))
    assert "um_hybrid_user_role" in text_of(report, "layout", "warn")
    assert "Columns are missing: um_user.um_salt_value." in text_of(report, "layout", "fail")
    assert text_of(report, "rights", "pass") == ""


@pytest.mark.parametrize("layout", ["current", "old"])
def test_tables_of_mi_are_examined_and_the_remedies_help(
    bare: Place, state: Path, layout: str
) -> None:
    bare.run_script(layout)
    keys = database_keys(bare.config, state)
    report = examined(keys)
    which = "current" if layout == "current" else "older"
    assert f"MI's {which}" in text_of(report, "layout", "pass")
    assert "create users" in text_of(report, "rights", "pass")
    assert {finding.check for finding in problems(report)} == {"layout", "indexes"}
    said = text_of(report, "layout", "warn").lower()
    assert said.startswith("tables of hybrid roles are missing")
    bare.execute(*re.findall("CREATE INDEX .*;", text_of(report, "indexes", "warn")))
    assert {finding.check for finding in problems(examined(keys))} == {"layout"}


def test_an_account_that_may_only_read_is_reported(postgresql: PostgreSql, state: Path) -> None:
    with_tables(postgresql)
    tools = postgresql.tools
    name = f"reader_{free_ports(1)[0]}"
    tools.write(
        lambda connection: [
            connection.exec_driver_sql(each)
            for each in (
                f"CREATE ROLE {name} LOGIN PASSWORD '{postgresql.password}'",
                f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
            )
        ]
    )
    keys = database_keys(replace(postgresql.config, username=name), state)
    said = text_of(examined(keys), "rights", "fail")
    assert said.startswith(
        "The account cannot: create users, create roles, delete hybrid roles of users."
    )
    assert "Grant the rights of docs/stores/database.md on UM_USER" in said
    reading = {**keys, "MI_LDAP_USER_STORE__READ_ONLY": "true"}
    assert "can only read, as configured" in text_of(examined(reading), "rights", "pass")


def test_rights_that_a_read_only_store_does_not_need_are_reported(
    server: DatabaseServer, state: Path
) -> None:
    with_tables(server)
    keys = database_keys(server.config, state, user_store__read_only="true")
    said = text_of(examined(keys), "rights", "warn")
    assert said.startswith("The configuration only reads, but the account may: create users")


def test_tables_without_transactions_are_reported(mariadb: MariaDb, state: Path) -> None:
    with_tables(mariadb)
    engine = "ALTER TABLE UM_USER_ATTRIBUTE ENGINE = {}"
    key = "ALTER TABLE UM_USER_ATTRIBUTE DROP FOREIGN KEY IF EXISTS um_user_attribute_ibfk_1"
    foreign = (
        "ALTER TABLE UM_USER_ATTRIBUTE ADD CONSTRAINT um_user_attribute_ibfk_1 FOREIGN KEY "
        "(UM_USER_ID, UM_TENANT_ID) REFERENCES UM_USER (UM_ID, UM_TENANT_ID)"
    )
    run = mariadb.tools.write
    run(lambda connection: [connection.exec_driver_sql(s) for s in (key, engine.format("Aria"))])
    try:
        said = text_of(examined(database_keys(mariadb.config, state)), "rights", "fail")
    finally:
        run(
            lambda connection: [
                connection.exec_driver_sql(s) for s in (engine.format("InnoDB"), foreign)
            ]
        )
    assert "These tables have no transactions: UM_USER_ATTRIBUTE." in said
    assert "ALTER TABLE UM_USER_ATTRIBUTE ENGINE = InnoDB" in said


@pytest.mark.parametrize("option", ["sslMode=REQUIRED", "ssl=true"])
def test_the_certificate_is_verified(server: DatabaseServer, state: Path, option: str) -> None:
    with_tables(server)
    keys = database_keys(server.config, state)
    keys["MI_LDAP_DATASOURCE__URL"] += f"?{option}"
    unknown = examined(keys)
    assert "authority that is unknown here" in text_of(unknown, "certificate", "fail")
    assert "user_store.ca_file" in text_of(unknown, "certificate", "fail")
    keys["MI_LDAP_USER_STORE__CA_FILE"] = str(server.certificates.ca_file)
    known = examined(keys)
    assert "has a verified certificate, valid for" in text_of(known, "certificate", "pass")
    assert text_of(known, "layout", "pass") != ""


def test_another_authority_is_not_trusted(
    server: DatabaseServer, state: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    keys = database_keys(server.config, state, user_store__ca_file=str(other))
    keys["MI_LDAP_DATASOURCE__URL"] += "?sslMode=REQUIRED"
    assert "The certificate of 127.0.0.1" in text_of(examined(keys), "certificate", "fail")


def test_why_a_host_cannot_be_used_is_named(server: DatabaseServer, state: Path) -> None:
    with_tables(server)
    keys = database_keys(server.config, state)
    wrong = {**keys, "MI_LDAP_DATASOURCE__PASSWORD": "not that"}
    assert "The login of mi is refused" in text_of(examined(wrong), "account", "fail")
    assert "not that" not in examined(wrong).as_json()
    url, dead = keys["MI_LDAP_DATASOURCE__URL"], free_ports(1)[0]
    down = {**keys, "MI_LDAP_DATASOURCE__URL": url.replace(str(server.port), str(dead))}
    assert "connection refused" in text_of(examined(down), "address", "fail")
    first = {**keys, "MI_LDAP_DATASOURCE__URL": url.replace("//", f"//127.0.0.1:{dead},")}
    report = examined(first)
    assert "connection refused" in text_of(report, "address", "warn")
    assert text_of(report, "layout", "pass") != ""
    nowhere = {**keys, "MI_LDAP_DATASOURCE__URL": url.replace("127.0.0.1", "nowhere.invalid")}
    nowhere["MI_LDAP_USER_STORE__ALLOW_PLAINTEXT"] = "true"
    assert "DNS has no address" in text_of(examined(nowhere), "address", "fail")


def test_a_database_that_is_not_there_is_named(postgresql: PostgreSql, state: Path) -> None:
    keys = database_keys(replace(postgresql.config, database="other"), state)
    assert "There is no database other at" in text_of(examined(keys), "address", "fail")


def with_tables(server: DatabaseServer) -> None:
    if not server.has_tables:
        create_tables(server.config)
        server.has_tables = True
