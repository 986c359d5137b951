"""Encoded filters, compared with those of ldap3."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.core.exceptions import LDAPInvalidFilterError

from mi_ldap.ldap import filter_encoding, ldap3_internals, names

ATTRIBUTES = st.sampled_from(["uid", "memberOf", "cn;lang-en", "2.5.4.3", "x-a"])
TEXTS = st.text(st.sampled_from("ab *()\\\0ä€\u00a0,=<>&|!~:"), max_size=6)
PATTERNS = st.lists(TEXTS.map(names.filter_value), min_size=1, max_size=4).map("*".join)
CONDITIONS = st.builds(
    lambda name, operator, value: f"({name}{operator}{value})",
    ATTRIBUTES,
    st.sampled_from(["=", "=", ">=", "<=", "~=", ":=", ":2.4.6:="]),
    PATTERNS,
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=3).map(lambda some: f"(&{''.join(some)})"),
        st.lists(parts, min_size=1, max_size=3).map(lambda some: f"(|{''.join(some)})"),
        parts.map(lambda part: f"(!{part})"),
    ),
    max_leaves=6,
)


def of(encode: Callable[[str], bytes], ldap_filter: str) -> bytes | None:
    """The encoded filter; None for a malformed one."""
    try:
        return encode(ldap_filter)
    except LDAPInvalidFilterError:
        return None


@given(FILTERS)
def test_a_filter_is_encoded_as_by_ldap3(ldap_filter: str) -> None:
    expected = of(ldap3_internals.encode_filter, ldap_filter)
    assert of(filter_encoding.encode_filter, ldap_filter) == expected


@given(st.text(st.sampled_from("()&|!*=\\ a5c"), max_size=12))
def test_any_text_is_encoded_as_by_ldap3_or_the_same_error(text: str) -> None:
    expected = of(ldap3_internals.encode_filter, text)
    assert of(filter_encoding.encode_filter, text) == expected


@pytest.mark.parametrize(
    "ldap_filter", ["", "uid=a", "(uid=a", "((uid=a))", "(&)", "(!(a=b)(c=d))"]
)
def test_a_malformed_filter_is_an_error(ldap_filter: str) -> None:
    with pytest.raises(LDAPInvalidFilterError):
        filter_encoding.encode_filter(ldap_filter)


def test_usual_filters_are_encoded_without_ldap3(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(ldap_filter: str) -> bytes:
        pytest.fail(f"ldap3 encodes {ldap_filter}")

    monkeypatch.setattr(filter_encoding, "encode_by_ldap3", fail)
    for ldap_filter in (
        "(&(objectClass=inetOrgPerson)(uid=b\\2a\\c3\\a4))",
        "(&(&(entryUUID=1)(miLdapEpoch=a.b))(!(memberOf=cn=admin,ou=groups,dc=mi)))",
        "(&(uid=*)(|(cn=a*b*c)(entryCSN>=2026#00)))",
    ):
        assert filter_encoding.encode_filter(ldap_filter)
