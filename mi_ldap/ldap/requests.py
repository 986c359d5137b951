"""Search requests as bytes (RFC 4511 §4.5.1), for those that are written by the thousand.

ldap3 and pyasn1 take 0.3 ms to write one. A filter of the settings is read by ldap3, once; what is
asked besides is put around it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from mi_ldap.ldap import ber
from mi_ldap.ldap.ldap3_internals import encode_filter

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
    """The operation; aliases are never followed.

    Args:
        base_dn: below which is searched.
        condition: a filter, as the functions here write it.
        attributes: the names of those that are wanted; `["1.1"]` for none.
        scope: `BASE` or `SUBTREE`.
        size_limit: how many entries at most, 0 for all.
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
    """True where all of them are."""
    return ber.element(_AND, *conditions)


def any_of(conditions: Iterable[bytes]) -> bytes:
    """True where one of them is."""
    return ber.element(_OR, *conditions)


def equals(attribute: str, value: str) -> bytes:
    """True where the attribute has the value, by the server's own matching."""
    return ber.element(_EQUALITY, _octets(attribute), _octets(value))


def at_least(attribute: str, value: str) -> bytes:
    """True where the attribute has that value or one that comes after it."""
    return ber.element(_AT_LEAST, _octets(attribute), _octets(value))


def _octets(text: str) -> bytes:
    return ber.element(ber.OCTET_STRING, text.encode())
