"""Which store the settings lead to, and how it is configured."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mi_ldap.errors import ConfigurationError
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.services.container import Services
from mi_ldap.settings import Settings, load_settings
from mi_ldap.sql import SqlStore
from mi_ldap.sql.schema import create_tables
from mi_ldap.wiring import database_config, nodes, services

ROOT = Path(__file__).parents[2]
DATABASE = """
[user_store]
type = "database"
ldap_connection_timeout = 1500
read_timeout = 2500
[user_store.properties]
PasswordDigest = "SHA"
StoreSaltedPassword = "false"
CaseInsensitiveUsername = "false"
WriteGroups = "false"
[datasource]
url = "jdbc:postgresql://db1,db2:5433/userdb"
username = "mi"
password = "secret"
"""
DIRECTORY = """
from mi_ldap.settings import load_settings
from mi_ldap.wiring import services
services(load_settings())
import sys
assert not {"sqlalchemy", "psycopg", "pymysql"} & {*sys.modules}
"""


def load(tmp_path: Path, more: str = "") -> Settings:
    config = tmp_path / "config.toml"
    config.write_text(f"{DATABASE}{more}", encoding="utf-8")
    return load_settings({"MI_LDAP_CONFIG": str(config), "MI_LDAP_STATE_DIR": str(tmp_path)})


def test_the_nodes_are_configured_by_the_settings(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")
    node = """
    [[micro_integrator]]
    id = "mi-1"
    management_url = "https://mi-1.example.org:9164/management/"
    username = "door"
    password = "secret"
    timeout_s = 3
    """
    (found,) = nodes(load(tmp_path, node))
    assert found.config.management_url == "https://mi-1.example.org:9164/management"
    assert (found.config.password, found.config.timeout_s) == ("secret", 3.0)
    assert "secret" not in repr(found.config)
    with pytest.raises(ConfigurationError, match="mi-1: ca_file must name a PEM file"):
        nodes(load(tmp_path, f'{node}ca_file = "ca.pem"'))
    assert len(nodes(load(tmp_path))) == 0


def test_the_store_of_a_database_is_configured_by_the_settings(tmp_path: Path) -> None:
    config = database_config(load(tmp_path))
    assert config.hosts == (("db1", 5432), ("db2", 5433))
    assert (config.dialect, config.database) == ("postgresql", "userdb")
    assert (config.username, config.password) == ("mi", "secret")
    assert (config.tls, config.ca_file, config.pool_size) == (True, None, 8)
    assert (config.connect_timeout_s, config.response_timeout_s) == (1.5, 2.5)
    assert (config.digest, config.salted) == ("SHA-1", False)
    assert config.case_insensitive_names is False
    assert (config.writable, config.roles_writable) == (True, False)
    assert "secret" not in repr(config)


def test_a_database_is_opened_at_the_first_use_only(tmp_path: Path) -> None:
    found = services(load(tmp_path))
    assert isinstance(found.primary, SqlStore)
    found.close()


@pytest.mark.parametrize(("most", "workers", "connections"), [(3, 2, 1), (1, 2, 1), (50, 2, 8)])
def test_the_connections_of_all_workers_are_limited(
    tmp_path: Path, most: int, workers: int, connections: int
) -> None:
    settings = load(tmp_path, f"max_active = {most}\n[server]\nworkers = {workers}\n")
    assert database_config(settings).pool_size == connections


def test_each_database_and_admin_role_has_a_bootstrap_of_its_own(tmp_path: Path) -> None:
    def found(file: str, role: str) -> Services:
        toml = f"""
        [user_store]
        type = "database"
        [datasource]
        url = "sqlite:///{file}"
        [bootstrap]
        users = ["alice"]
        [super_admin]
        admin_role = "{role}"
        """
        config = tmp_path / "config.toml"
        config.write_text(toml, encoding="utf-8")
        settings = load_settings(
            {"MI_LDAP_CONFIG": str(config), "MI_LDAP_STATE_DIR": str(tmp_path)}
        )
        create_tables(database_config(settings))
        return services(settings)

    with closing(found("first.sqlite", "admin")) as first:
        request = LoginRequest("alice", "a password", client="192.0.2.1", is_local=False)
        assert first.login.login(request).scope == "admin"
        assert first.bootstrap.has_record()
    for file, role in (("second.sqlite", "admin"), ("first.sqlite", "admins")):
        with closing(found(file, role)) as other:
            assert not other.bootstrap.has_record()


def test_a_service_with_a_directory_loads_no_sqlalchemy(tmp_path: Path) -> None:
    environment = {"MI_LDAP_STATE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    toml = '[user_store]\nconnection_url = "ldaps://x"\ntype = "read_only_ldap"\nbase_dn = "dc=x"\n'
    (tmp_path / "config.toml").write_text(toml, encoding="utf-8")
    environment["MI_LDAP_CONFIG"] = str(tmp_path / "config.toml")
    subprocess.run([sys.executable, "-c", DIRECTORY], check=True, env=environment, cwd=tmp_path)
