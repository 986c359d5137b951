"""Filters with conditions that a server can't evaluate, and that are evaluated here instead.

A server finds no entry by (attribute=value) if its schema has no EQUALITY rule for the attribute,
by (attribute=*part*) without a SUBSTR rule, and by (attribute>=value) without an ORDERING rule
(RFC 4511 §4.5.1.7: Undefined).

The server evaluates all it can: the parts of an AND are independent of each other. An OR or NOT
that contains such a condition is evaluated here as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import filters, matching_rules
from mi_ldap.ldap.connection import Entry
from mi_ldap.ldap.filters import Combination, Filter, Item
from mi_ldap.ldap.matching_rules import Matches
from mi_ldap.ldap.schema import Schema

log = structlog.get_logger()

Test = Callable[[Entry], bool]

_ANY: Final = "(objectClass=*)"
_UNSUPPORTED: Final = (
    "A filter for users or roles joins a condition without a matching rule in the schema to one "
    "that only the server can evaluate (~=, := or a rare rule): change the filters in user_store."
)


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
            return matching_rules.substrings(schema.substrings_of(item.attribute), item.value)
        case "=":
            return matching_rules.equality(schema.equality_of(item.attribute), wanted, schema)
        case ">=":
            return matching_rules.at_least(schema.ordering_of(item.attribute), wanted)
        case "<=":
            return matching_rules.at_most(schema.ordering_of(item.attribute), wanted)
    return None
