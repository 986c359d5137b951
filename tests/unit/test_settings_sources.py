"""Which source wins, and what is said about a source that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings import Settings, load_settings

CHECKOUT = Path(__file__).resolve().parents[2]
Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load settings from the text of a TOML and from variables."""

    def load_from(toml: str = "", **variables: str) -> Settings:
        config = tmp_path / "config.toml"
        config.write_text(toml, encoding="utf-8")
        config.chmod(0o600)  # else it would be noted that everyone can read its passwords
        return load_settings({"MI_LDAP_CONFIG": str(config), **variables})

    return load_from


def complaint_of(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ)
    return str(caught.value)


def test_without_any_source_the_embedded_directory_is_used_on_loopback() -> None:
    settings = load_settings({})
    assert settings.is_embedded
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 9164)
    assert settings.state_dir == CHECKOUT / "var"
    assert settings.notes == ()


def test_a_directory_of_ones_own_makes_the_service_listen_everywhere(load: Load) -> None:
    settings = load(
        '[user_store]\nconnection_url = "ldapi://%2Frun%2Fldapi"\nbase_dn = "dc=x"\n[server]\n'
    )
    assert not settings.is_embedded
    assert settings.server.host == "0.0.0.0"


def test_the_environment_beats_the_toml(load: Load) -> None:
    settings = load("[server]\nport = 1000\nthreads = 3", MI_LDAP_SERVER__PORT="2000")
    assert (settings.server.port, settings.server.threads) == (2000, 3)


def test_deeper_keys_are_reached_with_further_underscores(load: Load) -> None:
    name = "MI_LDAP_MANAGEMENT_API__JWT_TOKEN_SECURITY_HANDLER__TOKEN_CONFIG__EXPIRY"
    settings = load(**{name: "60"})
    assert settings.management_api.jwt_token_security_handler.token_config.expiry == 60


def test_lists_and_booleans_come_as_text_from_the_environment(load: Load) -> None:
    settings = load(
        MI_LDAP_BOOTSTRAP__USERS="alice, bob",
        MI_LDAP_SERVER__TLS="FALSE",
        MI_LDAP_SERVER__TRUSTED_PROXIES="10.0.0.1,192.168.0.0/16",
        MI_LDAP_MANAGEMENT_API__AUTHORIZATION_HANDLER__RESOURCES="/users,/roles,/server",
    )
    assert settings.bootstrap.users == ("alice", "bob")
    assert settings.server.tls is False
    assert settings.server.trusted_proxies == ("10.0.0.1/32", "192.168.0.0/16")
    resources = settings.management_api.authorization_handler.resources
    assert [resource.path for resource in resources] == ["/users", "/roles", "/server"]


@pytest.mark.parametrize("content", ["pa ss\n\n", "pa ss\n\r\n"])
def test_a_secret_file_loses_one_line_end_and_beats_the_toml(
    load: Load, tmp_path: Path, content: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(content.encode())
    settings = load(
        '[super_admin]\npassword = "other"', MI_LDAP_SUPER_ADMIN__PASSWORD_FILE=str(secret)
    )
    assert settings.super_admin.password is not None
    assert settings.super_admin.password.get_secret_value() == "pa ss\n"


def test_a_key_that_ends_in_file_is_itself_and_no_secret_file(load: Load, tmp_path: Path) -> None:
    pem = tmp_path / "server.pem"
    pem.touch()
    settings = load(
        MI_LDAP_SERVER__CERTIFICATE_FILE=str(pem),
        MI_LDAP_SERVER__KEY_FILE=str(pem),
        MI_LDAP_AUDIT__FILE=str(tmp_path / "audit.log"),
    )
    assert settings.server.key_file == pem
    assert settings.audit.file == tmp_path / "audit.log"


def test_an_empty_secret_file_is_refused() -> None:
    said = complaint_of({"MI_LDAP_SUPER_ADMIN__PASSWORD_FILE": "/dev/null"})
    assert said == (
        "MI_LDAP_SUPER_ADMIN__PASSWORD_FILE names an empty file: write the value into it."
    )


def test_both_forms_of_one_setting_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("b")
    said = complaint_of(
        {
            "MI_LDAP_SUPER_ADMIN__PASSWORD": "a",
            "MI_LDAP_SUPER_ADMIN__PASSWORD_FILE": str(secret),
        }
    )
    assert said == (
        "MI_LDAP_SUPER_ADMIN__PASSWORD and MI_LDAP_SUPER_ADMIN__PASSWORD_FILE are both set: "
        "keep one."
    )


def test_an_unreadable_secret_file_is_named_by_its_variable_alone() -> None:
    said = complaint_of({"MI_LDAP_SUPER_ADMIN__PASSWORD_FILE": "hunter2"})
    assert said == (
        "MI_LDAP_SUPER_ADMIN__PASSWORD_FILE names a file that cannot be read: "
        "No such file or directory."
    )


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("MI_LDAP_SERVER__PRT", "MI_LDAP_SERVER__PORT"),
        ("MI_LDAP_SERVERS__PORT", "MI_LDAP_SERVER__PORT"),
        ("MI_LDAP_SUPER_ADMIN__PASSWRD_FILE", "MI_LDAP_SUPER_ADMIN__PASSWORD_FILE"),
        ("MI_LDAP_DATASOURCE_PASSWORD_FILE", "MI_LDAP_DATASOURCE__PASSWORD_FILE"),
        ("MI_LDAP_SERVER__CERTIFICAT_FILE", "MI_LDAP_SERVER__CERTIFICATE_FILE"),
    ],
)
def test_a_mistyped_variable_is_named_with_the_nearest_one(variable: str, meant: str) -> None:
    assert complaint_of({variable: "hunter2"}) == (
        f"{variable} names no setting: unset it, or write {meant} if you meant that."
    )


