"""Filters with conditions that a server can't evaluate, and that are evaluated here instead.

A server answers (attribute=value) for no entry where its schema has no EQUALITY rule for the
attribute, and (attribute=*part*) where it has no SUBSTR rule (RFC 4511 §4.5.1.7: Undefined).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mi_ldap.directory.schema import Schema
from mi_ldap.directory.session import Entry

Test = Callable[[Entry], bool]

_ANY: Final = "(objectClass=*)"
_LEAF: Final = re.compile(r"\(([A-Za-z0-9.;-]+)=([^()]*)\)")
_ESCAPE: Final = re.compile(rb"\\([0-9A-Fa-f]{2})")


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
    """Split a filter into the part that the server can evaluate and a test for the rest."""
    if not schema.attributes or all(_is_evaluable(*leaf, schema) for leaf in _leaves(ldap_filter)):
        return Evaluation(ldap_filter)
    found, end = _parsed(ldap_filter, 0, schema)
    return found if end == len(ldap_filter) else Evaluation(ldap_filter)


def _leaves(ldap_filter: str) -> Sequence[tuple[str, str]]:
    return _LEAF.findall(ldap_filter)


def _is_evaluable(attribute: str, value: str, schema: Schema) -> bool:
    """Whether the server can evaluate a condition; assumed for attributes not in the schema."""
    if value == "*" or not schema.knows(attribute):
        return True
    return bool(schema.substrings_of(attribute) if "*" in value else schema.equality_of(attribute))


def _parsed(text: str, at: int, schema: Schema) -> tuple[Evaluation, int]:
    """Evaluate the filter that begins at an index; return that and the index behind it."""
    operator = text[at + 1 : at + 2]
    if operator not in ("&", "|", "!"):
        end = text.find(")", at) + 1  # in values, parentheses are escaped (RFC 4515 §3)
        return _leaf(text[at:end], schema), end
    children, at = [], at + 2
    while text[at : at + 1] == "(":
        child, at = _parsed(text, at, schema)
        children.append(child)
    return _combined(operator, children), at + 1


def _leaf(text: str, schema: Schema) -> Evaluation:
    found = _LEAF.fullmatch(text)
    if found is None or _is_evaluable(found[1], found[2], schema):
        return Evaluation(text)
    attribute = found[1]
    # Not (attribute=*): the presence index may be incomplete (slapd 2.5.13, after slapadd).
    return Evaluation(_ANY, frozenset({attribute}), _comparison(*found.groups()))


def _combined(operator: str, children: list[Evaluation]) -> Evaluation:
    server_filter = f"({operator}{''.join(each.server_filter for each in children)})"
    if all(each.test is None for each in children):
        return Evaluation(server_filter)
    if operator == "&":
        tests = [each.test for each in children if each.test]
        attributes = frozenset[str]().union(*(each.attributes for each in children))
        return Evaluation(server_filter, attributes, lambda entry: all(t(entry) for t in tests))
    whole = [_evaluated_here(each) for each in children]
    attributes = frozenset[str]().union(*(each.attributes for each in whole))
    tests = [each.test for each in whole if each.test]
    if operator == "!":
        return Evaluation(_ANY, attributes, lambda entry: not tests[0](entry))
    return Evaluation(server_filter, attributes, lambda entry: any(t(entry) for t in tests))


def _evaluated_here(found: Evaluation) -> Evaluation:
    """Evaluate here what is combined with a condition that the server can't evaluate.

    The comparison ignores case.
    """
    leaf = _LEAF.fullmatch(found.server_filter)
    if found.test or leaf is None:
        return found
    attribute = leaf[1]
    test = _comparison(*leaf.groups(), ignores_case=True)
    return Evaluation(found.server_filter, frozenset({attribute}), test)


def _comparison(attribute: str, value: str, *, ignores_case: bool = False) -> Test:
    """Return the test for a value: the same bytes, or with `*` the parts, ignoring case."""
    parts = [_unescaped(part) for part in value.split("*")]
    if len(parts) > 1 or ignores_case:
        pattern = ".*".join(re.escape(part.decode(errors="replace")) for part in parts)
        matches = re.compile(pattern, re.IGNORECASE | re.DOTALL).fullmatch
        return lambda entry: any(matches(each) for each in entry.all(attribute))
    return lambda entry: parts[0] in entry.attributes.get(attribute.lower(), ())


def _unescaped(text: str) -> bytes:
    return _ESCAPE.sub(lambda code: bytes([int(code[1], 16)]), text.encode())
