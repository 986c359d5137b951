"""Search filters as trees."""

from __future__ import annotations

import pytest

from mi_ldap.ldap.filters import Item, evaluate, items, parse

MEMBER = r"(memberOf=cn=a\28b\29,dc=x)"


@pytest.mark.parametrize(
    ("text", "truths", "expected"),
    [
        ("(uid=a)", {"uid"}, True),
        ("(&(uid=a)(cn=b))", {"uid"}, False),
        ("(|(uid=a)(cn=b))", {"uid"}, True),
        ("(!(uid=a))", {"uid"}, False),
        ("(&)", set(), True),
        ("(|)", set(), False),
        (" ( & (uid=a) ( | (cn=b)(sn=c) ) ) ", {"uid", "sn"}, True),
        ("(&(!(cn=*x*))(uid>=4))", {"uid"}, True),
    ],
)
def test_a_filter_is_evaluated_by_its_conditions(
    text: str, truths: set[str], expected: bool
) -> None:
    assert evaluate(parse(text), lambda item: item.attribute in truths) is expected


def test_the_parts_of_a_condition_are_parsed() -> None:
    chain = "(memberOf:1.2.840.113556.1.4.1941:=cn=a,dc=x)"
    (item,) = items(parse(chain))
    assert item == Item("memberof", ":=", "cn=a,dc=x", "1.2.840.113556.1.4.1941")
    (item,) = items(parse(MEMBER))
    assert (item.attribute, item.unescaped_value) == ("memberof", "cn=a(b),dc=x")
    (item,) = items(parse("(&(ou:dn:2.4.6:=x)(ou:dn:2.4.6:=x))"))
    assert (item.attribute, item.rule) == ("ou", "2.4.6")


@pytest.mark.parametrize("text", ["", "uid=a", "(uid=a", "(uid=a))", "(!(a=b)(c=d))", "(&(a=b)"])
def test_a_malformed_filter_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a search filter"):
        parse(text)
