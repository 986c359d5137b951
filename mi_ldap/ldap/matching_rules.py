"""Comparing values as a server does, by the matching rules of its schema (RFC 4517 §4.2).

A rule is its lower-case name, `""` where the schema has none. Each function returns None for a rule
that is not known here: a comparison that differs from the server's loses entries.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from mi_ldap.ldap import filters, names
from mi_ldap.ldap.schema import Schema
from mi_ldap.name_rules import folded

Matches = Callable[[bytes], bool]

_EXACT: Final = frozenset(
    {"", "caseexactmatch", "caseexactia5match", "octetstringmatch", "caseexactorderingmatch"}
)
_IGNORING_CASE: Final = frozenset(
    {
        *("caseignorematch", "caseignoreia5match", "caseignoreorderingmatch"),
        *("booleanmatch", "uuidmatch"),
    }
)
_INTEGER: Final = frozenset({"integermatch", "integerorderingmatch"})


def equality(rule: str, wanted: bytes, schema: Schema) -> Matches | None:
    """Return the test of (attribute=wanted); without a rule, the same bytes."""
    if rule == "objectidentifiermatch":
        # An object of a class is one of its superclasses too (RFC 4517 §4.2.26).
        kind = schema.object_class(_text(wanted)).lower()
        return lambda value: kind in schema.superiors(schema.object_class(_text(value)))
    key = _key(rule, schema)
    if key is None:
        return None
    wanted_key = key(wanted)
    return lambda value: wanted_key is not None and key(value) == wanted_key


def at_least(rule: str, wanted: bytes) -> Matches | None:
    """Return the test of (attribute>=wanted)."""
    key = _ordering_key(rule, wanted)
    return None if key is None else lambda value: _is_at_most(key(wanted), key(value))


def at_most(rule: str, wanted: bytes) -> Matches | None:
    """Return the test of (attribute<=wanted)."""
    key = _ordering_key(rule, wanted)
    return None if key is None else lambda value: _is_at_most(key(value), key(wanted))


def substrings(rule: str, pattern: str) -> Matches | None:
    """Return the test of (attribute=pattern), a filter's value with `*` for any text.

    Without a rule, upper and lower case are alike.
    """
    if rule and not rule.startswith(("caseignore", "caseexact")):
        return None
    parts = (_text(filters.unescape(part)) for part in pattern.split("*"))
    flags = re.DOTALL if "exact" in rule else re.DOTALL | re.IGNORECASE
    compiled = re.compile(".*".join(map(re.escape, parts)), flags)
    return lambda value: compiled.fullmatch(_text(value)) is not None


def _key(rule: str, schema: Schema) -> Callable[[bytes], object] | None:
    """Return the key by which values are equal."""
    if rule in _EXACT:
        return bytes
    if rule in _IGNORING_CASE:
        return lambda value: folded(_text(value))
    if rule in _INTEGER:
        return _number
    if rule == "distinguishednamematch":
        return lambda value: names.parsed_dn(schema.dn(_text(value)))
    return None


def _ordering_key(rule: str, wanted: bytes) -> Callable[[bytes], object] | None:
    """Return the key by which values are ordered; without a rule, numbers as numbers."""
    if rule in _INTEGER or (not rule and _number(wanted) is not None):
        return _number
    if not rule or rule in _IGNORING_CASE:
        return lambda value: folded(_text(value))
    return bytes if rule in _EXACT else None


def _is_at_most(low: object, high: object) -> bool:
    """Compare two keys of one kind; None, the key of what is no number, is never in order."""
    return low is not None and high is not None and low <= high  # type: ignore[operator]


def _number(value: bytes) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
