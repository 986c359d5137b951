"""A section of MI's deployment.toml is carried over as it is, and the notes say what to expect."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ldap.settings.deployment import KEYS_OF_MI, SECTIONS_OF_MI
from mi_ldap.settings.registry import SETTINGS
from tests.toml_files import complaint_of, load

# Every key of [user_store] that MI 4.x maps to a property of its LDAP user stores.
MI_USER_STORE_KEYS = """
    type class read_only write_groups username_javascript_regex
    username_java_regex_violation_error_msg password_javascript_regex
    password_java_regex_violation_error_msg rolename_javascript_regex case_insensitive_username
    is_bulk_import_supported password_digest store_salted_password connection_url connection_name
    connection_password anonymous_bind user_search_base user_name_attribute user_name_search_filter
    user_name_list_filter display_name_attribute read_groups group_search_base group_name_attribute
    group_name_search_filter group_name_list_filter membership_attribute back_links_enabled
    scim_enabled password_hash_method multi_attribute_separator max_user_name_list_length
    max_role_name_list_length user_roles_cache_enabled connection_pooling_enabled
    ldap_connection_timeout read_timeout retry_attempts replace_escape_characters_at_user_login
    username_java_regex rolename_java_regex password_java_regex connection_retry_delay
    count_retriever_class use_case_sensitive_username_for_cache_keys
    case_sensitive_authorization_rules notification_receivers_retrieval_class domain_name
    user_entry_object_class driver_name disable role_dn_pattern user_dn_pattern
    group_entry_object_class member_of_attribute empty_roles_allowed kdc_enabled
    membership_attribute_range ssl_certificate_validation_enabled base_dn
""".split()  # noqa: SIM905

DEPLOYMENT = r"""
[server]
hostname = "localhost"
offset = 10
hot_deployment = true

[keystore.primary]
file_name = "repository/resources/security/keystore.jks"
password = "keystore-secret"

[truststore]
file_name = "truststore.jks"

[super_admin]
username = "admin"
admin_role = "admin"
create_admin_account = true

[user_store]
type = "read_only_ldap"
class = "org.wso2.micro.integrator.security.user.core.ldap.ReadOnlyLDAPUserStoreManager"
connection_url = "ldap://localhost:10389"
connection_name = "uid=admin,ou=system"
connection_password = "secret"
anonymous_bind = false
user_search_base = "ou=Users,dc=example,dc=org"
user_name_attribute = "uid"
user_name_search_filter = "(&amp;(objectClass=person)(uid=?))"
user_name_list_filter = "(objectClass=person)"
read_groups = "true"
group_search_base = "ou=system"
username_java_regex = "[a-zA-Z0-9._\\-|//]{3,30}$"
password_java_regex = "^[\\S]{5,30}$"
max_user_name_list_length = 100
ldap_connection_timeout = "5000"
read_timeout = ''
retry_attempts = ''

[management_api]
protocols = "https"

[management_api.cors]
enabled = true
allowed_origins = "https://a.example.org, https://b.example.org"

[management_api.basic_security_handler]
enable = "false"

[management_api.jwt_token_security_handler]
enable = "true"
token_store_config.max_size = "200"
token_config.expiry = "600"
token_config.size = "2048"

[[management_api.authorization_handler.resources]]
path = "/users"

[[management_api.authorization_handler.resources]]
path = "/roles"

[[management_api.custom_handlers]]
name = "x"

[[datasource]]
id = "x"

[transport.http]
socket_timeout = 180000
"""


def test_a_whole_deployment_toml_is_carried_over(tmp_path: Path) -> None:
    settings = load(tmp_path, DEPLOYMENT)
    store, api = settings.user_store, settings.management_api
    assert store.user_name_search_filter == "(&(objectClass=person)(uid=?))"
    assert (store.ldap_connection_timeout, store.read_timeout) == (5000, 5000)
    assert store.read_groups is True
    assert api.cors.allowed_origins == ("https://a.example.org", "https://b.example.org")
    assert api.jwt_token_security_handler.token_config.expiry == 600


def test_what_has_no_effect_is_named_once_for_keys_and_once_for_sections(tmp_path: Path) -> None:
    assert load(tmp_path, DEPLOYMENT).notes == (
        "These keys of MI have no effect here: "
        "management_api.basic_security_handler, management_api.custom_handlers, "
        "management_api.jwt_token_security_handler.token_config.size, "
        "management_api.jwt_token_security_handler.token_store_config, management_api.protocols, "
        "server.hostname, server.hot_deployment, server.offset, super_admin.create_admin_account, "
        "user_store.anonymous_bind, user_store.class, user_store.max_user_name_list_length, "
        "user_store.retry_attempts.",
        "These sections of MI have no effect here: datasource, keystore, transport, truststore.",
    )


@pytest.mark.parametrize("key", MI_USER_STORE_KEYS)
def test_every_ldap_key_of_mi_is_known(key: str) -> None:
    path = ("user_store", key)
    assert (path in SETTINGS) != (path in KEYS_OF_MI)


def test_no_key_of_ours_is_said_to_have_no_effect() -> None:
    assert not KEYS_OF_MI.intersection(SETTINGS)
    assert not SECTIONS_OF_MI.intersection(path[0] for path in SETTINGS)


def test_inner_names_of_mi_count_below_the_keys_they_stand_for(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        [user_store]
        user_search_base = "ou=people,dc=x"
        [user_store.properties]
        ConnectionURL = "ldap://ldap.example.org"
        ConnectionName = "cn=svc,dc=x"
        ConnectionPassword = "secret"
        StartTLSEnabled = true
        UserSearchBase = "ou=other,dc=x"
        GroupSearchBase = "ou=groups,dc=x"
        UserNameSearchFilter = "(&amp;(objectClass=person)(uid=?))"
        LDAPConnectionTimeout = "100"
        UserDNPattern = "uid={0},ou=people,dc=x"
        TenantManager = "x"
        """,
    )
    store = settings.user_store
    assert store.connection_url == "ldap://ldap.example.org"
    assert store.start_tls is True
    assert store.user_search_base == ("ou=people,dc=x",)
    assert store.user_dn_pattern == "uid={0},ou=people,dc=x"
    assert store.ldap_connection_timeout == 100
    assert settings.notes == ("These keys of MI have no effect here: user_store.properties.",)


