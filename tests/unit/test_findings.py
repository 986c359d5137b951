"""What the doctor's checks tell of many things."""

from __future__ import annotations

import pytest

from mi_ldap.checks.findings import SHOWN, listed


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, ""),
        (1, "0"),
        (SHOWN, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (SHOWN + 3, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more"),
    ],
)
def test_a_long_list_says_how_many_are_left_out(number: int, expected: str) -> None:
    assert listed([*map(str, range(number))]) == expected
