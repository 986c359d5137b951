"""The types of values, each with the phrase that says what a value must be.

TOML has typed values, the environment only texts, and MI writes booleans and numbers as texts
("true", "5000") and lists as one text ("a, b"): every type takes both forms. A phrase completes a
sentence that begins with the key. It never repeats the value, which may be a secret under the wrong
key.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from mi_ldap.name_folding import folded
from mi_ldap.settings.expressions import translate_java_regex
from mi_ldap.settings.validators import (
    is_attribute_name,
    is_dn,
    read_admin_role,
    read_domain,
    read_filter,
    read_host,
    read_http_url,
    read_https_address,
    read_icp_secret,
    read_node_id,
    read_url,
)


class Section(BaseModel):
    """The base of all sections: immutable; refuses unknown keys; errors do not show values."""

    # A misspelled key would leave a default in force, such as that of a timeout or of TLS.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def setting(default: object, description: str) -> Any:
    """Declare a key; docs/configuration.md has its description, which a test compares."""
    return Field(default=default, description=description)


class SettingsError(ValueError):
    """One or more complete sentences, one a line, which name their keys."""


def _read_flag(value: object) -> bool:
    # pydantic would also take 1, "on" and "y".
    word = str(value).strip().lower() if isinstance(value, bool | str) else ""
    if word not in ("true", "false"):
        raise ValueError("must be true or false")
    return word == "true"


def _is_word(value: object, word: str) -> bool:
    """Whether it is that word in any case; for flags that MI reads as texts."""
    return isinstance(value, bool | str) and str(value).strip().lower() == word


def _whole_number(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        # pydantic would also take true, 1e3 and "1_000".
        text = str(value).strip() if type(value) in (int, str) else ""
        # At most 18 digits: int() raises an error of its own for more than 4300.
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def _read_seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    # A user who is being removed or reset is marked for a minute: requests must be over by then.
    if isinstance(value, bool) or not 0 < seconds <= 30:
        raise ValueError("must be a number of seconds above 0 and up to 30")
    return seconds


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("must be a string in quotes, on one line")
    return value.strip()


def _text(accept: Callable[[str], str | bool | None], phrase: str) -> BeforeValidator:
    """Return the validator of a text.

    Args:
        accept: returns the text to use, or whether to use it as it is.
        phrase: what the text must be.
    """

    def read(value: object) -> str:
        text = _read_text(value)
        accepted = accept(text)
        if not accepted:
            raise ValueError(phrase)
        return accepted if isinstance(accepted, str) else text

    return BeforeValidator(read)


def _read_secret(value: object) -> SecretStr:
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("must be a string in quotes")
    if any("\ud800" <= character <= "\udfff" for character in value):
        # Bytes of the environment that are not UTF-8 arrive as lone surrogates (PEP 383).
        raise ValueError("must be a string in UTF-8")
    return SecretStr(value)


def _read_key(value: object) -> SecretStr:
    # RFC 7518 §3.2: a key of HS256 must be at least as long as the hash.
    secret = _read_secret(value)
    if len(secret.get_secret_value().encode()) < 32:
        raise ValueError(
            "must be a key of 32 bytes or more, such as the output of openssl rand -hex 32"
        )
    return secret


def _read_icp_secret(value: object) -> SecretStr:
    secret = _read_secret(value)
    # Without white space at its ends: the secret is copied from a web page.
    text = read_icp_secret(secret.get_secret_value().strip())
    if text is None:
        raise ValueError(
            "must be the whole secret as ICP shows it: the id of the key, a dot, and the key, "
            "which has 32 bytes or more"
        )
    return SecretStr(text)


def _read_names(value: object) -> tuple[str, ...]:
    # A name with a comma can be written in a list only.
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError('must be a list of strings, such as ["a", "b"] or "a, b"')
    return tuple(part.strip() for part in parts if part.strip())


def _read_operator_roles(value: object) -> tuple[str, ...]:
    names = _read_names(value)
    if any(folded(name) == "internal/everyone" for name in names):
        raise ValueError(
            "must not name Internal/everyone, which every user has: set "
            'management_api.authorization_handler.operators_are = "everybody" for that'
        )
    return names


def _read_networks(value: object) -> tuple[str, ...]:
    names = _read_names(value)
    try:
        return tuple(str(ipaddress.ip_network(name, strict=False)) for name in names)
    except ValueError:
        raise ValueError('must be a list of addresses or networks, such as "10.0.0.0/8"') from None


def _read_path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_read_text(value)).absolute()


def _read_input_file(value: object) -> Path:
    path = _read_path(value)
    if not path.is_file():
        raise ValueError(
            "must name a file that exists; in a TOML file a relative path begins at its folder"
        )
    return path


def _read_attributes(value: object) -> tuple[str, ...]:
    names = _read_names(value)
    if not all(is_attribute_name(name) for name in names):
        raise ValueError('must be a list of names from the schema, such as ["posixAccount"]')
    return names


def _read_assignments(value: object) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in _read_names(value)]
    if not all(is_attribute_name(name) and text.strip() for name, _, text in pairs):
        raise ValueError('must be a list of attribute=value, such as ["cn={name}", "sn={name}"]')
    return tuple((name, text.strip()) for name, _, text in pairs)


_DN_PHRASE = "must be a DN, such as ou=people,dc=example,dc=org"


def _read_dns(value: object) -> tuple[str, ...]:
    # MI separates several bases by #, which a DN has only escaped at that place.
    parts = re.split(r"(?<!\\)#", value) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts:
        raise ValueError("must be a DN, such as ou=people,dc=example,dc=org, or a list of them")
    texts = tuple(_read_text(part) for part in parts)
    if not all(map(is_dn, texts)):
        raise ValueError(_DN_PHRASE)
    return texts


def _read_urls(value: object) -> str:
    urls = [read_url(text) for text in re.split(r"[\s,]+", _read_text(value)) if text]
    if None in urls:
        raise ValueError(
            "must be one or more addresses such as ldaps://directory.example.org:636 "
            "(ldap, ldaps or ldapi; host and port only), or ldaps+srv://example.org for the "
            "servers that DNS has for a domain, separated by spaces"
        )
    return " ".join(url for url in urls if url)


def _read_dashboard_url(value: object) -> str:
    url = read_http_url(value.strip()) if isinstance(value, str) else None
    if url is None:
        raise ValueError(
            "must be the address of the dashboard's API, such as "
            "https://dashboard.example.org:9743/dashboard/api"
        )
    return url


def _read_node_url(value: object) -> str:
    url = read_http_url(value.strip()) if isinstance(value, str) else None
    if url is None:
        raise ValueError(
            "must be the address of MI's management API without a user or a query, such as "
            "https://mi-1.example.org:9164/management"
        )
    return url


_DIGESTS = {
    "SHA": "SHA-1",
    "SHA1": "SHA-1",
    "SHA256": "SHA-256",
    "SHA384": "SHA-384",
    "SHA512": "SHA-512",
    "MD5": "MD5",
    "PLAINTEXT": "PLAIN_TEXT",
}


def _read_digest(value: object) -> str:
    word = re.sub("[-_]", "", value.strip().upper()) if isinstance(value, str) else ""
    if word not in _DIGESTS:
        raise ValueError("must be SHA-256, SHA-384, SHA-512, SHA-1, MD5 or PLAIN_TEXT")
    return _DIGESTS[word]


Flag = Annotated[bool, BeforeValidator(_read_flag)]
OnlyTrue = Annotated[bool, BeforeValidator(lambda value: _is_word(value, "true"))]
UnlessFalse = Annotated[bool, BeforeValidator(lambda value: not _is_word(value, "false"))]
Port = Annotated[int, BeforeValidator(_whole_number(1, 65535))]
Count = Annotated[int, BeforeValidator(_whole_number(1, 1000))]
Connections = Annotated[int, BeforeValidator(_whole_number(16, 1_000_000))]
Megabytes = Annotated[int, BeforeValidator(_whole_number(8, 1_000_000))]
CountOrNone = Annotated[int, BeforeValidator(_whole_number(0, 100_000_000))]
MegabytesOrNone = Annotated[int, BeforeValidator(_whole_number(0, 1_000_000))]
Bytes = Annotated[int, BeforeValidator(_whole_number(0, 1_000_000_000_000))]
Rate = Annotated[int, BeforeValidator(_whole_number(1, 1_000_000))]
Milliseconds = Annotated[int, BeforeValidator(_whole_number(1, 3_600_000))]
WholeSeconds = Annotated[int, BeforeValidator(_whole_number(1, 31_536_000))]
HeartbeatSeconds = Annotated[int, BeforeValidator(_whole_number(1, 29))]
TokenAge = Annotated[int, BeforeValidator(_whole_number(10, 3600))]
Seconds = Annotated[float, BeforeValidator(_read_seconds)]
Text = Annotated[str, BeforeValidator(_read_text)]
Secret = Annotated[SecretStr, BeforeValidator(_read_secret)]
Key = Annotated[SecretStr, BeforeValidator(_read_key)]
Names = Annotated[tuple[str, ...], BeforeValidator(_read_names)]
OperatorRoles = Annotated[tuple[str, ...], BeforeValidator(_read_operator_roles)]
Networks = Annotated[tuple[str, ...], BeforeValidator(_read_networks)]
Host = Annotated[
    str, _text(read_host, "must be an address or a host name without a port, such as 127.0.0.1")
]
OutputFile = Annotated[Path, BeforeValidator(_read_path)]
InputFile = Annotated[Path, BeforeValidator(_read_input_file)]
Attribute = Annotated[
    str, _text(is_attribute_name, "must be a name from the directory's schema, such as uid")
]
Attributes = Annotated[tuple[str, ...], BeforeValidator(_read_attributes)]
Assignments = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_read_assignments)]
Dn = Annotated[str, _text(is_dn, _DN_PHRASE)]
Dns = Annotated[tuple[str, ...], BeforeValidator(_read_dns)]
DnPattern = Annotated[
    str,
    _text(
        lambda text: text.count("{0}") == 1 and is_dn(text),
        "must be a DN with {0} for the name, such as uid={0},ou=people,dc=x",
    ),
]
ListFilter = Annotated[
    str,
    _text(read_filter, "must be an LDAP filter in parentheses, such as (objectClass=person)"),
]
SearchFilter = Annotated[
    str,
    _text(
        lambda text: "?" in text and read_filter(text),
        "must be an LDAP filter with ? for the name, such as (uid=?)",
    ),
]
Domain = Annotated[
    str,
    _text(
        read_domain,
        "must be a domain of letters, digits, `.`, `-` and `_`, but not PRIMARY, INTERNAL or "
        "APPLICATION",
    ),
]
Urls = Annotated[str, BeforeValidator(_read_urls)]
Digest = Annotated[str, BeforeValidator(_read_digest)]
DashboardUrl = Annotated[str, BeforeValidator(_read_dashboard_url)]
IcpSecret = Annotated[SecretStr, BeforeValidator(_read_icp_secret)]
IcpUrl = Annotated[
    str,
    _text(
        read_https_address,
        "must be the address of ICP, such as https://icp.example.org:9445: https, host and port "
        "only",
    ),
]
ManagementUrl = Annotated[
    str,
    _text(
        read_https_address,
        "must be an address of this service, such as https://users.example.org:9164: https, host "
        "and port only",
    ),
]
# ICP makes handles of these names and refuses an empty one.
HandlerName = Annotated[
    str,
    _text(
        lambda text: re.search("[A-Za-z0-9]", text) is not None,
        "must contain a letter from a to z or a digit",
    ),
]
RuntimeName = Annotated[
    str, _text(lambda text: len(text) <= 100, "must have at most 100 characters")
]
NodeUrl = Annotated[str, BeforeValidator(_read_node_url)]
NodeId = Annotated[
    str,
    _text(
        read_node_id,
        "must be a name of letters, digits, `-` and `.` that begins with a letter or digit, such "
        "as mi-1",
    ),
]
JavaRegex = Annotated[str, BeforeValidator(lambda value: translate_java_regex(_read_text(value)))]
Role = Annotated[
    str,
    _text(
        read_admin_role,
        "must be the name of a role in the user store, without / and :, or a hybrid role such as "
        "Internal/admin",
    ),
]
