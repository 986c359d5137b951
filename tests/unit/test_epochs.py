"""The value kept with each user: what is renewed, and what stays whatever is renewed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.directory import epochs

Change = Callable[[str], str]

RENEWALS: list[Change] = [
    lambda stored: epochs.renewed(stored, keeps_mark=False),
    lambda stored: epochs.renewed(stored, keeps_mark=True),
    lambda stored: epochs.marked(epochs.RESETTING, stored),
    lambda stored: epochs.marked(epochs.LEAVING, stored),
]
CHANGES: list[Change] = [*RENEWALS, epochs.swapped]
FIRST = ["", epochs.fresh(), epochs.marked(epochs.UNFINISHED), ".1c20aa57"]

changes = st.lists(st.sampled_from(CHANGES), max_size=5)


@given(st.sampled_from(FIRST), changes)
def test_nobody_has_an_appointment_without_having_been_made_an_admin(
    stored: str, done: list[Change]
) -> None:
    for change in done:
        stored = change(stored)
        assert epochs.appointment(stored) == ""
        assert epochs.is_ours(stored)


@given(st.sampled_from(FIRST), changes, changes)
def test_an_appointment_stays_whatever_is_renewed(
    stored: str, before: list[Change], after: list[Change]
) -> None:
    for change in before:
        stored = change(stored)
    stored = epochs.appointed(stored)
    appointment = epochs.appointment(stored)
    assert appointment
    for change in after:
        stored = change(stored)
        assert epochs.appointment(stored) == appointment
        assert epochs.is_ours(stored)
    assert epochs.appointment(epochs.appointed(stored)) not in {"", appointment}


@given(st.sampled_from(FIRST), changes)
def test_an_appointment_ends_no_token_and_keeps_every_mark(stored: str, done: list[Change]) -> None:
    for change in done:
        stored = change(stored)
    adopted = epochs.appointed(stored, anew=False)
    assert epochs.appointment(adopted) == epochs.ADOPTED
    appointed = epochs.appointed(adopted)
    assert epochs.digest(appointed) == epochs.digest(stored)
    assert epochs.is_busy(appointed) == epochs.is_busy(stored)
    assert epochs.is_new(appointed) == epochs.is_new(stored)
    assert appointed != epochs.appointed(stored)


@pytest.mark.parametrize("renew", RENEWALS)
def test_a_renewal_ends_the_tokens_of_an_appointed_user_too(renew: Change) -> None:
    stored = epochs.appointed(epochs.fresh())
    assert epochs.digest(renew(stored)) != epochs.digest(stored)


@pytest.mark.parametrize("kind", [epochs.UNFINISHED, epochs.RESETTING, epochs.LEAVING])
@pytest.mark.parametrize(("age_s", "is_busy"), [(0, True), (59, True), (62, False), (-62, False)])
def test_no_mark_has_an_effect_for_more_than_a_minute(kind: str, age_s: int, is_busy: bool) -> None:
    """Nor has one that was made before the clock was set back."""
    stored = f"{kind}{time.time() - age_s:.0f}:0123456789abcdef"
    assert epochs.is_busy(stored) is is_busy
    assert epochs.is_old(stored) is (age_s > 60)


def test_a_creation_is_known_by_its_mark() -> None:
    mark = "0123456789abcdef"
    assert epochs.creation_mark(epochs.unfinished(mark)) == mark
    assert epochs.creation_mark(epochs.swapped(epochs.unfinished(mark))) == mark
    for stored in ("", mark, f"resetting:1795284684:{mark}", f"unfinished:x:{mark}", "unfinished:"):
        assert epochs.creation_mark(stored) == ""
