"""Distinguished names and filters (RFC 4514, RFC 4515): pure functions on text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from ldap3.utils.conv import escape_filter_chars

from mi_ldap.model import folded

_SPECIAL_IN_DN = re.compile(r'([\\,+"<>;=])')
_ESCAPED = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)


def filter_value(text: str) -> str:
    """`text` so that a filter takes it literally, whatever it holds."""
    # ldap3 strips what Python calls white space, which directories keep.
    inner = text.strip()
    before, _, after = text.partition(inner) if inner else (text, "", "")
    escaped = str(escape_filter_chars(inner))
    return f"{filter_bytes(before.encode())}{escaped}{filter_bytes(after.encode())}"


def filter_bytes(value: bytes) -> str:
    """A binary value as a filter takes it (RFC 4515 §3)."""
    return "".join(f"\\{byte:02x}" for byte in value)


def filter_for(template: str, name: str) -> str:
    """MI's search filter with its `?` replaced: `(&(objectClass=person)(uid=?))`."""
    return template.replace("?", filter_value(name))


def equals(attribute: str, value: str) -> str:
    """The filter `(attribute=value)`."""
    return f"({attribute}={filter_value(value)})"


def has(attribute: str, value: str | None) -> str:
    """The filter `(attribute=value)`, or that there is none."""
    return equals(attribute, value) if value else f"(!({attribute}=*))"


def any_of(filters: list[str]) -> str:
    """The filter that is true where one of them is."""
    return filters[0] if len(filters) == 1 else f"(|{''.join(filters)})"


def rdn(attribute: str, value: str) -> str:
    r"""The relative name `uid=Last\, First`, escaped as RFC 4514 §2.4 wants it."""
    escaped = _SPECIAL_IN_DN.sub(r"\\\1", value).replace("\0", "\\00")
    if escaped.startswith((" ", "#")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return f"{attribute}={escaped}"


def stored_length(value: str) -> int:
    """The bytes that OpenLDAP's database needs for a value in a DN; a special character takes 3."""
    forms = (value, unicodedata.normalize("NFKC", value))
    return max(len(form.encode()) + 2 * len(_SPECIAL_IN_DN.findall(form)) for form in forms)


def dn_in(base_dn: str, attribute: str, value: str) -> str:
    """The DN of the entry named `attribute=value` directly under `base_dn`."""
    return f"{rdn(attribute, value)},{base_dn}"


def dn_from_pattern(pattern: str, value: str) -> str:
    """MI's `uid={0},ou=people,dc=x` for one name."""
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
    r"""The RDNs of a DN, outermost last, each a sorted tuple of (type, value), for comparing.

    Types are without case and by their short names, values unescaped and folded, so `\2C` equals
    `\,`. Whether two DNs that are alike name one entry is for the server to say.
    """
    return tuple(
        tuple(sorted(_parsed_pair(pair) for pair in _split(relative, "+")))
        for relative in _split(dn, ",")
    )


def is_under(dn: str, base_dn: str) -> bool:
    """Whether `dn` lies in the tree below `base_dn`, or is it."""
    if "\\" in dn:
        return _ends_with(dn, base_dn)
    # A hundred thousand members share a parent.
    below = _ends_with(dn.partition(",")[2], base_dn)
    return below or (dn.count(",") == base_dn.count(",") and _ends_with(dn, base_dn))


def may_lie_at(dn: str, base_dn: str, *, exactly: bool) -> bool:
    """Whether a search may find an entry of that DN below `base_dn`, or at it if `exactly`.

    True also where it cannot be decided: a server may use another name of an attribute (`userid`
    for `uid`), write a value in another form, or accept a base such as `<GUID=…>`.
    """
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


def own_and_parent(dn: str) -> tuple[str, str]:
    """The DN's own name and the rest: `("uid=alice", "ou=people,dc=x")`."""
    own = dn.partition(",")[0] if "\\" not in dn else next(iter(_split(dn, ",")), "")
    return own, dn[len(own) + 1 :]


def first_value(dn: str) -> tuple[str, str]:
    """Type and value of the first pair of the DN's own name: `("uid", "alice")`."""
    plain = "\\" not in dn and "+" not in dn
    return _plain_pair(dn.partition(",")[0]) if plain else own_pairs(dn)[0]


def own_pairs(dn: str) -> list[tuple[str, str]]:
    """Type and value of each pair of the DN's own name: `cn=a+uid=b` has two."""
    own = next(iter(_split(dn, ",")), "")
    return [_plain_pair(pair) for pair in _split(own, "+")] or [("", "")]


def _plain_pair(pair: str) -> tuple[str, str]:
    attribute, _, value = pair.partition("=")
    return attribute.strip().lower(), _unescaped(value)


def _parsed_pair(pair: str) -> tuple[str, str]:
    attribute, value = _plain_pair(pair)
    return _TYPE_NAMES.get(attribute, attribute), folded(value)


def _split(dn: str, separator: str) -> list[str]:
    """`dn` at its separators, the escaped ones left in peace."""
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
    """The value without spaces at its ends, but for one that is escaped."""
    stripped = value.lstrip(" ")
    bare = stripped.rstrip(" ")
    return f"{bare} " if bare.endswith("\\") and bare != stripped else bare


def _unescaped(value: str) -> str:
    """The value behind RFC 4514's escapes; hex pairs are bytes of UTF-8."""

    def plain(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else match[2]

    stripped = _without_spaces(value)
    if not _ESCAPED.search(stripped):
        return stripped
    as_latin = _ESCAPED.sub(plain, stripped.encode().decode("latin-1"))
    return as_latin.encode("latin-1").decode("utf-8", errors="replace")
