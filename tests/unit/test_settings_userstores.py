"""MI's own files of secondary stores: what is taken from them, and what stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings import Settings, load_settings
from mi_ldap.settings.root import secondary_address

# As MI's documentation has them.
JDBC = """<?xml version="1.0" encoding="UTF-8"?>
<UserStoreManager class="org.wso2.micro.integrator.security.user.core.jdbc.JDBCUserStoreManager">
    <Property name="url">jdbc:mysql://db.example.org:3306/users?useSSL=true&amp;maxRows=5</Property>
    <Property name="userName">mi</Property>
    <Property name="password">secret &lt;one&gt;</Property>
    <Property name="driverName">com.mysql.jdbc.Driver</Property>
    <Property name="Disabled">false</Property>
    <Property name="MaxUserNameListLength">100</Property>
    <Property name="PasswordDigest">SHA-256</Property>
    <Property name="CaseInsensitiveUsername">false</Property>
    <Property name="StoreSaltedPassword">true</Property>
    <Property name="DomainName">wso2.com</Property>
    <Property name="Description"/>
</UserStoreManager>
"""
LDAP = """<UserStoreManager class="org.wso2.[...].ldap.ReadWriteLDAPUserStoreManager">
    <!-- a comment -->
    <Property name="DomainName">staff</Property>
    <Property name="ConnectionURL">ldaps://ldap.example.org:636</Property>
    <Property name="ConnectionName">cn=mi,dc=x</Property>
    <Property name="ConnectionPassword" encrypted="true">c2VjcmV0</Property>
    <Property name="UserSearchBase">ou=people,dc=x</Property>
    <Property name="GroupSearchBase"><![CDATA[ou=groups,dc=x]]></Property>
    <Property name="UserNameListFilter">(&amp;(objectClass=person)(!(sn=Service)))</Property>
    <Property name="ReadOnly">true</Property>
    <Property name="SCIMEnabled">false</Property>
