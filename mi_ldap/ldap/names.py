"""Distinguished names and filters (RFC 4514, RFC 4515) as text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from ldap3.utils.conv import escape_filter_chars

from mi_ldap.name_folding import folded

_SPECIAL_IN_DN = re.compile(r'([\\,+"<>;=])')
_ESCAPED = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)


def filter_value(text: str) -> str:
    """Return the text, escaped for use as a value in a filter."""
    # ldap3 2.9.1 strips everything that Python regards as white space; directories keep it, so
    # a search for "bob\u00a0" would find "bob".
    inner = text.strip()
    before, _, after = text.partition(inner) if inner else (text, "", "")
    escaped = str(escape_filter_chars(inner))
    return f"{filter_bytes(before.encode())}{escaped}{filter_bytes(after.encode())}"


def filter_bytes(value: bytes) -> str:
    """Return a binary value, escaped for use in a filter (RFC 4515 §3)."""
    return "".join(f"\\{byte:02x}" for byte in value)


def filter_for(template: str, name: str) -> str:
    """Return a filter of WSO2's form, `(&(objectClass=person)(uid=?))`, with `?` replaced."""
    return template.replace("?", filter_value(name))


def equals(attribute: str, value: str) -> str:
    """Return the filter `(attribute=value)`."""
    return f"({attribute}={filter_value(value)})"


def has(attribute: str, value: str | None) -> str:
    """Return the filter `(attribute=value)`; without a value, that the attribute is absent."""
    return equals(attribute, value) if value else f"(!({attribute}=*))"


def any_of(filters: list[str]) -> str:
    """Return the filter that is true if one of the filters is."""
    return filters[0] if len(filters) == 1 else f"(|{''.join(filters)})"


