"""Distinguished names and filters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.ldap import controls, names

values = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30
)
BASE = "ou=people,dc=mi"


@pytest.mark.parametrize(
    ("value", "rdn"),
    [
        ("alice", "uid=alice"),
        ("Last, First", r"uid=Last\, First"),
        ("a+b=c", r"uid=a\+b\=c"),
        ('"q"', r"uid=\"q\""),
        ("back\\slash", r"uid=back\\slash"),
        ("<a>;", r"uid=\<a\>\;"),
        ("#x", r"uid=\#x"),
        ("a#x", "uid=a#x"),
        (" x ", r"uid=\ x\ "),
        (" ", "uid=\\ "),
        ("  ", "uid=\\ \\ "),
        ("nul\0", "uid=nul\\00"),
        ("ümlaut", "uid=ümlaut"),
    ],
)
def test_an_rdn_is_escaped_by_rfc_4514(value: str, rdn: str) -> None:
    assert names.rdn("uid", value) == rdn


@given(values)
def test_the_value_of_an_rdn_survives_a_round_trip(value: str) -> None:
    dn = names.dn_in(BASE, "uid", value)
    assert names.first_rdn_pair(dn) == ("uid", value)


@given(values, values)
def test_all_pairs_of_a_multi_valued_rdn_are_parsed(one: str, other: str) -> None:
    own = f"{names.rdn('cn', one)}+{names.rdn('UID', other)}"
    pairs = [("cn", one), ("uid", other)]
    assert names.rdn_pairs(f"{own},{BASE}") == names.rdn_pairs(own) == pairs
    assert names.first_rdn_pair(f"{own},{BASE}") == pairs[0]
    assert names.rdn_pairs("") == [names.first_rdn_pair("")] == [("", "")]


@given(values)
def test_a_dn_pattern_escapes_the_name(value: str) -> None:
    assert names.dn_from_pattern(f"uid={{0}},{BASE}", value) == names.dn_in(BASE, "uid", value)


def alike(one: str, other: str) -> bool:
    return names.parsed_dn(one) == names.parsed_dn(other)


@given(values, values)
def test_two_names_have_equal_dns_only_if_they_fold_equally(one: str, other: str) -> None:
    same = alike(names.dn_in(BASE, "uid", one), names.dn_in(BASE, "uid", other))
    if one == other:
        assert same
    if same:
        assert one.casefold().split() == other.casefold().split()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"cn=Doe\2C John,dc=x", r"cn=Doe\, John,dc=x"),
        ("CN=Bob, DC=X", "cn=bob,dc=x"),
        (r"cn=b\c3\bcrger,dc=x", "cn=bürger,dc=x"),
        ("cn=a  b,dc=x", "cn=a b,dc=x"),
        ("cn=b+uid=a,dc=x", "uid=A+cn=B,dc=x"),
        (r"cn=a\+b,dc=x", r"cn=a\2bb,dc=x"),
    ],
)
def test_spellings_of_one_dn_are_equal(one: str, other: str) -> None:
    assert alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a,dc=x", "cn=a,dc=y"),
        ("cn=a,dc=x", "uid=a,dc=x"),
        ("cn=a,dc=x", "cn=a,ou=b,dc=x"),
        ("cn=strasse,dc=x", "cn=straße,dc=x"),
        ("", "dc=x"),
    ],
)
def test_different_dns_are_not_equal(one: str, other: str) -> None:
    assert not alike(one, other)


@pytest.mark.parametrize(
    ("dn", "base", "under"),
    [
        ("uid=a,ou=people,dc=mi", "ou=People, dc=MI", True),
        ("ou=people,dc=mi", "ou=people,dc=mi", True),
        ("uid=a,ou=x,ou=people,dc=mi", "ou=people,dc=mi", True),
        ("uid=a,ou=morepeople,dc=mi", "ou=people,dc=mi", False),
        (r"uid=a\,ou=people,dc=mi", "ou=people,dc=mi", False),
        ("dc=mi", "ou=people,dc=mi", False),
        ("", "ou=people,dc=mi", False),
        ("dc=mi", "", True),
    ],
)
def test_a_dn_is_under_a_base_by_rdns(dn: str, base: str, under: bool) -> None:
    assert names.is_under(dn, base) is under


@given(values)
def test_filter_values_are_escaped(value: str) -> None:
    sent = controls.assertion(names.filter_for("(uid=?)", value)).value
    content = value.encode()
    assert sent is not None
    assert sent.endswith(b"\x04\x03uid\x04" + bytes([len(content)]) + content)


def test_every_question_mark_of_a_filter_is_replaced() -> None:
    assert names.filter_for("(|(uid=?)(mail=?))", "a?") == "(|(uid=a?)(mail=a?))"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("*", "\\2a"), ("(", "\\28"), (")", "\\29"), ("\\", "\\5c"), ("\0", "\\00"), ("a", "a")],
)
def test_special_characters_of_filters_are_escaped(text: str, escaped: str) -> None:
    assert names.filter_value(text) == escaped


def test_filters_are_combined() -> None:
    assert names.equals("uid", "a*") == "(uid=a\\2a)"
    assert names.has("uid", "a") == "(uid=a)"
    assert names.has("uid", None) == names.has("uid", "") == "(!(uid=*))"
    assert names.any_of(["(a=b)"]) == "(a=b)"
    assert names.any_of(["(a=b)", "(c=d)"]) == "(|(a=b)(c=d))"


@given(values)
def test_special_characters_take_three_bytes_in_openldap(value: str) -> None:
    special = sum(char in '\\,+"<>;=' for char in value)
    assert names.stored_length(value) >= len(value.encode()) + 2 * special
    assert names.stored_length("a" * 10 + ",") == 13
    assert names.stored_length("ﷺ") > len("ﷺ".encode())
