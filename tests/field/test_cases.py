"""Every promise holds on every tree of the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.case import Case
from tests.field.catalogue import CASES, checks_of
from tests.field.place import running

_EVERY = [(case, column) for case in CASES for column in checks_of(case)]


@pytest.mark.parametrize(
    ("case", "column"),
    _EVERY,
    ids=[f"{case.name}-{case.title}-{column}" for case, column in _EVERY],
)
def test_the_service_does_what_it_must(case: Case, column: str, tmp_path: Path) -> None:
    with running(case, tmp_path) as field:
        checks_of(case)[column](field)
