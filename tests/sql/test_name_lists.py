"""Whole lists and searches, whose names other tools change at any time."""

from __future__ import annotations

from tests.contract.words import make_user
from tests.sql.stores import Place


def test_a_list_is_sorted_again_only_if_it_has_changed(place: Place) -> None:
    store = place.open()
    for name in ("bob", "Alice", "carol"):
        make_user(store, name)
    first = store.user_names()
    assert first.names == ("Alice", "bob", "carol")
    assert store.user_names() is first
    place.execute("UPDATE UM_USER SET UM_USER_NAME = 'Zoe' WHERE UM_USER_NAME = 'bob'")
    assert store.user_names().names == ("Alice", "carol", "Zoe")
    place.execute("DELETE FROM UM_USER_ATTRIBUTE", "DELETE FROM UM_USER")
    assert store.user_names().names == ()


def test_a_search_by_the_beginning_finds_names_in_any_case(place: Place) -> None:
    store = place.open()
    for name in ("alice", "ALIBABA", "al_x", "malice", "\u212aim"):  # the Kelvin sign
        make_user(store, name)
    assert {"alice", "ALIBABA"} <= set(store.user_names("ali*").names)
    assert "al_x" in store.user_names("al_*").names
    assert "malice" in store.user_names("*ali*").names
    # On MariaDB and MySQL too, whose collations distinguish it from a `k`.
    assert "\u212aim" in store.user_names("ki*").names
