"""Filters that a server can evaluate only in part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import filters
from mi_ldap.ldap.filter_evaluation import evaluation_of
from mi_ldap.ldap.filters import Item
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.schema import Schema

SCHEMA = Schema.from_definitions(
    [
        "( 1.1 NAME 'objectClass' EQUALITY objectIdentifierMatch )",
        "( 1.2 NAME 'uid' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch )",
        "( 1.3 NAME 'code' EQUALITY caseExactMatch )",
        "( 1.4 NAME 'num' EQUALITY integerMatch ORDERING integerOrderingMatch )",
        "( 1.5 NAME 'bare' )",
        "( 1.6 NAME 'start' EQUALITY generalizedTimeMatch )",
        "( 1.7 NAME 'name' EQUALITY caseIgnoreMatch )",
        "( 1.8 NAME 'nick' SUP name )",
    ],
    ["( 2.1 NAME 'person' )", "( 2.2 NAME ( 'staff' 'employee' ) SUP person )"],
)
VALUES = ("a", "A", "b", "ab", "5", "05", "10")

conditions = (
    st.builds(
        "({}{}{})".format,
        st.sampled_from(["uid", "code", "num", "bare"]),
        st.sampled_from(["=", ">=", "<="]),
        st.sampled_from(VALUES),
    )
    | st.builds(
        "({}={})".format,
        st.sampled_from(["uid", "code", "num", "bare"]),
        st.sampled_from(["*", "*a*", "a*", "*5"]),
    )
    | st.builds("(objectClass={})".format, st.sampled_from(["person", "STAFF", "2.2", "group"]))
)
trees = st.recursive(
    conditions,
    lambda inner: (
        st.builds("(!{})".format, inner)
        | st.builds("(&{}{})".format, inner, inner)
        | st.builds("(|{}{})".format, inner, inner)
    ),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {"objectclass": st.sampled_from([[b"person"], [b"employee"]])},
    optional={
        name: st.lists(st.sampled_from(VALUES).map(str.encode), min_size=1, max_size=2)
        for name in ("uid", "code", "num", "bare")
    },
)


def holds(item: Item, entry: Entry) -> bool:
    """What the condition means, whoever evaluates it."""
    found = entry.all(item.attribute)
    if item.value == "*":
        return bool(found)
    if item.attribute == "objectclass":
        kinds = {"person": {"person"}, "employee": {"person", "staff", "2.2"}}[found[0]]
        return item.value.lower() in kinds
    # Without an ORDERING rule a limit that is a number is compared with numbers only.
    if item.operator != "=" and (item.attribute == "num" or item.value.isdecimal()):
        numbers = [int(each) for each in found if each.isdecimal()]
        limit = int(item.value) if item.value.isdecimal() else None
        return limit is not None and any(
            limit <= each if item.operator == ">=" else each <= limit for each in numbers
        )
    if item.operator != "=":
        low, high = (item.value, "") if item.operator == ">=" else ("", item.value)
        return any(at_most(low or each, high or each) for each in found)
    if item.value.startswith("*") or item.value.endswith("*"):
        return any(part_matches(item.value.lower(), each.lower()) for each in found)
    wanted = comparable(item.attribute, item.value)
    return wanted is not None and wanted in [comparable(item.attribute, each) for each in found]


def comparable(attribute: str, text: str) -> str | int | None:
    if attribute == "num":
        return int(text) if text.isdecimal() else None
    return text.lower() if attribute == "uid" else text


def at_most(low: str, high: str) -> bool:
    return low.lower() <= high.lower()


def part_matches(pattern: str, text: str) -> bool:
    part = pattern.strip("*")
    first, last = not pattern.startswith("*"), not pattern.endswith("*")
    return text.startswith(part) if first else text.endswith(part) if last else part in text


@given(text=trees, attributes=entries)
def test_server_filter_and_test_together_equal_the_filter(
    text: str, attributes: dict[str, list[bytes]]
) -> None:
    entry = Entry("uid=x,dc=y", attributes)
    found = evaluation_of(text, SCHEMA)
    sent = filters.parse(found.server_filter)
    by_server = filters.evaluate(sent, lambda item: holds(item, entry))
    wanted = {name.lower() for name in found.attributes}
    seen = Entry(entry.dn, {k: v for k, v in attributes.items() if k in wanted})
    kept = by_server and (found.test is None or found.test(seen))
    assert kept == filters.evaluate(filters.parse(text), lambda item: holds(item, entry))


@given(text=trees)
def test_the_server_filter_is_evaluable_by_the_server(text: str) -> None:
    for item in filters.items(filters.parse(evaluation_of(text, SCHEMA).server_filter)):
        assert item.attribute != "bare" or item.value == "*"


@pytest.mark.parametrize(
    "text",
    [
        "(|(bare=a)(uid:caseExactMatch:=a))",
        "(!(&(bare=a)(uid~=a)))",
        "(|(bare=a)(start=20260101000000Z))",
        "(|(bare=a)(name=a))",
    ],
)
def test_a_filter_that_cannot_be_evaluated_is_an_outage(text: str) -> None:
    with pytest.raises(DirectoryUnavailable, match="change the filters"):
        evaluation_of(text, SCHEMA)
    assert evaluation_of("(&(bare=a)(uid~=a))", SCHEMA).server_filter.endswith("(uid~=a))")


@pytest.mark.parametrize("text", ["(uid=a)", "(&(objectClass=person)(|(uid=*a*)(num>=5)))", "x"])
def test_a_filter_that_the_server_can_evaluate_is_sent_unchanged(text: str) -> None:
    found = evaluation_of(text, SCHEMA)
    assert (found.server_filter, found.test) == (text, None)
