"""A `[[datasource]]` beside a directory, where the hybrid roles are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toml_files import complaint_of, load
from tests.unit.test_settings_database import DEPLOYMENT

OF_DIRECTORY = DEPLOYMENT.replace('type = "database"', "").replace("class", "password_digest")
HYBRID = f'{OF_DIRECTORY}[super_admin]\nadmin_role = "Internal/admin"\n'
READ_ONLY = """
[user_store]
type = "read_only_ldap"
connection_url = "ldaps://ldap.example.org"
base_dn = "dc=example,dc=org"
ca_file = "ldap.pem"
[datasource]
url = "jdbc:postgresql://db.example.org/userdb?sslrootcert=database.pem"
username = "mi"
password = "secret"
"""


def test_with_a_directory_the_keys_of_databases_have_no_effect(tmp_path: Path) -> None:
    settings = load(tmp_path, OF_DIRECTORY.replace("jdbc:mysql:", "jdbc:h2:"))
    assert settings.is_embedded
    assert not settings.has_hybrid_database
    assert settings.notes == (
        "These keys of MI have no effect here: realm_manager.data_source, "
        "user_store.password_digest, user_store.read_only.",
        "These sections of MI have no effect here: datasource.",
    )


def test_with_a_directory_a_datasource_holds_the_hybrid_roles(tmp_path: Path) -> None:
    settings = load(tmp_path, OF_DIRECTORY)
    assert settings.has_hybrid_database
    assert settings.database_address.database == "userdb"
    assert settings.notes == (
        "These keys of MI have no effect here: datasource.pool_options, "
        "user_store.password_digest, user_store.read_only.",
        "datasource.url turns TLS off, but the database is on another machine: TLS is used and "
        "the certificate is verified, unless user_store.allow_plaintext = true.",
    )


def test_with_a_directory_a_datasource_with_a_placeholder_is_left_out(tmp_path: Path) -> None:
    toml = OF_DIRECTORY.replace('"secret"', '"$secret{database}"')
    assert not load(tmp_path, toml).has_hybrid_database
    settings = load(tmp_path, toml, MI_LDAP_DATASOURCE__PASSWORD="secret")
    assert settings.database_address.password == "secret"


@pytest.mark.parametrize("given", ["internal/admin", "Internal/admin", "INTERNAL/admin"])
def test_the_admin_role_may_be_a_hybrid_one(tmp_path: Path, given: str) -> None:
    settings = load(tmp_path, f'[super_admin]\nadmin_role = "{given}"')
    assert settings.super_admin.admin_role == "Internal/admin"
    assert settings.is_admin_role_hybrid


@pytest.mark.parametrize(
    ("there", "key"), [('"secret"', "password"), ('"jdbc:mysql://db.example.org:3306/', "url")]
)
def test_admins_are_not_elsewhere_because_of_a_placeholder(
    tmp_path: Path, there: str, key: str
) -> None:
    placed = there.replace("secret", "$secret{it}").replace("db.example.org", "$env{HOST}")
    said = complaint_of(tmp_path, HYBRID.replace(there, placed))
    assert said.startswith(f"datasource.{key} contains a placeholder such as $secret{{")


@pytest.mark.parametrize(
    ("there", "instead"), [("jdbc:mysql:", "jdbc:h2:"), ('id = "WSO2CarbonDB"', 'id = "OTHER"')]
)
def test_a_datasource_that_does_not_keep_the_admins_is_noted(
    tmp_path: Path, there: str, instead: str
) -> None:
    settings = load(tmp_path, HYBRID.replace(there, instead))
    assert not settings.has_hybrid_database
    assert settings.notes[-1].startswith("The admins are in the file hybrid-roles.sqlite of the ")
    assert load(tmp_path, HYBRID).notes == load(tmp_path, OF_DIRECTORY).notes


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("jdbc:mysql:", "jdbc:h2:"),
        ("jdbc:mysql:", "$env{DATABASE}"),
        ('id = "WSO2CarbonDB"', 'id = "OTHER"'),
    ],
)
def test_the_environment_names_the_database_of_hybrid_roles(
    tmp_path: Path, there: str, instead: str
) -> None:
    toml = HYBRID.replace(there, instead)
    given = {"URL": "jdbc:postgresql://localhost/hybrid", "USERNAME": "tool"}
    environ = {f"MI_LDAP_DATASOURCE__{key}": value for key, value in given.items()}
    address = load(tmp_path, toml, **environ).database_address
    assert (address.dialect, address.database) == ("postgresql", "hybrid")
    assert address.username == "tool"


def test_directory_and_database_may_have_different_authorities(tmp_path: Path) -> None:
    for name in ("ldap.pem", "database.pem"):
        (tmp_path / name).touch()
    settings = load(tmp_path, READ_ONLY)
    assert settings.user_store.ca_file == tmp_path / "ldap.pem"
    assert settings.database_address.ca_file == str(tmp_path / "database.pem")
    settings = load(tmp_path, READ_ONLY.replace("?sslrootcert=database.pem", ""))
    assert settings.database_address.ca_file == str(tmp_path / "ldap.pem")