def test_properties_that_are_all_understood_leave_no_note(tmp_path: Path) -> None:
    toml = """
[user_store]
type = "read_only_ldap"
user_search_base = "ou=people,dc=x"
group_search_base = "ou=groups,dc=x"
[user_store.properties]
ConnectionURL = "ldaps://ldap.example.org"
UserNameAttribute = "mail"
"""
    assert load(tmp_path, toml).notes == ()


@pytest.mark.parametrize("placeholder", ["$secret{ldap}", "$env{LDAP}", "x$ref{a.b}", "$sys{x}"])
def test_a_placeholder_of_mi_is_refused_with_the_variable_to_use(
    tmp_path: Path, placeholder: str
) -> None:
    toml = DEPLOYMENT.replace('"secret"', f'"{placeholder}"')
    assert complaint_of(tmp_path, toml) == (
        "user_store.connection_password contains a placeholder such as $secret{…}, "
        "which only MI resolves: write the value itself, or set "
        "MI_LDAP_USER_STORE__CONNECTION_PASSWORD or MI_LDAP_USER_STORE__CONNECTION_PASSWORD_FILE."
    )
    assert load(tmp_path, toml, MI_LDAP_USER_STORE__CONNECTION_PASSWORD="x")


def test_one_setting_under_two_names_is_refused(tmp_path: Path) -> None:
    said = complaint_of(tmp_path, "[user_store]\nstart_tls = true\nstart_tls_enabled = true")
    assert said.startswith("user_store.start_tls is set twice, under two names: keep one.")


@pytest.mark.parametrize(
    ("toml", "note"),
    [
        (
            "[management_api.authorization_handler]\nenable = false",
            "management_api.authorization_handler opens users or roles to every logged-in user: "
            "for reading only, since changing them always needs an admin.",
        ),
        (
            '[management_api.authorization_handler]\nresources = ["/users"]',
            "management_api.authorization_handler opens users or roles to every logged-in user: "
            "for reading only, since changing them always needs an admin.",
        ),
        (
            "[management_api.jwt_token_security_handler]\nenable = false",
            "management_api.jwt_token_security_handler.enable = false has no effect: "
            "a login is always needed.",
        ),
        (
            '[management_api.cors]\nallowed_origins = "*"',
            'management_api.cors.allowed_origins = "*" lets every web page that a user visits '
            "call this service: name the origins instead.",
        ),
        (
            '[super_admin]\npassword = "admin"',
            "super_admin.password has no effect: it is used only with "
            'bootstrap.mode = "configured".',
        ),
        (
            '[server]\ntls = false\nhost = "0.0.0.0"',
            "server.tls = false sends passwords and tokens over the network in the clear, "
            "unless a proxy on the same machine does TLS.",
        ),
        (
            '[icp_config]\nenabled = "no"\nsecret = "$secret{icp}"',
            "These sections of MI have no effect here: icp_config.",
        ),
    ],
)
def test_what_may_surprise_is_noted(tmp_path: Path, toml: str, note: str) -> None:
    assert load(tmp_path, toml).notes == (note,)


@pytest.mark.parametrize(
    "toml",
    [
        '[management_api.authorization_handler]\nresources = ["/users", "/roles", "/server"]',
        '[management_api.cors]\nenable = false\nallowed_origins = "*"',
        "[server]\ntls = false",
        '[bootstrap]\nmode = "configured"\n[super_admin]\nusername = "x"\npassword = "admin"',
    ],
)
def test_what_is_as_expected_is_not_noted(tmp_path: Path, toml: str) -> None:
    assert load(tmp_path, toml).notes == ()
