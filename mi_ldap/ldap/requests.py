"""Encoding of search requests and filters (RFC 4511 §4.5.1).

A filter from the settings is parsed by ldap3 once; conditions on values are encoded here, since
ldap3 and pyasn1 take 0.3 ms for a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from mi_ldap.ldap import ber
from mi_ldap.ldap.filter_encoding import encode_filter

BASE, SUBTREE = b"\x00", b"\x02"

_SEARCH: Final = 0x63
_AND, _OR, _EQUALITY, _AT_LEAST = 0xA0, 0xA1, 0xA3, 0xA5
_DEREF_NEVER = ber.element(ber.ENUMERATED, b"\x00")
_NO_TIME_LIMIT = ber.element(ber.INTEGER, b"\x00")
_TYPES_TOO = ber.element(ber.BOOLEAN, b"\x00")


def search(
    base_dn: str,
    condition: bytes,
    attributes: Sequence[str],
    scope: bytes = SUBTREE,
    size_limit: int = 0,
) -> bytes:
    """Encode a search request; aliases are never dereferenced.

    Args:
        base_dn: the base of the search.
        condition: a filter as encoded by this module.
        attributes: the attributes to return; `["1.1"]` for none.
        scope: `BASE` or `SUBTREE`.
        size_limit: the most entries, 0 for all.
    """
    return ber.element(
        _SEARCH,
        _octets(base_dn),
        ber.element(ber.ENUMERATED, scope),
        _DEREF_NEVER,
        ber.element(ber.INTEGER, ber.integer(size_limit)),
        _NO_TIME_LIMIT,
        _TYPES_TOO,
        condition,
        ber.element(ber.SEQUENCE, *map(_octets, attributes)),
    )


condition = lru_cache(64)(encode_filter)
"""`encode_filter` with a cache; only for filters from the settings, none that names a user."""


def all_of(*conditions: bytes) -> bytes:
    """Encode the filter that is true if all conditions are."""
    return ber.element(_AND, *conditions)


def any_of(conditions: Iterable[bytes]) -> bytes:
    """Encode the filter that is true if one of the conditions is."""
    return ber.element(_OR, *conditions)


def equals(attribute: str, value: str) -> bytes:
    """Encode `(attribute=value)`."""
    return ber.element(_EQUALITY, _octets(attribute), _octets(value))


def at_least(attribute: str, value: str) -> bytes:
    """Encode `(attribute>=value)`."""
    return ber.element(_AT_LEAST, _octets(attribute), _octets(value))


def _octets(text: str) -> bytes:
    return ber.element(ber.OCTET_STRING, text.encode())
