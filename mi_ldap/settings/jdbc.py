"""Translation of the addresses of databases: JDBC's, and URLs such as `postgresql://host/database`.

No error quotes any part of the address, because it may contain a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote

from mi_ldap.settings.validators import is_host

Dialect = Literal["postgresql", "mysql", "sqlite"]

SUPPORTED: Final = (
    "must be the address of a MySQL, MariaDB, PostgreSQL or SQLite database, such as "
    "jdbc:mysql://db.example.org:3306/userdb, jdbc:postgresql://db1,db2/userdb or "
    "sqlite:///users.sqlite"
)
_DIALECTS: Final[Mapping[str, Dialect]] = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite": "sqlite",
}
_PORTS: Final[Mapping[Dialect, int]] = {"postgresql": 5432, "mysql": 3306}
# Modes of MySQL's and MariaDB's drivers in which every host accepts writes.
_MODES: Final = ("", "failover", "loadbalance", "sequential")

_ADDRESS = re.compile(r"(?:jdbc:)?([a-z0-9]+)(?::([a-z]+))?:(//.*)", re.IGNORECASE | re.DOTALL)
_FILE = re.compile(r"(?:jdbc:)?sqlite:(?:///)?([^/?].*|/[^/?].*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"(?:\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?")
_OPTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,60}")

_TLS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("disable", "disabled", "false"), False),
    **dict.fromkeys(("allow", "prefer", "preferred"), None),
    **dict.fromkeys(("", "true", "trust", "require", "required"), True),
    **dict.fromkeys(("verify-ca", "verify_ca", "verify-full", "verify_identity"), True),
}
# The mode overrides the older switches, as in MySQL's and PostgreSQL's drivers.
_TLS_OPTIONS: Final = ("sslmode", "ssl", "requiressl", "usessl")
_CA_OPTIONS: Final = ("sslrootcert", "serversslcert")
# A database in memory is no file; `translate_address` refuses it.
_RELATIVE_FILE = re.compile(
    rf"((?:jdbc:)?sqlite:///(?!:memory:|file:)|[?&;](?:{'|'.join(_CA_OPTIONS)})=)(?=[^/?&;])",
    re.IGNORECASE,
)
_WITHOUT_EFFECT: Final = """
    allowpublickeyretrieval applicationname autoreconnect autoreconnectforpools
    cacheprepstmts characterencoding charset connectiontimezone failoverreadonly
    forceconnectiontimezonetosession loggerlevel nullcatalogmeanscurrent nullnamepatternmatchesall
    prepstmtcachesize prepstmtcachesqllimit rewritebatchedstatements servertimezone stringtype
    tcpkeepalive timezone transformedbitisboolean tinyint1isbit useinformationschema
    uselegacydatetimecode usejdbccomplianttimezoneshift useserverprepstmts useunicode
    verifyservercertificate zerodatetimebehavior
