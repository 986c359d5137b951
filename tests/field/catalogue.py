"""All cases, in the order of their modules' names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.field.case import Case, Check
from tests.field.checks import COLUMNS

_MODULES: Final = sorted(
    each.name for each in pkgutil.iter_modules([str(Path(__file__).parent / "cases")])
)

CASES: Final[tuple[Case, ...]] = tuple(
    importlib.import_module(f"tests.field.cases.{name}").CASE for name in _MODULES
)


def checks_of(case: Case) -> Mapping[str, Check]:
    """The general checks, with the case's own in their place or behind them."""
    return {**COLUMNS, **case.checks}