def test_a_variable_of_a_removed_setting_is_told_so() -> None:
    variable = "MI_LDAP_USER_STORE__TRANSACTIONS"
    assert complaint_of({variable: "true"}) == (
        f"{variable} is no longer a setting (every change is made step by step, see "
        "docs/custody.md): unset it."
    )


@pytest.mark.parametrize("variable", ["MI_LDAP_", "MI_LDAP_SERVER", "MI_LDAP_X", "MI_LDAP_A__B"])
def test_a_variable_that_names_nothing_is_refused(variable: str) -> None:
    assert complaint_of({variable: "1"}) == (
        f"{variable} names no setting: unset it, or take a name from docs/configuration.md."
    )


def test_variables_of_the_tests_and_empty_ones_are_left_alone(load: Load) -> None:
    settings = load(
        "[server]\nport = 1000", MI_LDAP_TEST_URL="ldap://x", MI_LDAP_X="", MI_LDAP_SERVER__PORT=""
    )
    assert settings.server.port == 1000


def test_keys_of_mi_without_effect_may_stand_in_the_way_of_each_other(load: Load) -> None:
    settings = load(MI_LDAP_SERVER__BLOCKING="1", MI_LDAP_SERVER__BLOCKING__USERNAME="x")
    assert settings.notes == ("These keys of MI have no effect here: server.blocking.",)


def test_a_named_toml_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert complaint_of({"MI_LDAP_CONFIG": str(tmp_path / "none.toml")}) == (
        f"MI_LDAP_CONFIG names {tmp_path}/none.toml, which is not a file: correct it, "
        "or unset it to use the defaults."
    )


def test_the_default_toml_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mi_ldap.settings.sources._DEFAULT_CONFIG", tmp_path / "none.toml")
    settings = load_settings({})
    assert settings.config_file is None
    assert settings.is_embedded


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[server]\nport = 1\nkey hunter2", "Line 3 of {} is not TOML: strings need quotes"),
        ("[server\n", "Line 1 of {} is not TOML"),
        ('[server]\nlog_level = "', "Line 2 of {} is not TOML"),
        ("[server]\n[audit]\n[server]", "Line 3 of {} is not TOML: a table or key"),
        ("[server]\nport = 1\nport = 2", "Line 3 of {} is not TOML: a table or key"),
    ],
)
def test_a_broken_toml_is_named_with_its_line(tmp_path: Path, toml: str, said: str) -> None:
    config = tmp_path / "broken.toml"
    config.write_text(toml)
    complaint = complaint_of({"MI_LDAP_CONFIG": str(config)})
    assert complaint.startswith(said.format(config))
    assert "hunter2" not in complaint


def test_a_toml_in_another_encoding_is_refused_and_a_byte_order_mark_is_not(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_bytes('[super_admin]\nadmin_role = "ü"'.encode("latin-1"))
    assert complaint_of({"MI_LDAP_CONFIG": str(config)}).startswith(f"{config} is not UTF-8")
    config.write_bytes("[server]\r\nport = 1000\r\n".encode("utf-8-sig"))
    assert load_settings({"MI_LDAP_CONFIG": str(config)}).server.port == 1000


def test_relative_paths_begin_at_the_toml_or_where_the_start_was(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert load('[audit]\nfile = "a.log"').audit.file == tmp_path / "a.log"
    assert load(MI_LDAP_AUDIT__FILE="a.log").audit.file == Path("/a.log")
    assert load(MI_LDAP_STATE_DIR="state").state_dir == Path("/state")


def test_the_place_of_a_mistake_is_named(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load("[server]\nport = 0", MI_LDAP_SERVER__THREADS="many")
    assert str(caught.value).splitlines() == [
        "server.port must be a whole number from 1 to 65535; "
        f"correct it in {tmp_path / 'config.toml'}.",
        "server.threads must be a whole number from 1 to 1000; correct MI_LDAP_SERVER__THREADS.",
    ]


def test_the_state_folder_is_not_a_key_of_the_toml(load: Load) -> None:
    with pytest.raises(ConfigurationError, match=r"^state_dir .* set MI_LDAP_STATE_DIR instead\.$"):
        load('state_dir = "x"')
