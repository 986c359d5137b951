"""Links and paths in the docs, which the build of the site does not check all."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

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


def test_the_first_change_uses_names_that_exist() -> None:
    """Its check is compiled and its imports are carried out."""
    blocks = re.findall(r"(?m)(?:^ {4}.*\n|^\n+(?= {4}))+", CONTRIBUTING)
    (check,) = [block for block in blocks if "def empty_roles" in block]
    found: dict[str, Any] = {}
    exec(compile(textwrap.dedent(check), "empty_roles.py", "exec"), found)
    assert callable(found["empty_roles"])
    assert 'Check("members", content.members, _CONTENT)' in (
        ROOT / "mi_ldap/checks/__init__.py"
    ).read_text(encoding="utf-8")
