"""Filters with conditions that a server can't evaluate, and that are evaluated here instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import filters, names
from mi_ldap.ldap.filters import Combination, Filter, Item
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.schema import Schema
from mi_ldap.name_folding import folded

log = structlog.get_logger()

Test = Callable[[Entry], bool]
Matches = Callable[[bytes], bool]

_ANY: Final = "(objectClass=*)"
_UNSUPPORTED: Final = (
    "A filter for users or roles joins a condition without a matching rule in the schema to one "
    "that only the server can evaluate (~=, := or a rare rule): change the filters in user_store."
)

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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a filter is evaluated, by the server and here.

    Attributes:
        server_filter: the filter to send; it matches at least the entries that the filter matches.
        attributes: the attributes that `test` needs.
        test: whether an entry that the server found matches; None where each of them does.
    """

    server_filter: str
    attributes: frozenset[str] = field(default=frozenset())
    test: Test | None = None


def evaluation_of(ldap_filter: str, schema: Schema) -> Evaluation:
    """Split a filter into the part that the server can evaluate and a test for the rest.

    Raises:
        DirectoryUnavailable: neither the server nor this service can evaluate it.
    """
    if not schema.attributes:
        return Evaluation(ldap_filter)
    try:
        tree = filters.parse(ldap_filter)
    except ValueError:
        return Evaluation(ldap_filter)  # the server says what is wrong with it
    return Evaluation(ldap_filter) if _is_evaluable(tree, schema) else _split(tree, schema)


def _split(tree: Filter, schema: Schema) -> Evaluation:
    if _is_evaluable(tree, schema):
        return Evaluation(filters.text_of(tree))
    # The parts of an AND are independent of each other, so the server evaluates those that it can.
    # An OR or NOT with a condition that it can't evaluate is evaluated here as a whole.
    if isinstance(tree, Combination) and tree.operator == "&":
        parts = [_split(part, schema) for part in tree.parts]
        tests = [each.test for each in parts if each.test]
        return Evaluation(
            f"(&{''.join(each.server_filter for each in parts)})",
            frozenset().union(*(each.attributes for each in parts)),
            lambda entry: all(test(entry) for test in tests),
        )
    conditions = {item: _condition(item, schema) for item in filters.items(tree)}
    return Evaluation(
        _superset(tree, schema),
        frozenset(schema.attribute(item.attribute) for item in conditions),
        lambda entry: filters.evaluate(tree, lambda item: conditions[item](entry)),
    )


def _is_evaluable(tree: Filter, schema: Schema) -> bool:
    return all(_is_evaluable_item(item, schema) for item in filters.items(tree))


def _is_evaluable_item(item: Item, schema: Schema) -> bool:
    """Whether the server can evaluate a condition; assumed for attributes not in the schema."""
    attribute = item.attribute
    if item.value == "*" or not schema.knows(attribute):
        return True
    # Without the matching rule a condition is Undefined, and finds no entry (RFC 4511 §4.5.1.7).
    match item.operator:
        case "=" if "*" in item.value:
            return bool(schema.substrings_of(attribute))
        case "=":
            return bool(schema.equality_of(attribute))
        case ">=" | "<=":
            return bool(schema.ordering_of(attribute))
    return True


def _superset(tree: Filter, schema: Schema) -> str:
    """Return a filter that the server can evaluate and that matches at least the same entries."""
    if _is_evaluable(tree, schema):
        return filters.text_of(tree)
    if isinstance(tree, Item) or tree.operator == "!":
        # Not (attribute=*): the presence index may be incomplete (slapd 2.5.13, after slapadd).
        return _ANY
    return f"({tree.operator}{''.join(_superset(part, schema) for part in tree.parts)})"


def _condition(item: Item, schema: Schema) -> Test:
    """Return the test of one condition on an entry.

    Raises:
        DirectoryUnavailable: only the server can evaluate it.
    """
    matches = None if schema.has_subtypes(item.attribute) else _comparison(item, schema)
    if matches is None:
        log.error("filter_not_supported", condition=item.text)
        raise DirectoryUnavailable(_UNSUPPORTED)
    attribute = schema.attribute(item.attribute).lower()
    return lambda entry: any(matches(value) for value in _values(entry, attribute))


def _values(entry: Entry, attribute: str) -> list[bytes]:
    """Return the values of the attribute, with any options (RFC 4512 §2.5)."""
    return [
        value
        for name, values in entry.attributes.items()
        if name == attribute or name.startswith(f"{attribute};")
        for value in values
    ]


def _comparison(item: Item, schema: Schema) -> Matches | None:
    wanted = filters.unescape(item.value)
    match item.operator:
        case "=" if item.value == "*":
            return lambda value: True
        case "=" if "*" in item.value:
            return _substrings(schema.substrings_of(item.attribute), item.value)
        case "=":
            return _equality(schema.equality_of(item.attribute), wanted, schema)
        case ">=":
            return _at_least(schema.ordering_of(item.attribute), wanted)
        case "<=":
            return _at_most(schema.ordering_of(item.attribute), wanted)
    return None


# Values are compared as the server does, by the matching rules of its schema (RFC 4517 §4.2). A
# rule is its lower-case name, `""` where the schema has none. Each function returns None for a rule
# that is not known here: a comparison that differs from the server's loses entries.


def _equality(rule: str, wanted: bytes, schema: Schema) -> Matches | None:
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


def _at_least(rule: str, wanted: bytes) -> Matches | None:
    """Return the test of (attribute>=wanted)."""
    key = _ordering_key(rule, wanted)
    return None if key is None else lambda value: _is_at_most(key(wanted), key(value))


def _at_most(rule: str, wanted: bytes) -> Matches | None:
    """Return the test of (attribute<=wanted)."""
    key = _ordering_key(rule, wanted)
    return None if key is None else lambda value: _is_at_most(key(value), key(wanted))


def _substrings(rule: str, pattern: str) -> Matches | None:
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
        return lambda value: names.parsed_dn(names.with_types(_text(value), schema.attribute))
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
