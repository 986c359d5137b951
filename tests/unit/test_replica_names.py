"""The parts of the replica that need no directory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.directory.replica.containers import Containers
from mi_ldap.directory.replica.name_keys import name_key, name_keys_of_dn
from mi_ldap.directory.replica.sorted_names import SortedNames
from mi_ldap.ldap import ber, names
from mi_ldap.ldap.messages import Entry
from mi_ldap.model import in_order
from mi_ldap.name_folding import folded

TEXTS = st.text(max_size=12)


@given(TEXTS)
def test_what_a_directory_takes_for_equal_has_one_word(text: str) -> None:
    for alike in (text.upper(), text.lower(), folded(text), f" {text}  "):
        if folded(alike) == folded(text):
            assert name_key(alike) == name_key(text)


@pytest.mark.parametrize("alike", ["ADMIN", "ａdmin", "ADMİN", " admin", "ad min", "ädmin"])
def test_look_alikes_stand_under_one_word(alike: str) -> None:
    assert name_key(alike) == name_key("admin")


def test_the_words_of_a_dn_are_those_of_its_own_name() -> None:
    assert name_keys_of_dn(r"cn=Last\, First+uid=fl,ou=people,dc=mi") == {"last,first", "fl"}


@given(st.text(alphabet="ab,\\+= é", min_size=1, max_size=8))
def test_a_dn_falls_into_its_own_name_and_the_rest(value: str) -> None:
    own, parent = names.rdn_and_parent(names.dn_in("ou=people,dc=mi", "uid", value))
    assert parent == "ou=people,dc=mi"
    assert own == names.rdn("uid", value)


@given(st.lists(st.tuples(st.booleans(), TEXTS)))
def test_names_stay_in_order_as_they_come_and_go(changes: list[tuple[bool, str]]) -> None:
    held, expected = SortedNames(), set[str]()
    held.fill(())
    for comes, name in changes:
        if comes and name:
            held.add(name)
            expected.add(name)
        else:
            held.discard(name)
            expected.discard(name)
        assert held.shown() == in_order(expected)


@given(st.lists(st.tuples(st.integers(1, 250), st.binary(max_size=300))))
def test_ber_is_read_as_it_was_written(parts: list[tuple[int, bytes]]) -> None:
    data = b"".join(ber.element(tag, content) for tag, content in parts)
    assert list(ber.contents(data)) == parts


@given(st.integers(0, 2**40))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert int.from_bytes(ber.integer(number), "big", signed=True) == number


def test_whoever_is_held_lies_in_a_base_or_below_a_place() -> None:
    bases, places = ["ou=people,dc=mi"], ["ou=in,ou=people,dc=mi", r"ou=a\2C b,ou=people,dc=mi"]
    known = [*bases, *places, "OU=People,dc=mi", r"ou=A\, B, ou=people,dc=mi"]
    containers = Containers()
    for number, dn in enumerate(places):
        containers.changed(number.to_bytes(16), Entry(dn, {}))
    assert containers.unknown(known, bases) == set()
    fresh = "ou=new,ou=people,dc=mi"
    assert containers.unknown([fresh, "dc=mi"], bases) == {fresh}
