"""Addresses of databases: what each form means, and what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mi_ldap.settings.jdbc import (
    SUPPORTED,
    DatabaseAddress,
    translate_address,
    with_absolute_files,
)

MYSQL = partial(DatabaseAddress, "mysql", (("db.example.org", 3306),), "userdb")
POSTGRESQL = partial(DatabaseAddress, "postgresql", (("db.example.org", 5432),), "userdb")


def read(text: str) -> DatabaseAddress | ValueError:
    try:
        return translate_address(text)
    except ValueError as error:
        return error


def phrase_about(text: str) -> str:
    """The phrase with which the text is refused."""
    found = read(text)
    assert isinstance(found, ValueError)
    return str(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jdbc:mysql://db.example.org:3306/userdb", MYSQL()),
        ("jdbc:mysql://db.example.org/userdb", MYSQL()),
        ("JDBC:MySQL://db.example.org/userdb", MYSQL()),
        ("mysql://db.example.org/userdb", MYSQL()),
        ("jdbc:mariadb://db.example.org:3306/userdb", MYSQL()),
        ("jdbc:mariadb:sequential://db.example.org/userdb", MYSQL()),
        ("jdbc:postgresql://db.example.org/userdb", POSTGRESQL()),
        ("postgresql://db.example.org:5432/userdb", POSTGRESQL()),
        (" postgres://db.example.org/userdb\n", POSTGRESQL()),
        (
            "jdbc:mysql://db.example.org:3306/userdb?useSSL=false&amp;allowPublicKeyRetrieval=true",
            MYSQL(tls=False),
        ),
        (
            "jdbc:mysql://db.example.org/userdb?autoReconnect=true&serverTimezone=UTC",
            MYSQL(),
        ),
        (
            "jdbc:mysql://db.example.org/userdb?useSSL=false&sslMode=VERIFY_IDENTITY",
            MYSQL(tls=True),
        ),
        (
            "jdbc:mysql://db.example.org/userdb?requireSSL=true&useSSL=true",
            MYSQL(tls=True),
        ),
        (
            "jdbc:mysql://db.example.org/userdb?sslMode=PREFERRED",
            MYSQL(tls=None),
        ),
        (
            "jdbc:mariadb://db.example.org/userdb?sslMode=trust&serverSslCert=/etc/ca.pem",
            MYSQL(tls=True, ca_file="/etc/ca.pem"),
        ),
        (
            "jdbc:postgresql://db.example.org/userdb?ssl=true&sslrootcert=/etc/ca.pem",
            POSTGRESQL(tls=True, ca_file="/etc/ca.pem"),
        ),
        (
            "jdbc:postgresql://db.example.org/userdb?ssl",
            POSTGRESQL(tls=True),
        ),
        (
            "jdbc:postgresql://db.example.org/userdb?sslmode=disable&ApplicationName=MI",
            POSTGRESQL(tls=False),
        ),
        (
            "jdbc:postgresql://db.example.org/userdb?currentSchema=public",
            POSTGRESQL(),
        ),
        (
            "jdbc:postgresql://db1:5433,db2,[::1]:5434/userdb",
            DatabaseAddress("postgresql", (("db1", 5433), ("db2", 5432), ("::1", 5434)), "userdb"),
        ),
        (
            "jdbc:mysql:loadbalance://db1,db2:3307/userdb",
            DatabaseAddress("mysql", (("db1", 3306), ("db2", 3307)), "userdb"),
        ),
        (
            "jdbc:postgresql:///userdb",
            DatabaseAddress("postgresql", (("localhost", 5432),), "userdb"),
        ),
        (
            "postgresql://mi:p%40ss@db.example.org/user%20db",
            DatabaseAddress("postgresql", (("db.example.org", 5432),), "user db", "mi", "p@ss"),
        ),
        (
            "jdbc:mysql://db.example.org/userdb?user=mi&password=secret",
            MYSQL(username="mi", password="secret"),
        ),
        (
            "jdbc:mysql://db.example.org/userdb?useSSL=true&trustStore=x&maxRows=5",
            MYSQL(tls=True, unknown_options=("maxRows", "trustStore")),
        ),
        ("sqlite:///users.sqlite", DatabaseAddress("sqlite", (), "users.sqlite")),
        ("sqlite:////var/lib/users.sqlite", DatabaseAddress("sqlite", (), "/var/lib/users.sqlite")),
        ("jdbc:sqlite:users.sqlite", DatabaseAddress("sqlite", (), "users.sqlite")),
        ("jdbc:sqlite:/var/users.sqlite", DatabaseAddress("sqlite", (), "/var/users.sqlite")),
    ],
)
def test_an_address_is_translated(text: str, expected: DatabaseAddress) -> None:
    assert translate_address(text) == expected


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("jdbc:sqlserver://host:1433;databaseName=userdb", SUPPORTED),
        ("jdbc:oracle:thin:@host:1521:SID", SUPPORTED),
        ("jdbc:oracle:thin:@//host:1521/service", SUPPORTED),
        ("jdbc:db2://host:50000/userdb", SUPPORTED),
        ("jdbc:h2:./repository/database/WSO2CARBON_DB", SUPPORTED),
        ("jdbc:mysql:replication://db1,db2/userdb", SUPPORTED),
        ("ldaps://ldap.example.org", SUPPORTED),
        ("db.example.org", SUPPORTED),
        ("", SUPPORTED),
        ("jdbc:mysql://db\x00/userdb", SUPPORTED),
        ("sqlite://", SUPPORTED),
        ("sqlite:///", SUPPORTED),
        ("sqlite:///:memory:", "must name a file for SQLite, such as sqlite:///users.sqlite"),
        ("jdbc:mysql://db.example.org", "must name a database after the host"),
        ("jdbc:mysql://db.example.org/", "must name a database after the host"),
        ("jdbc:mysql://db.example.org/a/b", "must name a database after the host"),
        ("jdbc:mysql://db.example.org:0/userdb", "must name its hosts as host:port"),
        ("jdbc:mysql://db.example.org:99999/userdb", "must name its hosts as host:port"),
        ("jdbc:mysql://db:x/userdb", "must name its hosts as host:port"),
        ("jdbc:mysql://(host=db,port=3306)/userdb", "must name its hosts as host:port"),
        ("jdbc:mysql://[db]/userdb", "must name its hosts as host:port"),
        ("jdbc:mysql://db/userdb?sslMode=never", "has a value of sslMode, ssl, requireSSL or"),
        ("jdbc:postgresql://db/userdb?currentSchema=mi", "must not have the option currentSchema"),
    ],
)
def test_what_is_no_address_is_refused(text: str, phrase: str) -> None:
    assert phrase_about(text).startswith(phrase)


def test_options_are_not_named_beside_a_password() -> None:
    # The rest of a password with an unescaped & looks like an option.
    url = "jdbc:mysql://db/userdb?password=abc&def=ghi"
    assert translate_address(url).unknown_options == ()
    assert translate_address("mysql://mi:pw@db/userdb?def=ghi").unknown_options == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqlite:///users.sqlite", "sqlite:////etc/mi/users.sqlite"),
        ("sqlite:////users.sqlite", "sqlite:////users.sqlite"),
        ("jdbc:postgresql://db/x?sslrootcert=ca.pem", "jdbc:postgresql://db/x?sslrootcert=/etc/mi/ca.pem"),
        ("jdbc:postgresql://db/x?a=b&sslrootcert=/ca.pem", "jdbc:postgresql://db/x?a=b&sslrootcert=/ca.pem"),
        ("jdbc:mysql://db/x", "jdbc:mysql://db/x"),
    ],
)  # fmt: skip
def test_files_of_an_address_begin_at_a_folder(text: str, expected: str) -> None:
    assert with_absolute_files(text, Path("/etc/mi")) == expected


SCHEMES = st.sampled_from(
    ["", "jdbc:mysql://", "jdbc:postgresql://", "mariadb://", "sqlite:///", "jdbc:oracle:thin:@"]
)
PARTS = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(["/", "?", "&", "&amp;", "=", "@", ":", ",", "[", "]", "%", "%zz", ";"]),
        st.sampled_from(["db", "5432", "ssl", "sslMode", "useSSL=", "user", "password=", "::1"]),
    ),
    max_size=14,
).map("".join)


@given(scheme=SCHEMES, before=PARTS, after=PARTS)
@example(scheme="jdbc:mysql://", before="", after="@h/db?¤=1")
def test_any_text_is_translated_or_refused_without_its_parts(
    scheme: str, before: str, after: str
) -> None:
    # The mark stands for a password, at any place of an address.
    found = read(f"{scheme}{before}¤secret¤{after}")
    if isinstance(found, ValueError):
        assert "¤" not in str(found)
    else:
        assert "secret" not in "".join(found.unknown_options)
        assert all(0 < port < 65536 for _, port in found.hosts)


@given(
    scheme=st.sampled_from(["jdbc:mysql:", "postgresql:"]),
    password=st.text(
        st.characters(exclude_categories=["C", "Z"], exclude_characters="#?/%\\"), min_size=1
    ).map(lambda text: f"¤{text}¤"),
    in_options=st.booleans(),
)
def test_a_password_is_in_no_repr_and_in_no_error(
    scheme: str, password: str, in_options: bool
) -> None:
    account, options = ("", f"?password={password}") if in_options else (f"mi:{password}@", "")
    found = read(f"{scheme}//{account}db/userdb{options}&x=1")
    assert "¤" not in (str(found) if isinstance(found, ValueError) else repr(found))
