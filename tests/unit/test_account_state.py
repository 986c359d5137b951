"""The value kept with each user: what is renewed, and what stays whatever is renewed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap import account_state

Change = Callable[[str], str]

RENEWALS: list[Change] = [
    lambda stored: account_state.renewed(stored, keeps_mark=False),
    lambda stored: account_state.renewed(stored, keeps_mark=True),
    lambda stored: account_state.marked(account_state.RESETTING, stored),
    lambda stored: account_state.marked(account_state.DELETING, stored),
]
CHANGES: list[Change] = [*RENEWALS, account_state.swapped]
FIRST = ["", account_state.new_nonce(), account_state.marked(account_state.UNFINISHED), ".1c20aa57"]

changes = st.lists(st.sampled_from(CHANGES), max_size=5)


@given(st.sampled_from(FIRST), changes)
def test_nobody_has_an_appointment_without_having_been_made_an_admin(
    stored: str, done: list[Change]
) -> None:
    for change in done:
        stored = change(stored)
        assert account_state.appointment(stored) == ""
        assert account_state.is_ours(stored)


@given(st.sampled_from(FIRST), changes, changes)
def test_an_appointment_stays_whatever_is_renewed(
    stored: str, before: list[Change], after: list[Change]
) -> None:
    for change in before:
        stored = change(stored)
    stored = account_state.appointed(stored)
    appointment = account_state.appointment(stored)
    assert appointment
    for change in after:
        stored = change(stored)
        assert account_state.appointment(stored) == appointment
        assert account_state.is_ours(stored)
    assert account_state.appointment(account_state.appointed(stored)) not in {"", appointment}


@given(st.sampled_from(FIRST), changes)
def test_an_appointment_ends_no_token_and_keeps_every_mark(stored: str, done: list[Change]) -> None:
    for change in done:
        stored = change(stored)
    adopted = account_state.appointed(stored, is_promotion=False)
    assert account_state.appointment(adopted) == account_state.ADOPTED
    appointed = account_state.appointed(adopted)
    assert account_state.digest(appointed) == account_state.digest(stored)
    assert account_state.is_busy(appointed) == account_state.is_busy(stored)
    assert account_state.is_new(appointed) == account_state.is_new(stored)
    assert appointed != account_state.appointed(stored)


@pytest.mark.parametrize("renew", RENEWALS)
def test_a_renewal_ends_the_tokens_of_an_appointed_user_too(renew: Change) -> None:
    stored = account_state.appointed(account_state.new_nonce())
    assert account_state.digest(renew(stored)) != account_state.digest(stored)


@pytest.mark.parametrize(
    "kind", [account_state.UNFINISHED, account_state.RESETTING, account_state.DELETING]
)
@pytest.mark.parametrize(("age_s", "is_busy"), [(0, True), (59, True), (62, False), (-62, False)])
def test_no_mark_has_an_effect_for_more_than_a_minute(kind: str, age_s: int, is_busy: bool) -> None:
    """Nor has one that was made before the clock was set back."""
    stored = f"{kind}{time.time() - age_s:.0f}:0123456789abcdef"
    assert account_state.is_busy(stored) is is_busy
    assert account_state.is_old(stored) is (age_s > 60)


def test_a_creation_is_known_by_its_mark() -> None:
    mark = "0123456789abcdef"
    assert account_state.creation_mark(account_state.unfinished(mark)) == mark
    assert (
        account_state.creation_mark(account_state.swapped(account_state.unfinished(mark))) == mark
    )
    for stored in ("", mark, f"resetting:1795284684:{mark}", f"unfinished:x:{mark}", "unfinished:"):
        assert account_state.creation_mark(stored) == ""


@pytest.mark.parametrize("time", ["", "²", "9" * 400, "9" * 5000, "-1", "1e9", "١٢٣"])
def test_a_mark_with_another_text_than_a_time_has_no_effect(time: str) -> None:
    stored = f"resetting:{time}:9f5d02a1c3e47b68"
    assert not account_state.is_busy(stored)
    assert not account_state.is_old(stored)
