"""Links and paths in the docs, which the build of the site does not check all."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import create_autospec

import pytest
import yaml

from mi_ldap.checks.context import CheckContext, Listed
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.ldap.messages import Entry
from tests.checks import test_members

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_exists(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_site_has_every_page() -> None:
    def pages(tree: Any) -> list[str]:
        if isinstance(tree, str):
            return [tree]
        branches = tree if isinstance(tree, list) else tree.values()
        return [page for branch in branches for page in pages(branch)]

    nav = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(nav) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_index_links_to_every_page() -> None:
    links = set(re.findall(r"\]\(([^)#]+)", (DOCS / "index.md").read_text(encoding="utf-8")))
    assert links == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"index.md"}


def test_contributing_names_paths_that_exist() -> None:
    named = re.findall(
        r"`((?:mi_ldap|docs|tests|scripts)/[\w./-]+|[A-Z]+\.md|\.[\w-]+\.yaml)", CONTRIBUTING
    )
    assert len(named) >= 10
    new = "mi_ldap/checks/empty_roles.py"
    assert new in named
    assert [path for path in named if path != new and not (ROOT / path).exists()] == []


def example(start: str) -> str:
    """The indented block of CONTRIBUTING.md that has a line with this beginning."""
    blocks = re.findall(r"(?m)(?:^ {4}.*\n|^\n+(?= {4}))+", CONTRIBUTING)
    (found,) = [block for block in blocks if f"    {start}" in block]
    return textwrap.dedent(found)


def test_the_first_change_works_as_written() -> None:
    """Its check runs on what the doctor's context has; its place in the list exists."""
    names: dict[str, Any] = {}
    exec(compile(example("def empty_roles"), "empty_roles.py", "exec"), names)
    layout = create_autospec(DirectoryLayout, role_name="cn")
    layout.members.return_value = []
    entries = [Entry("cn=leftover,dc=mi", {"cn": [b"leftover"]})]
    context = create_autospec(CheckContext, layout=layout, groups=Listed(entries, complete=True))
    (finding,) = names["empty_roles"](context)
    assert (finding.check, finding.sentence) == ("empty-roles", "Nobody has 1 role: leftover.")
    checks = (ROOT / "mi_ldap/checks/__init__.py").read_text(encoding="utf-8")
    assert 'Check("members", members, _CONTENT)' in checks


def test_the_test_of_the_first_change_uses_names_that_exist() -> None:
    names = vars(test_members)
    test = compile(example("def test_roles_without"), "test_members.py", "exec")
    (function,) = [each for each in test.co_consts if isinstance(each, CodeType)]
    assert {name for name in function.co_names if name not in names} == set()
