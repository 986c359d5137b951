"""What `[[secondary_user_store]]` takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.domains import Domains
from mi_ldap.errors import ConfigurationError
from mi_ldap.settings import Settings
from mi_ldap.settings.root import secondary_address
from mi_ldap.sql import SqlStore
from mi_ldap.wiring import services
from tests import toml_files
from tests.toml_files import complaint_of

TWO = """
[[datasource]]
id = "OTHER_DB"
url = "jdbc:mysql://db.example.org/users"
username = "mi"
password = "secret one"
pool_options.maxActive = 4

[[secondary_user_store]]
domain = "wso2.com"
type = "database"
data_source = "OTHER_DB"
class = "org.wso2.micro.integrator.security.user.core.jdbc.JDBCUserStoreManager"
[secondary_user_store.properties]
PasswordDigest = "SHA"
CaseInsensitiveUsername = "false"

[[secondary_user_store]]
domain = "Staff-2"
connection_url = "ldaps://ldap.example.org"
connection_name = "cn=mi,dc=x"
user_search_base = "ou=people,dc=x"
group_search_base = "ou=groups,dc=x"
username_java_regex = "[a-z]+"
"""
PASSWORD = {"MI_LDAP_SECONDARY_USER_STORE__STAFF_2__CONNECTION_PASSWORD": "secret two"}


def load(tmp_path: Path, toml: str, **variables: str) -> Settings:
    return toml_files.load(tmp_path, toml, MI_LDAP_STATE_DIR=str(tmp_path), **variables)


def test_a_store_has_the_keys_of_the_user_store_and_a_domain(tmp_path: Path) -> None:
    settings = load(tmp_path, TWO, **PASSWORD)
    database, directory = settings.secondary_user_store
    assert (database.domain, directory.domain) == ("WSO2.COM", "STAFF-2")
    address = secondary_address(database)
    assert (address.dialect, address.hosts) == ("mysql", (("db.example.org", 3306),))
    assert (address.username, address.password, address.tls) == ("mi", "secret one", True)
    assert (database.password_digest, database.case_insensitive_username) == ("SHA-1", False)
    assert database.max_active == 4
    assert directory.connection_password is not None
    assert directory.connection_password.get_secret_value() == "secret two"
    assert settings.is_embedded
    assert not any("datasource" in note for note in settings.notes)
    shown = f"{settings!r}{settings}".replace("secret=None", "")  # a key of [icp_config]
    assert "secret" not in shown


def test_each_store_is_opened_with_its_own_settings(tmp_path: Path) -> None:
    made = services(load(tmp_path, TWO, **PASSWORD, MI_LDAP_SERVER__WORKERS="2"))
    assert isinstance(made.store, Domains)
    database, directory = made.secondaries["WSO2.COM"], made.secondaries["STAFF-2"]
    assert isinstance(database, SqlStore)
    assert isinstance(directory, DirectoryStore)
    assert directory.config.account_dn == "cn=mi,dc=x"
    assert made.rules.domains == ("WSO2.COM", "STAFF-2")
    assert made.rules.new_user_name("Bob") == "Bob"
    with pytest.raises(Exception, match="configured expression"):
        made.rules.new_user_name("staff-2/Bob")
    made.close()


def test_without_secondary_stores_nothing_is_wrapped(tmp_path: Path) -> None:
    made = services(load(tmp_path, ""))
    assert isinstance(made.store, DirectoryStore)
    made.close()


def test_a_password_is_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n", encoding="utf-8")
    variable = "MI_LDAP_SECONDARY_USER_STORE__WSO2_COM__PASSWORD_FILE"
    settings = load(tmp_path, TWO, **PASSWORD, **{variable: str(secret)})
    assert secondary_address(settings.secondary_user_store[0]).password == "from a file"


def test_a_disabled_store_is_not_used(tmp_path: Path) -> None:
    disabled = TWO.replace('"Staff-2"', '"Staff-2"\ndisabled = true')
    assert [each.domain for each in load(tmp_path, disabled).enabled_secondaries] == ["WSO2.COM"]


@pytest.mark.parametrize("domain", ["primary", "Internal", "APPLICATION", "a/b", "", "ü", "a b"])
def test_a_domain_that_is_taken_or_no_domain_is_refused(tmp_path: Path, domain: str) -> None:
    toml = TWO.replace("Staff-2", domain)
    assert "secondary_user_store[1].domain" in complaint_of(tmp_path, toml)


@pytest.mark.parametrize("domain", ["WSO2.COM", "Wso2.Com", "wso2-com", "WSO2_COM"])
def test_two_stores_of_one_domain_are_refused(tmp_path: Path, domain: str) -> None:
    toml = TWO.replace("Staff-2", domain)
    variable = {"MI_LDAP_SECONDARY_USER_STORE__WSO2_COM__CONNECTION_PASSWORD": "x"}
    assert "same domain" in complaint_of(tmp_path, toml, **variable)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("ldaps://", "ldap://"),
            "STAFF-2: secondary_user_store.connection_url would send passwords",
        ),
        (("connection_url", "#"), "STAFF-2: secondary_user_store.connection_url is missing"),
        (("user_search_base", "#"), "STAFF-2: secondary_user_store.user_search_base is missing"),
        (
            ("user_search_base", 'hybrid_role_base = "ou=h,dc=x"\nuser_search_base'),
            "STAFF-2: secondary_user_store.hybrid_role_base belongs to [user_store]",
        ),
        (('data_source = "OTHER_DB"', ""), "WSO2.COM: secondary_user_store.url is missing"),
        (('username = "mi"', ""), "WSO2.COM: secondary_user_store.username is missing"),
        (('"OTHER_DB"\nclass', '"NONE"\nclass'), "secondary_user_store.data_source must be"),
        (("PasswordDigest", "SelectUserSQL"), "SelectUserSQL is an SQL statement"),
        (("cn=mi,dc=x", "$secret{dn}"), "STAFF_2__CONNECTION_NAME"),
        (("username_java_regex", "usrname_java_regex"), "usrname_java_regex is not a setting"),
    ],
)
def test_a_mistake_has_a_sentence_that_names_the_store(
    tmp_path: Path, change: tuple[str, str], sentence: str
) -> None:
    assert sentence in complaint_of(tmp_path, TWO.replace(*change), **PASSWORD)


def test_a_missing_password_names_its_variable(tmp_path: Path) -> None:
    complaint = complaint_of(tmp_path, TWO)
    assert "MI_LDAP_SECONDARY_USER_STORE__STAFF_2__CONNECTION_PASSWORD_FILE" in complaint


def test_a_variable_of_no_store_is_refused(tmp_path: Path) -> None:
    variable = "MI_LDAP_SECONDARY_USER_STORE__NOWHERE__PASSWORD"
    assert f"{variable} names no secondary" in complaint_of(
        tmp_path, TWO, **PASSWORD, **{variable: "x"}
    )


@pytest.mark.parametrize("value", ['"text"', "5", "[1, 2]"])
def test_another_value_than_tables_is_refused(tmp_path: Path, value: str) -> None:
    assert "secondary_user_store" in complaint_of(tmp_path, f"secondary_user_store = {value}")


@pytest.mark.parametrize(
    ("primary", "secondary", "is_same"),
    [
        ("sqlite:///users.sqlite", "sqlite:///users.sqlite", True),
        ("sqlite:///users.sqlite", "sqlite:///others.sqlite", False),
        ("jdbc:mysql://localhost/a", "mysql://127.0.0.2,localhost:3306/a?ssl=true", True),
        ("jdbc:mysql://localhost/a", "mysql://localhost/b", False),
    ],
)
def test_the_primary_database_is_no_secondary_store(
    tmp_path: Path, primary: str, secondary: str, is_same: bool
) -> None:
    toml = f"""
    [datasource]
    url = "{primary}"
    username = "mi"
    [user_store]
    type = "database"
    [[secondary_user_store]]
    domain = "SAME"
    type = "database"
    url = "{secondary}"
    username = "mi"
    """
    if not is_same:
        assert load(tmp_path, toml).enabled_secondaries
        return
    with pytest.raises(ConfigurationError, match="is the primary store's database: name another"):
        load(tmp_path, toml)