"""
"""Options of Java's drivers that say nothing about the database or the network, in lower case."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """A database and how to connect to it, as an address specifies it.

    Attributes:
        hosts: host and port, in order of preference; `()` for SQLite.
        database: its name; the path of the file for SQLite.
        tls: whether the address asks for TLS; None if it does not specify it.
        ca_file: PEM file of the authorities of the server's certificate; `""` if none is named.
        unknown_options: names of options that are not translated.
    """

    dialect: Dialect
    hosts: tuple[tuple[str, int], ...]
    database: str
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool | None = None
    ca_file: str = ""
    unknown_options: tuple[str, ...] = ()


def translate_address(text: str) -> DatabaseAddress:
    """Return the database that the address names; `&amp;` counts as `&`.

    Raises:
        ValueError: the text is not the address of a supported database; the message follows the
            name of the key in a sentence.
    """
    plain = text.strip().replace("&amp;", "&")
    if not plain.isprintable():
        raise ValueError(SUPPORTED)
    if found := _FILE.fullmatch(plain):
        return _file_address(found[1])
    found = _ADDRESS.fullmatch(plain)
    dialect = _DIALECTS.get(found[1].lower()) if found else None
    if found is None or dialect in (None, "sqlite") or (found[2] or "").lower() not in _MODES:
        raise ValueError(SUPPORTED)
    return _server_address(dialect, found[3].removeprefix("//"))


def with_absolute_files(text: str, folder: Path) -> str:
    """Return the address, relative paths of files in it resolved against the folder."""
    return _RELATIVE_FILE.sub(lambda found: f"{found[1]}{folder}/", text)


def _file_address(rest: str) -> DatabaseAddress:
    file, _, options = rest.partition("?")
    # With a database in memory each process would have a database of its own.
    if file.lower().startswith((":memory:", "file:")):
        raise ValueError("must name a file for SQLite, such as sqlite:///users.sqlite")
    return DatabaseAddress("sqlite", (), file, unknown_options=_names_of(_read_options(options)))


def _server_address(dialect: Dialect, rest: str) -> DatabaseAddress:
    head, _, tail = rest.partition("?")
    authority, _, database = head.partition("/")
    account, _, hosts = authority.rpartition("@")
    username, _, password = account.partition(":")
    options = _read_options(tail)
    values = {name.lower(): value for name, value in options.items()}
    _refuse_other_schema(values)
    if not database or "/" in database or not unquote(database).isprintable():
        raise ValueError("must name a database after the host, as in //db.example.org:5432/userdb")
    password = unquote(password) or values.get("password", "")
    return DatabaseAddress(
        dialect=dialect,
        hosts=tuple(_read_hosts(hosts, _PORTS[dialect])),
        database=unquote(database),
        username=unquote(username) or values.get("user", ""),
        password=password,
        tls=_read_tls(values),
        ca_file=next((values[name] for name in _CA_OPTIONS if values.get(name)), ""),
        # An unescaped `&` in a password makes its rest look like an option.
        unknown_options=() if password or "@" in rest else _names_of(options),
    )


def _read_hosts(text: str, port: int) -> Iterator[tuple[str, int]]:
    for each in text.split(","):
        found = _HOST.fullmatch(each.strip())
        host = (found[1] or found[2] or "localhost") if found else ""
        number = int(found[3]) if found and found[3] else port
        if not is_host(host) or not 0 < number < 65536:
            raise ValueError(
                "must name its hosts as host:port, several separated by commas, as in "
                "//db1.example.org:5432,db2.example.org:5432/userdb"
            )
        yield host, number


def _read_options(text: str) -> dict[str, str]:
    parts = (part.partition("=") for part in re.split("[&;]", text) if part)
    return {unquote(name): unquote(value) for name, _, value in parts}


def _read_tls(values: Mapping[str, str]) -> bool | None:
    wanted = [values[name].lower() for name in _TLS_OPTIONS if name in values]
    if any(each not in _TLS for each in wanted):
        raise ValueError("has a value of sslMode, ssl, requireSSL or useSSL that no driver knows")
    if "sslmode" in values:
        return _TLS[wanted[0]]
    return any(_TLS[each] for each in wanted) if wanted else None


def _refuse_other_schema(values: Mapping[str, str]) -> None:
    # If the option were ignored, tables of another schema would be used, or created.
    if values.get("currentschema", "public") != "public":
        raise ValueError(
            "must not have the option currentSchema: set the schema in the database instead, with "
            "ALTER ROLE … SET search_path = …"
        )


def _names_of(options: Mapping[str, str]) -> tuple[str, ...]:
    known = {
        *_WITHOUT_EFFECT.split(),
        *_TLS_OPTIONS,
        *_CA_OPTIONS,
        "user",
        "password",
        "currentschema",
    }
    names = (name for name in options if name.lower() not in known)
    return tuple(sorted(name for name in names if _OPTION_NAME.fullmatch(name)))