def rdn(attribute: str, value: str) -> str:
    r"""Return the RDN `uid=Last\, First`, escaped as RFC 4514 §2.4 demands."""
    escaped = _SPECIAL_IN_DN.sub(r"\\\1", value).replace("\0", "\\00")
    if escaped.startswith((" ", "#")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return f"{attribute}={escaped}"


def stored_length(value: str) -> int:
    """Return the bytes that OpenLDAP's database needs for a value in a DN, at most."""
    # OpenLDAP stores the DN as given and normalized, a special character as `\2C`.
    forms = (value, unicodedata.normalize("NFKC", value))
    return max(len(form.encode()) + 2 * len(_SPECIAL_IN_DN.findall(form)) for form in forms)


def dn_in(base_dn: str, attribute: str, value: str) -> str:
    """Return the DN of the entry `attribute=value` directly below `base_dn`."""
    return f"{rdn(attribute, value)},{base_dn}"


def dn_from_pattern(pattern: str, value: str) -> str:
    """Return the DN for a pattern of WSO2's form, `uid={0},ou=people,dc=x`."""
    return pattern.replace("{0}", rdn("x", value).partition("=")[2])


ParsedDn = tuple[tuple[tuple[str, str], ...], ...]

_TYPE_NAMES: Final = {
    long: short
    for short, others in {
        "cn": ("commonname", "2.5.4.3"),
        "sn": ("surname", "2.5.4.4"),
        "c": ("countryname", "2.5.4.6"),
        "l": ("localityname", "2.5.4.7"),
        "st": ("stateorprovincename", "2.5.4.8"),
        "street": ("streetaddress", "2.5.4.9"),
        "o": ("organizationname", "2.5.4.10"),
        "ou": ("organizationalunitname", "2.5.4.11"),
        "uid": ("userid", "0.9.2342.19200300.100.1.1"),
        "dc": ("domaincomponent", "0.9.2342.19200300.100.1.25"),
        "mail": ("rfc822mailbox", "0.9.2342.19200300.100.1.3"),
    }.items()
    for long in others
}
"""Short names of attribute types by their other names and OIDs (RFC 4519, RFC 4524)."""


@lru_cache(maxsize=16384)  # a user is looked for among thousands of members
def parsed_dn(dn: str) -> ParsedDn:
    r"""Return the RDNs of a DN, outermost last, each a sorted tuple of (type, value), to compare.

    Types are short names in lower case; values are unescaped and folded, so `\2C` equals `\,`. Two
    DNs that are equal here may still name different entries by the server's matching rules.
    """
    return tuple(map(_parsed_rdn, _split(dn, ",")))


# The DNs in `parsed_dn`'s cache share the RDNs of their parents, in half the memory.
@lru_cache(maxsize=256)
def _parsed_rdn(relative: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(_parsed_pair(pair) for pair in _split(relative, "+")))


def is_under(dn: str, base_dn: str) -> bool:
    """Whether `dn` is `base_dn`, or lies below it."""
    if "\\" in dn:
        return _ends_with(dn, base_dn)
    # The parent first, from the cache: the members of a large group share one.
    below = _ends_with(dn.partition(",")[2], base_dn)
    return below or (dn.count(",") == base_dn.count(",") and _ends_with(dn, base_dn))


def may_lie_at(dn: str, base_dn: str, *, exactly: bool) -> bool:
    """Whether a search may find an entry of that DN below `base_dn`, or at it if `exactly`.

    True also where it cannot be decided: a server may use another name of an attribute (`userid`
    for `uid`), write a value in another form, or accept a base such as `<GUID=…>`.
    """
    if not exactly and dn.endswith(f",{base_dn}") and "\\" not in dn:
        return True  # nearly always; without parsing the DN
    if base_dn == "" or base_dn.startswith("<"):
        return base_dn != "" or not exactly or dn == ""
    if not exactly and is_under(dn, base_dn):
        return True
    own, base = _values_in(dn), _values_in(base_dn)
    if exactly and len(own) != len(base):
        return False
    pairs = zip(reversed(own), reversed(base), strict=False)
    # RFC 4514 §2.4 lets a server write a value as "#" and the hexadecimal of its BER.
    return len(own) >= len(base) and all(a == b or "#" in (a[:1], b[:1]) for a, b in pairs)


def _values_in(dn: str) -> list[str]:
    """Return the values of each RDN, without types and spaces, and folded."""
    return [
        "+".join(sorted("".join(value.split()) for _, value in relative))
        for relative in parsed_dn(dn)
    ]


@lru_cache(maxsize=4096)
def _ends_with(dn: str, base_dn: str) -> bool:
    base = parsed_dn(base_dn)
    return not base or parsed_dn(dn)[-len(base) :] == base


def depth(dn: str) -> int:
    """Return the number of RDNs of a DN."""
    return len(_split(dn, ","))


def with_types(dn: str, rename: Callable[[str], str]) -> str:
    """Return the DN with the names of its attribute types replaced.

    Args:
        dn: a DN, or a pattern with `{0}` for a value.
        rename: returns the new name of a type.
    """
    return ",".join(
        "+".join(_with_type(pair, rename) for pair in _split(relative, "+"))
        for relative in _split(dn, ",")
    )


def _with_type(pair: str, rename: Callable[[str], str]) -> str:
    attribute, equals_sign, value = pair.partition("=")
    return f"{rename(attribute.strip())}{equals_sign}{value}"


def rdn_and_parent(dn: str) -> tuple[str, str]:
    """Return the RDN and the DN of the parent: `("uid=alice", "ou=people,dc=x")`."""
    own = dn.partition(",")[0] if "\\" not in dn else next(iter(_split(dn, ",")), "")
    return own, dn[len(own) + 1 :]


def first_rdn_pair(dn: str) -> tuple[str, str]:
    """Return type and value of the first pair of the RDN: `("uid", "alice")`."""
    plain = "\\" not in dn and "+" not in dn
    return _plain_pair(dn.partition(",")[0]) if plain else rdn_pairs(dn)[0]


def rdn_pairs(dn: str) -> list[tuple[str, str]]:
    """Return type and value of each pair of the RDN: `cn=a+uid=b` has two."""
    own = next(iter(_split(dn, ",")), "")
    return [_plain_pair(pair) for pair in _split(own, "+")] or [("", "")]


def _plain_pair(pair: str) -> tuple[str, str]:
    attribute, _, value = pair.partition("=")
    return attribute.strip().lower(), _unescaped(value)


def _parsed_pair(pair: str) -> tuple[str, str]:
    attribute, value = _plain_pair(pair)
    return _TYPE_NAMES.get(attribute, attribute), folded(value)


def _split(dn: str, separator: str) -> list[str]:
    """Split a DN at its separators, but not at escaped ones."""
    if "\\" not in dn:
        return dn.split(separator) if dn else []
    parts, start, at = [], 0, 0
    while at < len(dn):
        if dn[at] == "\\":
            at += 1
        elif dn[at] == separator:
            parts.append(dn[start:at])
            start = at + 1
        at += 1
    return [*parts, dn[start:]]


def _without_spaces(value: str) -> str:
    """Return the value without spaces at its ends, except an escaped one."""
    stripped = value.lstrip(" ")
    bare = stripped.rstrip(" ")
    return f"{bare} " if bare.endswith("\\") and bare != stripped else bare


def _unescaped(value: str) -> str:
    """Return the value without RFC 4514's escapes; hex pairs are bytes of UTF-8."""

    def plain(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else match[2]

    stripped = _without_spaces(value)
    if not _ESCAPED.search(stripped):
        return stripped
    as_latin = _ESCAPED.sub(plain, stripped.encode().decode("latin-1"))
    return as_latin.encode("latin-1").decode("utf-8", errors="replace")
