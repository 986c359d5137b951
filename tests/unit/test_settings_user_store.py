"""What `[user_store]` takes and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.toml_files import complaint_of, load

DIRECTORY = """
[user_store]
connection_url = "ldaps://ldap.example.org"
connection_name = "cn=svc,dc=example,dc=org"
connection_password = "secret"
user_search_base = "ou=people,dc=example,dc=org"
group_search_base = "ou=groups,dc=example,dc=org"
"""


def with_line(line: str) -> str:
    """The directory above with one line more, or in the place of its key."""
    key = line.partition("=")[0].strip()
    kept = [one for one in DIRECTORY.splitlines() if one.partition("=")[0].strip() != key]
    return "\n".join([*kept, line])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('read_timeout = "250"', 250),
        ('start_tls = "false"', False),
        ("start_tls = false", False),
        ("start_tls_enabled = false", False),
        ('type = "read_only_ldap"', "read_only_ldap"),
        ('connection_url = "ldaps://a/ , ldaps://b:1636"', "ldaps://a ldaps://b:1636"),
        ('connection_url = "ldap://127.0.0.1:389"', "ldap://127.0.0.1:389"),
        ('connection_url = "ldap://[::1]:389/"', "ldap://[::1]:389"),
        ('connection_url = "ldap://localhost"', "ldap://localhost"),
        ('connection_url = "LDAPS://ldap.example.org"', "LDAPS://ldap.example.org"),
        ('connection_url = "ldapi://%2Frun%2Fldapi"', "ldapi://%2Frun%2Fldapi"),
        ('user_search_base = "ou=a\\\\, b, dc=x"', ("ou=a\\, b, dc=x",)),
        ('user_search_base = "2.5.4.11=a+cn=b,dc=x"', ("2.5.4.11=a+cn=b,dc=x",)),
        ('user_search_base = "ou=a,dc=x#ou=b,dc=x"', ("ou=a,dc=x", "ou=b,dc=x")),
        ('user_search_base = ["ou=a,dc=x", "ou=b,dc=x"]', ("ou=a,dc=x", "ou=b,dc=x")),
        ('user_name_search_filter = "(uid=?)"', "(uid=?)"),
        (
            'user_name_search_filter = "(&amp;(objectClass=person) (uid=?))"',
            "(&(objectClass=person)(uid=?))",
        ),
        ('user_name_list_filter = "(|(!(a=b))(c>=d)(e=f*\\\\2a))"', "(|(!(a=b))(c>=d)(e=f*\\2a))"),
        ('group_name_list_filter = "(m:1.2.840.113556:=x)"', "(m:1.2.840.113556:=x)"),
        ('user_dn_pattern = "uid={0},ou=p,dc=x"', "uid={0},ou=p,dc=x"),
        ('member_of_attribute = ""', ""),
        ("read_timeout = ''", 5000),
        ('username_java_regex = "[a-zA-Z0-9._\\\\-|//]{3,30}$"', "[a-zA-Z0-9._\\-|//]{3,30}$"),
    ],
)
def test_a_right_value_of_the_user_store_is_taken(tmp_path: Path, line: str, expected: Any) -> None:
    key = line.partition("=")[0].strip().removesuffix("_enabled")
    assert getattr(load(tmp_path, with_line(line)).user_store, key) == expected


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ('type = "jdbc"', "must be 'read_write_ldap', 'read_only_ldap' or 'database'"),
        ("type = 1", "must be 'read_write_ldap', 'read_only_ldap' or 'database'"),
        ("start_tls = 1", "must be true or false"),
        ('start_tls = "yes"', "must be true or false"),
        ("read_timeout = 0", "must be a whole number from 1 to 3600000"),
        ("read_timeout = -1", "must be a whole number from 1 to 3600000"),
        ("read_timeout = true", "must be a whole number from 1 to 3600000"),
        ("read_timeout = 1.5", "must be a whole number from 1 to 3600000"),
        ('read_timeout = "٣"', "must be a whole number from 1 to 3600000"),
        ("read_timeout = {}", "must be a whole number from 1 to 3600000"),
        ("connection_password = 12345", "must be a string in quotes"),
        ("connection_name = 5", "must be a string in quotes, on one line"),
        ('connection_name = "a\\nb"', "must be a string in quotes, on one line"),
        ('connection_url = "http://x"', "must be one or more addresses such as ldaps://"),
        ('connection_url = "ldap.example.org"', "must be one or more addresses such as ldaps://"),
        ('connection_url = "ldaps://"', "must be one or more addresses such as ldaps://"),
        ('connection_url = "ldaps://x:0"', "must be one or more addresses such as ldaps://"),
        ('connection_url = "ldaps://x:99999"', "must be one or more addresses such as ldaps://"),
        ('connection_url = "ldaps://x/dc=y"', "must be one or more addresses such as ldaps://"),
        ('connection_url = "ldaps://u:p@x"', "must be one or more addresses such as ldaps://"),
        ('user_search_base = "people"', "must be a DN, such as"),
        ('user_search_base = "ou=people,"', "must be a DN, such as"),
        ('user_search_base = "ou=a;dc=b"', "must be a DN, such as"),
        ('user_name_search_filter = "(uid=*)"', "must be an LDAP filter with ? for the name"),
        ('user_name_search_filter = "uid=?"', "must be an LDAP filter with ? for the name"),
        ('group_name_search_filter = "(&(a=b)(cn=?)"', "must be an LDAP filter with ?"),
        ('user_name_list_filter = "(a=b))"', "must be an LDAP filter in parentheses"),
        ('user_name_list_filter = "(a=b)(c=d)"', "must be an LDAP filter in parentheses"),
        ('user_name_list_filter = "(!(a=b)(c=d))"', "must be an LDAP filter in parentheses"),
        ('user_name_list_filter = "(&)"', "must be an LDAP filter in parentheses"),
        ('user_name_list_filter = "(a=\\\\2)"', "must be an LDAP filter in parentheses"),
        ('user_dn_pattern = "uid=x,dc=y"', "must be a DN with {0} for the name"),
        ('role_dn_pattern = "{0}"', "must be a DN with {0} for the name"),
        ('custodian_attribute = "my attribute"', "must be a name from the directory's schema"),
        ('epoch_attribute = "1x"', "must be a name from the directory's schema"),
        ('start_tls = "maybe"', "must be true or false"),
        ("pool_size = 0", "must be a whole number from 1 to 1000"),
        ('ca_file = "none.pem"', "must name a file that exists"),
        ('username_java_regex = "(?=a)b"', "must be a regular expression that RE2 can run"),
        ('username_java_regex = "a*+"', "must be a regular expression that RE2 can run"),
        ('rolename_java_regex = "(a)\\\\1"', "must be a regular expression that RE2 can run"),
        ('rolename_java_regex = "("', "must be a regular expression that RE2 can run"),
        ('password_java_regex = "[a-z&&[^b]]"', "must be a regular expression without unions"),
    ],
)
def test_a_wrong_value_of_the_user_store_is_named_and_not_repeated(
    tmp_path: Path, line: str, phrase: str, capfd: pytest.CaptureFixture[str]
) -> None:
    key = line.partition("=")[0].strip()
    said = complaint_of(tmp_path, with_line(line))
    assert said.startswith(f"user_store.{key} {phrase}")
    assert said.endswith(f"; correct it in {tmp_path / 'config.toml'}.")
    assert "\n" not in said
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'connection_url = "ldap://ldap.example.org"',
            "user_store.connection_url would send passwords over the network in the clear: "
            "use ldaps:// or set user_store.start_tls = true, "
            "or accept it with user_store.allow_plaintext = true.",
        ),
        (
            'connection_url = "ldap://localhost ldap://ldap.example.org"',
            "user_store.connection_url would send passwords over the network in the clear: ",
        ),
        ("start_tls = true", "user_store.start_tls does not go with an ldaps:// address: "),
        ('connection_password = ""', "user_store.connection_password is missing: set it, best"),
        ('connection_name = ""', "user_store.connection_name is missing: set the DN of the serv"),
        ('user_search_base = ""', "user_store.user_search_base is missing: set the DN below"),
        ('group_search_base = ""', "user_store.group_search_base is missing: set the DN below"),
    ],
)
def test_what_a_directory_needs_is_demanded(tmp_path: Path, line: str, said: str) -> None:
    assert complaint_of(tmp_path, with_line(line)).startswith(said)


@pytest.mark.parametrize("remedy", ["start_tls = true", "allow_plaintext = true"])
def test_either_remedy_lets_an_ldap_address_through(tmp_path: Path, remedy: str) -> None:
    toml = with_line('connection_url = "ldap://ldap.example.org"')
    assert load(tmp_path, f"{toml}\n{remedy}").user_store.connection_url


def test_a_store_without_roles_needs_no_group_base(tmp_path: Path) -> None:
    toml = with_line('group_search_base = ""')
    assert load(tmp_path, f"{toml}\nread_groups = false").user_store.group_search_base == ()


def test_an_anonymous_store_is_for_reading_only(tmp_path: Path) -> None:
    toml = "\n".join(line for line in DIRECTORY.splitlines() if "connection_" not in line)
    toml += '\nconnection_url = "ldaps://x"'
    assert "an account that may write" in complaint_of(tmp_path, toml)
    assert load(tmp_path, f'{toml}\ntype = "read_only_ldap"').user_store.connection_name == ""


def test_ldapi_needs_neither_account_nor_password(tmp_path: Path) -> None:
    toml = '[user_store]\nconnection_url = "ldapi://%2Fx"\nbase_dn = "dc=x"\n'
    store = load(tmp_path, toml).user_store
    assert store.connection_urls == ("ldapi://%2Fx",)
    assert (store.user_search_base, store.group_search_base) == (
        ("ou=Users,dc=x",),
        ("ou=Groups,dc=x",),
    )
    assert load(tmp_path, f'{toml}connection_name = "cn=x"').user_store.connection_name == "cn=x"


def test_a_directory_without_an_address_is_refused_rather_than_embedded(tmp_path: Path) -> None:
    said = complaint_of(tmp_path, DIRECTORY.replace("connection_url", "#"))
    assert [line.split()[0] for line in said.splitlines()] == [
        "user_store.connection_name",
        "user_store.connection_password",
        "user_store.user_search_base",
        "user_store.group_search_base",
    ]
    assert "user_store.connection_url is not set" in said


def test_the_well_known_password_is_for_the_embedded_directory_only(tmp_path: Path) -> None:
    admin = '\n[bootstrap]\nmode = "configured"\n[super_admin]\nusername = "admin"\npassword = '
    assert "well-known" in complaint_of(tmp_path, f'{DIRECTORY}{admin}"admin"')
    assert load(tmp_path, f'{DIRECTORY}{admin}"other"').super_admin.username == "admin"
    assert load(tmp_path, f'{admin}"admin"').bootstrap.mode == "configured"


def test_custody_in_attributes_that_are_there_needs_both(tmp_path: Path) -> None:
    toml = with_line('custodian_attribute = "employeeNumber"')
    assert "needs user_store.epoch_attribute" in complaint_of(tmp_path, toml)
    both = f'{toml}\nepoch_attribute = "displayName"'
    assert load(tmp_path, both).user_store.epoch_attribute == "displayName"


@pytest.mark.parametrize(
    ("more", "has_groups"),
    [
        ("", True),
        ('[super_admin]\nadmin_role = "Internal/admin"', False),
        ('[datasource]\nurl = "sqlite:///users.sqlite"', False),
    ],
)
def test_a_folder_of_hybrid_roles_without_effect_is_noted(
    tmp_path: Path, more: str, has_groups: bool
) -> None:
    toml = with_line('hybrid_role_base = "ou=hybrid,dc=example,dc=org"')
    settings = load(tmp_path, f"{toml}\n{more}")
    assert settings.has_hybrid_groups is has_groups
    sentence = "user_store.hybrid_role_base has no effect"
    assert any(sentence in note for note in settings.notes) is not has_groups
