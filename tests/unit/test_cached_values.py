"""When a value that was read from a database may be returned again."""

from __future__ import annotations

from mi_ldap.sql.change_checks import Check
from mi_ldap.sql.read_cache import CachedValue

STATE = ("db-1", 1, "start", "10:10:")


def test_a_value_is_valid_if_nothing_has_changed_from_before_the_read_to_a_check_after_it() -> None:
    value = CachedValue(STATE, read_at=5.0, value="bob")
    assert value.is_valid(Check(5.0, STATE))
    assert value.is_valid(Check(9.0, STATE))


def test_a_value_is_not_valid_if_the_check_was_sent_before_the_read_had_ended() -> None:
    assert not CachedValue(STATE, read_at=5.0, value="bob").is_valid(Check(4.9, STATE))


def test_a_value_is_not_valid_in_another_state() -> None:
    value = CachedValue(STATE, read_at=5.0, value="bob")
    assert not value.is_valid(Check(9.0, ("db-1", 1, "start", "10:11:")))
    assert not value.is_valid(Check(9.0, ("db-1", 2, "start", "10:10:")))
