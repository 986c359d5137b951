"""What `[[micro_integrator]]` takes, and what it refuses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mi_ldap.settings import Settings, load_settings
from tests import toml_files
from tests.toml_files import complaint_of

TWO = """
[management_api]
operator_roles = "operators, Internal/night shift"

[[micro_integrator]]
id = "mi-1"
management_url = "https://MI-1.example.org:9164/management/"
username = "door"
password = "secret one"
ca_file = "ca.pem"

[[micro_integrator]]
id = "Mi.2"
management_url = "http://127.0.0.1:9166/management"
username = "door"
port = "9165"
timeout_s = 2.5
"""
PASSWORD = {"MI_LDAP_MICRO_INTEGRATOR__MI_2__PASSWORD": "secret two"}


def load(tmp_path: Path, toml: str, **variables: str) -> Settings:
    (tmp_path / "ca.pem").touch()
    return toml_files.load(tmp_path, toml, **variables)


def refused(tmp_path: Path, *change: str, toml: str = TWO) -> str:
    (tmp_path / "ca.pem").touch()
    assert change[0] in toml
    return complaint_of(tmp_path, toml.replace(change[0], change[1], 1), **PASSWORD)


def test_each_table_is_a_node_with_its_own_keys(tmp_path: Path) -> None:
    settings = load(tmp_path, TWO, **PASSWORD)
    first, second = settings.micro_integrator
    assert (first.id, first.management_url) == ("mi-1", "https://mi-1.example.org:9164/management")
    assert (first.port, first.timeout_s, first.verify) == (None, 10.0, True)
    assert first.ca_file == tmp_path / "ca.pem"
    assert (second.id, second.port, second.timeout_s) == ("Mi.2", 9165, 2.5)
    assert first.password is not None
    assert second.password is not None
    assert first.password.get_secret_value() == "secret one"
    assert second.password.get_secret_value() == "secret two"
    assert settings.management_api.operator_roles == ("operators", "Internal/night shift")
    for secret in ("secret one", "secret two"):
        assert secret not in f"{settings!r}{settings}"
    assert settings.notes == ()


def test_a_password_is_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n", encoding="utf-8")
    node = load(tmp_path, TWO, MI_LDAP_MICRO_INTEGRATOR__MI_2__PASSWORD_FILE=str(secret))
    password = node.micro_integrator[1].password
    assert password is not None
    assert password.get_secret_value() == "from a file"


def test_other_keys_are_read_from_the_environment_too(tmp_path: Path) -> None:
    variables = {**PASSWORD, "MI_LDAP_MICRO_INTEGRATOR__MI_1__MANAGEMENT_URL": "https://a.example"}
    assert (
        load(tmp_path, TWO, **variables).micro_integrator[0].management_url == "https://a.example"
    )


def test_without_a_table_there_is_no_node() -> None:
    assert load_settings({}).micro_integrator == ()


@pytest.mark.parametrize(
    "name", ["", "..", ".mi", "-mi", "a/b", "a b", "ü", "a%2f", "x" * 65, "a_b"]
)
def test_an_id_that_is_no_segment_of_a_path_is_refused(tmp_path: Path, name: str) -> None:
    assert "micro_integrator[1].id" in refused(tmp_path, "Mi.2", name)


@pytest.mark.parametrize("name", ["Mi.2", "mi-2", "MI.2"])
def test_two_nodes_of_one_id_are_refused(tmp_path: Path, name: str) -> None:
    assert "have the same id" in refused(tmp_path, '"mi-1"', f'"{name}"')


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mi-1",
        "ftp://mi-1/management",
        "https://door:secret@mi-1/management",
        "https://mi-1/management?x=secret",
        "https://mi-1/management#secret",
        "https://mi-1:0/management",
        "https://mi 1/management",
        "https:///management",
    ],
)
def test_a_wrong_address_is_refused(tmp_path: Path, url: str) -> None:
    complaint = refused(tmp_path, "https://MI-1.example.org:9164/management/", url)
    assert "micro_integrator[0].management_url" in complaint
    assert "secret" not in complaint


def test_an_address_in_the_clear_is_refused_unless_it_is_accepted(tmp_path: Path) -> None:
    change = ("https://MI-1", "http://MI-1")
    assert "micro_integrator mi-1: management_url would send" in refused(tmp_path, *change)
    accepted = TWO.replace(*change).replace("ca_file", "allow_plaintext = true\nca_file")
    settings = load(tmp_path, accepted, **PASSWORD)
    assert any("allow_plaintext" in note for note in settings.notes)


@pytest.mark.parametrize("port", [9164, 9200])
def test_a_port_that_is_used_already_is_refused(tmp_path: Path, port: int) -> None:
    toml = TWO.replace('"9165"', str(port)) + "[embedded_directory]\nport = 9200\n"
    assert "Mi.2: port is used" in refused(tmp_path, "x" * 0, "", toml=toml)


def test_two_nodes_on_one_port_are_refused(tmp_path: Path) -> None:
    assert "Mi.2: port is used" in refused(tmp_path, "ca_file", "port = 9165\nca_file")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "https://localhost:9164/management"),
        ("127.0.0.1", "https://127.0.0.1:9165/management"),
        ("0.0.0.0", "https://127.0.0.2:9164/management"),
        ("0.0.0.0", f"https://{socket.gethostname()}:9164/management"),
        ("mi.example.org", "https://MI.example.org:9164"),
    ],
)
def test_the_services_own_address_is_refused(tmp_path: Path, host: str, url: str) -> None:
    toml = TWO + f'[server]\nhost = "{host}"\n'
    complaint = refused(tmp_path, "https://MI-1.example.org:9164/management/", url, toml=toml)
    assert "mi-1: management_url is the address of this service" in complaint


def test_the_same_port_of_another_address_is_no_own_address(tmp_path: Path) -> None:
    toml = TWO.replace("127.0.0.1:9166", "127.0.0.2:9164") + '[server]\nhost = "127.0.0.1"\n'
    assert load(tmp_path, toml, **PASSWORD).micro_integrator


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('id = "mi-1"', ""), "micro_integrator[0].id is missing"),
        (('username = "door"', ""), "micro_integrator[0].username is missing"),
        (('"door"', '"a:b"'), "mi-1: username contains a colon"),
        (('password = "secret one"', ""), "MI_LDAP_MICRO_INTEGRATOR__MI_1__PASSWORD_FILE"),
        (("secret one", "$secret{mi}"), "MI_LDAP_MICRO_INTEGRATOR__MI_1__PASSWORD_FILE"),
        (("ca.pem", "nowhere.pem"), "ca_file must name a file that exists"),
        (("2.5", "31"), "micro_integrator[1].timeout_s must be a number of seconds"),
        (("timeout_s", "timeouts"), "or write micro_integrator.timeout_s if you meant that"),
        (("night shift", "Everyone"), "management_api.operator_roles must not name"),
    ],
)
def test_each_mistake_is_reported(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    assert sentence in refused(tmp_path, *change)


@pytest.mark.parametrize("value", ['"text"', "5", "[1, 2]"])
def test_another_value_than_tables_is_refused(tmp_path: Path, value: str) -> None:
    assert "micro_integrator" in complaint_of(tmp_path, f"micro_integrator = {value}")


def test_a_variable_of_no_node_is_refused(tmp_path: Path) -> None:
    variable = "MI_LDAP_MICRO_INTEGRATOR__MI_3__PASSWORD"
    (tmp_path / "ca.pem").touch()
    complaint = complaint_of(tmp_path, TWO, **PASSWORD, **{variable: "x"})
    assert f"{variable} names no [[micro_integrator]]" in complaint


def test_what_weakens_the_checks_is_noted(tmp_path: Path) -> None:
    toml = TWO.replace("ca_file", "verify = false\nca_file") + (
        '[management_api.authorization_handler]\noperators_are = "everybody"\n'
    )
    notes = " ".join(load(tmp_path, toml, **PASSWORD).notes)
    assert "micro_integrator mi-1: verify = false" in notes
    assert 'operators_are = "everybody" lets' in notes


def test_operator_roles_without_a_node_are_noted(tmp_path: Path) -> None:
    (note,) = load(tmp_path, '[management_api]\noperator_roles = ["a"]').notes
    assert "operator_roles has no effect" in note