</UserStoreManager>
"""
PASSWORD = {"MI_LDAP_SECONDARY_USER_STORE__STAFF__CONNECTION_PASSWORD": "secret two"}


def load(tmp_path: Path, **files: str) -> Settings:
    folder = tmp_path / "userstores"
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.xml").write_text(content, encoding="utf-8")
    (folder / "readme.txt").write_text("no store", encoding="utf-8")
    config = tmp_path / "deployment.toml"
    config.write_text('[realm_manager]\nuser_stores_dir = "userstores"\n', encoding="utf-8")
    return load_settings({"MI_LDAP_CONFIG": str(config), **PASSWORD})


def complaint_of(tmp_path: Path, content: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, wso2_com=content, staff=LDAP)
    return str(caught.value)


def test_the_files_of_mi_are_used_as_they_are(tmp_path: Path) -> None:
    settings = load(tmp_path, wso2_com=JDBC, staff=LDAP)
    directory, database = settings.enabled_secondaries  # in the order of the file names
    assert (directory.domain, directory.type) == ("STAFF", "read_only_ldap")
    assert directory.connection_urls == ("ldaps://ldap.example.org:636",)
    assert directory.user_search_base == ("ou=people,dc=x",)
    assert directory.group_search_base == ("ou=groups,dc=x",)
    assert directory.user_name_list_filter == "(&(objectClass=person)(!(sn=Service)))"
    assert directory.connection_password is not None
    assert directory.connection_password.get_secret_value() == "secret two"
    assert (database.domain, database.is_database) == ("WSO2.COM", True)
    address = secondary_address(database)
    assert (address.hosts, address.database) == ((("db.example.org", 3306),), "users")
    assert (address.username, address.password) == ("mi", "secret <one>")
    assert database.case_insensitive_username is False


@pytest.mark.parametrize(
    ("name", "kind", "profile"),
    [
        ("UniqueIDReadWriteLDAPUserStoreManager", "read_write_ldap", "auto"),
        ("ReadOnlyLDAPUserStoreManager", "read_only_ldap", "auto"),
        ("UniqueIDActiveDirectoryUserStoreManager", "read_write_ldap", "active_directory"),
    ],
)
def test_a_class_says_what_kind_of_store_it_is(
    tmp_path: Path, name: str, kind: str, profile: str
) -> None:
    content = LDAP.replace("ReadWriteLDAPUserStoreManager", name).replace(">true<", ">false<")
    (store,) = load(tmp_path, staff=content).enabled_secondaries
    assert (store.type, store.profile) == (kind, profile)


def test_a_disabled_store_is_not_used(tmp_path: Path) -> None:
    disabled = JDBC.replace('"Disabled">false', '"Disabled">true')
    (store,) = load(tmp_path, wso2_com=disabled, staff=LDAP).enabled_secondaries
    assert store.domain == "STAFF"


@pytest.mark.parametrize(
    "unusable",
    [
        (".JDBCUser", ".OwnUser"),
        ("jdbc:mysql", "jdbc:h2"),
        ('"password"', '"password" encrypted="true"'),
        ('"MaxUserNameListLength"', '"SelectUserSQL"'),
        ("wso2.com", "staff"),
    ],
)
def test_what_only_mi_can_use_may_be_in_the_file_of_a_disabled_store(
    tmp_path: Path, unusable: tuple[str, str]
) -> None:
    disabled = JDBC.replace('"Disabled">false', '"Disabled">true').replace(*unusable)
    (store,) = load(tmp_path, wso2_com=disabled, staff=LDAP).enabled_secondaries
    assert (store.domain, store.type) == ("STAFF", "read_only_ldap")


def test_an_empty_statement_is_none(tmp_path: Path) -> None:
    content = JDBC.replace('"Description"', '"SelectUserSQL"')
    assert len(load(tmp_path, wso2_com=content, staff=LDAP).enabled_secondaries) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (JDBC[:200], "line 3 is not XML"),
        ("", "line 1 is not XML"),
        (JDBC.replace("UTF-8", "no-such"), "its encoding is not known"),
        (JDBC.replace("UTF-8", "Big5"), "multi-byte encodings are not supported"),
        ("<Realm/>", "its root is not UserStoreManager"),
        (JDBC.replace(".JDBCUser", ".OwnUser"), "its class is none of JDBCUserStoreManager"),
        (JDBC.replace("userName", "url"), "it has the property url twice"),
        (JDBC.replace('"userName"', '"dataSource"'), "it has the property dataSource"),
        (JDBC.replace('"MaxUserNameListLength"', '"SelectUserSQL"'), "SelectUserSQL is an SQL"),
        (JDBC.replace("secret &lt;one&gt;", "$secret{db}"), "WSO2_COM__PASSWORD"),
        (JDBC.replace("wso2.com", "PRIMARY"), "domain must be a domain"),
        (JDBC.replace("wso2.com", "Staff"), "same domain"),
        (JDBC.replace('"userName"', '"user"'), "secondary_user_store.username is missing"),
        (JDBC.replace("jdbc:mysql", "jdbc:oracle"), "url must be"),
        (
            JDBC.replace("<UserStore", '<!DOCTYPE x [<!ENTITY a "b">]><UserStore', 1),
            "it has a document type",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, content: str, reason: str
) -> None:
    complaint = complaint_of(tmp_path, content)
    assert f"{tmp_path / 'userstores' / 'wso2_com.xml'}" in complaint
    assert reason in complaint
    assert "secret <one>" not in complaint


def test_a_folder_that_does_not_exist_stops_the_start(tmp_path: Path) -> None:
    variable = {"MI_LDAP_REALM_MANAGER__USER_STORES_DIR": str(tmp_path / "none")}
    with pytest.raises(ConfigurationError, match="user_stores_dir must name a folder"):
        load_settings(variable)
