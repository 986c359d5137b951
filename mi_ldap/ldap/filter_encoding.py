"""Encoding of filters (RFC 4515) as the part of a search or of an assertion (RFC 4511 §4.5.1.7).

ldap3 and pyasn1 take 0.5 ms for a filter with four conditions, and this module 0.02 ms. A change of
a user sends eight filters.
"""

from __future__ import annotations

import re
from typing import Final

from mi_ldap.ldap import ber, filters
from mi_ldap.ldap.ldap3_internals import encode_filter as encode_by_ldap3

_COMBINATIONS: Final = {"&": 0xA0, "|": 0xA1, "!": 0xA2}
_COMPARISONS: Final = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6}
_SUBSTRINGS, _PRESENT = 0xA4, 0x87
_INITIAL, _ANY, _FINAL = 0x80, 0x81, 0x82

_CONDITION: Final = re.compile(
    r"\(([A-Za-z0-9][A-Za-z0-9.;-]*)(>=|<=|=)((?:[^()\\\0]|\\[0-9A-Fa-f]{2})*)\)"
)


def encode_filter(ldap_filter: str) -> bytes:
    """Return the BER encoding of a filter.

    Raises:
        LDAPInvalidFilterError: the text is not a filter.
    """
    try:
        encoded, end = _encoded_at(ldap_filter, 0)
    except ValueError:
        encoded, end = b"", -1
    if end == len(ldap_filter):
        return encoded
    # Rare forms, such as `(cn:dn:2.4.6:=x)` or white space around a value; and malformed ones.
    return encode_by_ldap3(ldap_filter)


def _encoded_at(text: str, at: int) -> tuple[bytes, int]:
    """Encode the filter that begins at an index; return it and the index behind it.

    Raises:
        ValueError: it is malformed, or has one of the rare forms.
    """
    operator = text[at + 1 : at + 2]
    if operator in _COMBINATIONS:
        return _combination_at(text, at, operator)
    found = _CONDITION.match(text, at)
    if not found or found[3] != found[3].strip() or (found[2] != "=" and "*" in found[3]):
        raise ValueError(text)
    return _condition(*found.groups()), found.end()


def _combination_at(text: str, at: int, operator: str) -> tuple[bytes, int]:
    parts: list[bytes] = []
    at += 2
    while text[at : at + 1] == "(":
        part, at = _encoded_at(text, at)
        parts.append(part)
    if text[at : at + 1] != ")" or not parts or (operator == "!" and len(parts) > 1):
        raise ValueError(text)
    return ber.element(_COMBINATIONS[operator], *parts), at + 1


def _condition(attribute: str, operator: str, value: str) -> bytes:
    if operator == "=" and value == "*":
        return ber.element(_PRESENT, attribute.encode())
    name = ber.element(ber.OCTET_STRING, attribute.encode())
    if operator == "=" and "*" in value:
        return ber.element(_SUBSTRINGS, name, ber.element(ber.SEQUENCE, *_substrings(value)))
    text = ber.element(ber.OCTET_STRING, filters.unescape(value))
    return ber.element(_COMPARISONS[operator], name, text)


def _substrings(pattern: str) -> list[bytes]:
    """Encode the parts of `ab*cd*ef`; a part that is empty is left out."""
    initial, *others, final = pattern.split("*")
    parts = [(_INITIAL, initial), *((_ANY, each) for each in others), (_FINAL, final)]
    return [ber.element(tag, filters.unescape(part)) for tag, part in parts if part]
