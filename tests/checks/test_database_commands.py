"""The commands of `mi-ldap` on databases: tables, check-config, recover-admin and the doctor."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import trustme

from mi_ldap.sql import DatabaseConfig
from mi_ldap.store import RenewEpoch
from tests.checks.databases import database_keys
from tests.checks.doctor_runs import Command
from tests.hosts.process import free_ports
from tests.sql.stores import Place
from tests.subtree import Subtree

OF_HYBRID_ROLES = (
    *("um_domain", "um_hybrid_role", "um_hybrid_user_role"),
    *("mi_ldap_user", "mi_ldap_hybrid_role"),
)
SECONDARY = """
[[secondary_user_store]]
domain = "wso2.com"
type = "database"
url = "{url}"
"""
TABLES = (
    *("um_user", "um_role", "um_user_role", "um_user_attribute"),
    *OF_HYBRID_ROLES,
)


def test_tables_are_created_once_and_checked(bare: Place, state: Path, command: Command) -> None:
    keys = database_keys(bare.config, state)
    if bare.config.dialect != "sqlite":  # whose file does not exist yet
        before = command(keys, "database", "check")
        assert before.exit_code == 2
        assert "mi-ldap database create" in before.stdout
    created = command(keys, "database", "create")
    assert created.exit_code == 0
    assert created.stdout.lower() == "".join(f"created {name}.\n" for name in TABLES)
    again = command(keys, "database", "create")
    assert (again.exit_code, again.stdout) == (0, "All tables exist. Nothing was created.\n")
    after = command(keys, "database", "check")
    assert after.exit_code == 0
    assert "The table of users has MI's current layout." in after.stdout
    if bare.config.dialect == "sqlite":
        assert stat.S_IMODE(Path(bare.config.database).stat().st_mode) == 0o600


def test_a_database_that_does_not_answer_is_named(
    bare: Place, state: Path, command: Command
) -> None:
    if bare.config.dialect == "sqlite":
        down = replace(bare.config, database="/nowhere/users.sqlite")
    else:
        down = replace(bare.config, hosts=(("127.0.0.1", free_ports(1)[0]),))
    keys = database_keys(down, state)
    checked = command(keys, "database", "check")
    assert checked.exit_code == 2
    assert "cannot be" in checked.stdout
    created = command(keys, "database", "create")
    assert (created.exit_code, created.stdout) == (1, "")
    assert len(created.stderr.splitlines()) == 1
    connected = command(keys, "check-config", "--connect")
    assert connected.exit_code == 1
    assert connected.stderr.endswith("For details run: mi-ldap doctor\n")


def test_the_commands_for_tables_need_a_database(tmp_path: Path, command: Command) -> None:
    for word in ("create", "check"):
        refused = command({"MI_LDAP_STATE_DIR": str(tmp_path)}, "database", word)
        assert refused.exit_code == 1
        assert refused.stderr.startswith("The configuration names no database")


def test_check_config_connects_to_the_database(place: Place, state: Path, command: Command) -> None:
    checked = command(database_keys(place.config, state), "check-config", "--connect")
    assert checked.exit_code == 0
    assert checked.stdout.splitlines()[0] == "The database can be used."


def test_check_config_reads_the_ca_file_of_the_address(
    tmp_path: Path, state: Path, command: Command
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")
    keys = database_keys(DatabaseConfig("postgresql", (("127.0.0.1", 1),), "x", "mi"), state)
    keys["MI_LDAP_DATASOURCE__URL"] += f"?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"
    assert command(keys, "check-config").exit_code == 1


def test_check_config_names_the_setting_of_a_ca_file(
    subtree: Subtree, tmp_path: Path, command: Command
) -> None:
    """Of the directory, of the hybrid roles beside it, and of a secondary store."""
    trusted, broken = tmp_path / "trusted.pem", tmp_path / "broken.pem"
    trustme.CA().cert_pem.write_to_path(str(trusted))
    broken.write_text("no certificate", encoding="utf-8")
    url = "postgresql://mi:secret@127.0.0.1:1/userdb?sslrootcert="
    keys = {**subtree.environment, "MI_LDAP_STATE_DIR": str(tmp_path / "state")}
    keys["MI_LDAP_USER_STORE__CA_FILE"] = str(trusted)
    keys["MI_LDAP_DATASOURCE__URL"] = f"{url}{trusted}"
    assert command(keys, "check-config").exit_code == 0
    (tmp_path / "secondary.toml").write_text(SECONDARY.format(url=f"{url}{broken}"), "utf-8")
    for changed, setting in (
        ({"DATASOURCE__URL": f"{url}{broken}"}, "sslrootcert in datasource.url"),
        ({"USER_STORE__CA_FILE": str(broken)}, "user_store.ca_file"),
        ({"CONFIG": str(tmp_path / "secondary.toml")}, "WSO2.COM: sslrootcert in"),
    ):
        named = {f"MI_LDAP_{key}": value for key, value in changed.items()}
        refused = command({**keys, **named}, "check-config")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr.startswith(setting)


def test_check_config_names_other_stores_that_are_down(
    subtree: Subtree, tmp_path: Path, command: Command
) -> None:
    toml = tmp_path / "secondary.toml"
    (port,) = free_ports(1)
    toml.write_text(SECONDARY.format(url=f"postgresql://mi:secret@127.0.0.1:{port}/x"), "utf-8")
    keys = {
        **subtree.environment,
        "MI_LDAP_STATE_DIR": str(tmp_path / "state"),
        "MI_LDAP_CONFIG": str(toml),
        "MI_LDAP_DATASOURCE__URL": f"postgresql://mi:secret@127.0.0.1:{port}/userdb",
    }
    checked = command(keys, "check-config", "--connect")
    assert checked.exit_code == 0
    assert "The directory can be used." in checked.stdout
    assert "The user store WSO2.COM cannot be used: " in checked.stderr
    assert "The store of hybrid roles cannot be used: " in checked.stderr
    keys["MI_LDAP_SUPER_ADMIN__ADMIN_ROLE"] = "Internal/admin"
    assert command(keys, "check-config", "--connect").exit_code == 1


def test_an_admin_is_recovered(place: Place, state: Path, command: Command) -> None:
    store = place.open()
    user = store.create_user("bob")
    store.reset_password(user, "a password")
    store.apply(RenewEpoch(user))
    keys = database_keys(place.config, state)
    assert command(keys, "recover-admin", "nobody", "--yes").exit_code == 1
    recovered = command(
        keys, "recover-admin", "bob", "--yes", "--set-password", answer="new one\nnew one\n"
    )
    assert recovered.exit_code == 0, recovered.output
    assert "bob is now an admin." in recovered.stdout
    found = store.find_user("bob")
    assert found is not None
    store.authenticate(found, "new one")
    admin_role = store.admin_role()
    assert admin_role is not None
    assert [admin.name for admin in store.holder_users(admin_role)] == ["bob"]


def test_the_doctor_examines_the_database(place: Place, state: Path, command: Command) -> None:
    keys = database_keys(place.config, state)
    said = command(keys, "doctor", "--json")
    report = json.loads(said.stdout)
    assert (said.exit_code, report["status"]) == (0, "pass")
    assert "digests" in {each["check"] for each in report["findings"]}
    fixed = command(keys, "doctor", "--fix-members")
    assert "--fix-members is for directories" in fixed.stdout


def test_there_is_no_embedded_directory_to_replace(
    place: Place, state: Path, command: Command
) -> None:
    refused = command(database_keys(place.config, state), "new-directory", "--yes")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("There is no embedded directory: datasource.url names")
