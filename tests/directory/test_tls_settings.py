"""What `[user_store]` takes and refuses of addresses and certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings import UserStoreSettings, load_settings


def load(folder: Path, **keys: object) -> UserStoreSettings:
    """The settings with an address and bases, and these keys."""
    given = {
        "connection_url": "ldaps://ldap.example.org",
        "user_search_base": "ou=people,dc=x",
        "group_search_base": "ou=groups,dc=x",
        **keys,
    }
    variables = {f"MI_LDAP_USER_STORE__{key.upper()}": str(value) for key, value in given.items()}
    return load_settings({**variables, "MI_LDAP_STATE_DIR": str(folder)}).user_store


def complaint(folder: Path, **keys: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, **keys)
    return str(caught.value)


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    (tmp_path / "client.pem").touch()
    return tmp_path / "client.pem"


def test_a_client_certificate_takes_the_place_of_the_account(tmp_path: Path, pem: Path) -> None:
    assert "user_store.connection_name is missing" in complaint(tmp_path)
    settings = load(tmp_path, client_certificate_file=pem, client_key_file=pem)
    assert settings.client_certificate_file == settings.client_key_file == pem
    said = complaint(tmp_path, client_certificate_file=pem, connection_name="cn=x")
    assert "user_store.connection_password is missing" in said


def test_a_client_certificate_needs_tls(tmp_path: Path, pem: Path) -> None:
    plain = {"connection_url": "ldap://localhost", "client_certificate_file": pem}
    assert "user_store.client_certificate_file needs TLS" in complaint(tmp_path, **plain)
    assert load(tmp_path, start_tls="true", **plain).start_tls


def test_a_key_needs_its_certificate(tmp_path: Path, pem: Path) -> None:
    said = complaint(tmp_path, client_key_file=pem, type="read_only_ldap")
    assert "user_store.client_certificate_file is missing" in said


@pytest.mark.parametrize(
    "url", ["ldaps+srv://example.org", "ldaps+srv://example.org/", "ldaps+srv://a ldaps://b:1636"]
)
def test_a_domain_in_the_place_of_a_server(tmp_path: Path, url: str) -> None:
    settings = load(tmp_path, connection_url=url, type="read_only_ldap")
    assert settings.connection_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["ldaps+srv://example.org:636", "ldapi+srv://x", "srv://example.org", "ldap+srv://"]
)
def test_what_is_no_domain_is_refused(tmp_path: Path, url: str) -> None:
    said = complaint(tmp_path, connection_url=url, type="read_only_ldap")
    assert "user_store.connection_url must be" in said


def test_servers_that_dns_names_are_not_spoken_to_in_the_clear(tmp_path: Path) -> None:
    url = "ldap+srv://example.org"
    assert "in the clear" in complaint(tmp_path, connection_url=url, type="read_only_ldap")
    assert load(tmp_path, connection_url=url, type="read_only_ldap", start_tls="true").start_tls
