"""What `type = "database"` takes from MI's deployment.toml, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toml_files import complaint_of, load

# As MI's documentation and tests have it.
DEPLOYMENT = """
[[datasource]]
id = "OTHER_DB"
url = "jdbc:oracle:thin:@host:1521:SID"

[[datasource]]
id = "WSO2CarbonDB"
url = "jdbc:mysql://db.example.org:3306/userdb?useSSL=false&amp;allowPublicKeyRetrieval=true"
username = "mi"
password = "secret"
driver = "com.mysql.jdbc.Driver"
pool_options.maxActive = 50
pool_options.maxWait = 60000
pool_options.testOnBorrow = true

[realm_manager]
data_source = "WSO2CarbonDB"

[user_store]
class = "org.wso2.micro.integrator.security.user.core.jdbc.JDBCUserStoreManager"
type = "database"
read_only = "false"
"""
SHORT = """
[user_store]
type = "database"
[datasource]
url = "jdbc:postgresql://db.example.org/userdb"
username = "mi"
password = "secret"
"""
LOCAL = """
[user_store]
type = "database"
[datasource]
username = "mi"
"""


def test_the_sections_of_mi_are_taken_as_they_are(tmp_path: Path) -> None:
    settings = load(tmp_path, DEPLOYMENT)
    address = settings.database_address
    assert settings.is_database
    assert not settings.is_embedded
    assert (address.dialect, address.hosts) == ("mysql", (("db.example.org", 3306),))
    assert (address.database, address.username, address.password) == ("userdb", "mi", "secret")
    assert settings.datasource.max_active == 50
    assert settings.server.host == "0.0.0.0"
    assert settings.user_store.read_only is False
    shown = f"{settings!r}{settings}{address}".replace("secret=None", "")  # a key of [icp_config]
    assert "secret" not in shown


def test_what_has_no_effect_is_noted_once(tmp_path: Path) -> None:
    toml = DEPLOYMENT.replace("useSSL=false", "useSSL=true&maxRows=5&trustStore=x")
    assert load(tmp_path, f'{toml}user_search_base = "ou=people,dc=x"').notes == (
        "These keys of MI have no effect here: datasource.pool_options, user_store.class.",
        "These keys describe a directory and have no effect with a database: "
        "user_store.user_search_base.",
        "These options of datasource.url have no effect here: maxRows, trustStore.",
    )


def test_tls_is_used_over_a_network_whatever_the_address_says(tmp_path: Path) -> None:
    note = (
        "datasource.url turns TLS off, but the database is on another machine: TLS is used and "
        "the certificate is verified, unless user_store.allow_plaintext = true."
    )
    settings = load(tmp_path, DEPLOYMENT)
    assert settings.database_address.tls
    assert note in settings.notes
    plain = load(tmp_path, f"{DEPLOYMENT}allow_plaintext = true")
    assert not plain.database_address.tls
    assert note not in plain.notes


@pytest.mark.parametrize(
    ("url", "allow_plaintext", "tls"),
    [
        ("jdbc:postgresql://db.example.org/userdb", "false", True),
        ("jdbc:postgresql://localhost,db.example.org/userdb", "false", True),
        ("jdbc:postgresql://db.example.org/userdb", "true", False),
        ("jdbc:postgresql://db.example.org/userdb?sslmode=require", "true", True),
        ("jdbc:postgresql://localhost/userdb", "false", False),
        ("jdbc:postgresql://127.0.0.1,[::1]/userdb", "false", False),
        ("jdbc:postgresql://localhost/userdb?sslmode=verify-full", "false", True),
        ("sqlite:///users.sqlite", "false", False),
    ],
)
def test_tls_is_used_for_remote_hosts_or_if_the_address_asks_for_it(
    tmp_path: Path, url: str, allow_plaintext: str, tls: bool
) -> None:
    variables = {
        "MI_LDAP_DATASOURCE__URL": url,
        "MI_LDAP_USER_STORE__ALLOW_PLAINTEXT": allow_plaintext,
    }
    settings = load(tmp_path, SHORT, **variables)
    assert settings.database_address.tls is tls
    assert settings.notes == ()


def test_the_data_source_is_the_one_of_the_realm_manager(tmp_path: Path) -> None:
    toml = DEPLOYMENT.replace('id = "WSO2CarbonDB"', 'id = "users"')
    assert complaint_of(tmp_path, toml) == (
        "No [[datasource]] has the id that realm_manager.data_source names (by default "
        "WSO2CarbonDB): correct one of them."
    )
    settings = load(tmp_path, toml, MI_LDAP_REALM_MANAGER__DATA_SOURCE="users")
    assert settings.datasource.username == "mi"
    twice = complaint_of(tmp_path, f'{DEPLOYMENT}[[datasource]]\nid = "WSO2CarbonDB"')
    assert twice.startswith("Several [[datasource]] have the id")


def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n", encoding="utf-8")
    toml = SHORT.replace('password = "secret"', 'password = "$secret{db}"')
    said = complaint_of(tmp_path, toml)
    assert said.startswith("datasource.password contains a placeholder such as $secret{…}")
    settings = load(tmp_path, toml, MI_LDAP_DATASOURCE__PASSWORD_FILE=str(secret))
    assert settings.database_address.password == "from a file"


def test_the_keys_override_the_account_in_the_address(tmp_path: Path) -> None:
    url = "postgresql://other:pw@db.example.org/userdb"
    toml = f'[user_store]\ntype = "database"\n[datasource]\nurl = "{url}"'
    assert load(tmp_path, toml).database_address.username == "other"
    assert load(tmp_path, toml).database_address.password == "pw"
    named = load(tmp_path, f'{toml}\nusername = "mi"\npassword = "secret"').database_address
    assert (named.username, named.password) == ("mi", "secret")


def test_files_of_the_address_begin_at_the_folder_of_the_toml(tmp_path: Path) -> None:
    toml = f'{LOCAL}url = "sqlite:///users.sqlite"'
    assert load(tmp_path, toml).database_address.database == str(tmp_path / "users.sqlite")
    (tmp_path / "ca.pem").touch()
    toml = f'{LOCAL}url = "jdbc:postgresql://localhost/userdb?ssl=true&sslrootcert=ca.pem"'
    assert load(tmp_path, toml).database_address.ca_file == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("spelling", "digest"),
    [
        ("SHA", "SHA-1"),
        ("SHA-1", "SHA-1"),
        ("sha-256", "SHA-256"),
        ("SHA256", "SHA-256"),
        ("SHA-384", "SHA-384"),
        ("SHA_512", "SHA-512"),
        ("MD5", "MD5"),
        ("PLAIN_TEXT", "PLAIN_TEXT"),
        ("", "SHA-256"),
    ],
)
def test_inner_names_of_mi_count_as_the_keys(tmp_path: Path, spelling: str, digest: str) -> None:
    store = load(
        tmp_path,
        rf"""{SHORT}
        [user_store.properties]
        PasswordDigest = "{spelling}"
        StoreSaltedPassword = "false"
        CaseInsensitiveUsername = "false"
        ReadOnly = "true"
        ReadGroups = "true"
        WriteGroups = "false"
        UsernameJavaRegEx = "^[\\S]{{3,30}}$"
        RolenameJavaRegEx = "^[\\S]{{3,30}}$"
        PasswordJavaRegEx = "^[\\S]{{5,30}}$"
        MaxUserNameListLength = "100"
        UserNameUniqueAcrossTenants = "false"
        """,
    ).user_store
    assert store.password_digest == digest
    assert (store.store_salted_password, store.case_insensitive_username) == (False, False)
    assert (store.read_only, store.read_groups, store.write_groups) == (True, True, False)
    assert store.password_java_regex == r"^[\S]{5,30}$"


@pytest.mark.parametrize("name", ["SelectUserSQL", "AddUserToRoleSQL-mssql", "UserFilterSQL"])
def test_statements_of_its_own_are_refused(tmp_path: Path, name: str) -> None:
    said = complaint_of(tmp_path, f'{SHORT}[user_store.properties]\n{name} = "SELECT 1"')
    assert said == (
        f"user_store.properties.{name} is an SQL statement of its own, which this service does not "
        "run: remove it, if users and roles are in MI's tables as MI creates them."
    )


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (LOCAL, "datasource.url is missing: set the address of MI's database, such as "),
        (
            f'{LOCAL}url = "jdbc:oracle:thin:@host:1521:SID"',
            "datasource.url must be the address of a MySQL, MariaDB, PostgreSQL or SQLite database",
        ),
        (
            f'{LOCAL}url = "jdbc:postgresql://db.example.org/userdb"',
            "datasource.password is missing: set it, best with MI_LDAP_DATASOURCE__PASSWORD_FILE.",
        ),
        (
            f'{LOCAL}url = "jdbc:postgresql://localhost/userdb?ssl=true&sslrootcert=none.pem"',
            "datasource.url names a file of authorities that does not exist: correct its path.",
        ),
        (
            SHORT.replace("username", "#"),
            "datasource.username is missing: set the name of the account in the database.",
        ),
        (
            SHORT.replace('"database"', '"database"\nconnection_url = "ldaps://x"'),
            'user_store.connection_url names a directory, but user_store.type is "database": '
            "remove one of the two.",
        ),
        (f"{SHORT}max_activ = 1", "datasource.max_activ is not a setting: remove it, or write "),
        (f"{SHORT}max_active = 0", "datasource.max_active must be a whole number from 1 to 1000;"),
        (
            SHORT.replace('"database"', '"database"\npassword_digest = "SHA-3"'),
            "user_store.password_digest must be SHA-256, SHA-384, SHA-512, SHA-1, MD5 or",
        ),
        ('datasource = 5\n[user_store]\ntype = "database"', "datasource must be a section with"),
    ],
)
def test_what_a_database_needs_is_demanded(tmp_path: Path, toml: str, said: str) -> None:
    assert complaint_of(tmp_path, toml).startswith(said)


def test_a_database_on_this_machine_may_need_no_password(tmp_path: Path) -> None:
    settings = load(tmp_path, f'{LOCAL}url = "jdbc:postgresql://localhost/userdb"')
    assert settings.database_address.password == ""


@pytest.mark.parametrize("name", [":memory:", "file:users?mode=memory"])
def test_a_database_in_memory_is_refused(tmp_path: Path, name: str) -> None:
    toml = f'{LOCAL}url = "sqlite:///{name}"'
    assert "datasource.url must name a file for SQLite" in complaint_of(tmp_path, toml)
