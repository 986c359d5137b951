"""docs/doctor.md holds what the doctor says today."""

from __future__ import annotations

import re
from pathlib import Path

from mi_ldap.checks import CHECKS
from mi_ldap.checks.database import DATABASE_CHECKS
from tests.checks.examples import EXAMPLES, PAGE, filled


def test_the_examples_in_the_docs_are_up_to_date(tmp_path: Path) -> None:
    def said(name: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        return EXAMPLES[name](folder)

    page = PAGE.read_text()
    assert set(re.findall(r"<!-- example: (\w+) -->", page)) == set(EXAMPLES)
    assert filled(page, said) == page, "run scripts/doctor-examples"


def test_each_check_has_a_section_in_the_docs() -> None:
    rows = set(re.findall(r"(?m)^### `([a-z-]+)`", PAGE.read_text()))
    more = {"configuration", "address", "certificate", "bind", "replicas", "first-admin"}
    of_databases = {check.name for check in DATABASE_CHECKS} | {"account", "layout"}
    assert rows == {check.name for check in CHECKS} | more | of_databases | {
        "fix-members",
        "secondary-stores",
        "hybrid-roles",
        "icp",
        "authorization",
    }
