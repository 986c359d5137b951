"""The docs against the code: links, paths, log events, commands.

The build of the site does not check all links.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import create_autospec

import click
import pytest
import yaml
from click.testing import CliRunner

from mi_ldap.checks.context import CheckContext, Listed
from mi_ldap.cli.root import mi
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.ldap.messages import Entry
from mi_ldap.serving.commands import main
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


def calls(*methods: str) -> Iterator[ast.Call]:
    """The calls of these methods in the service."""
    for path in (ROOT / "mi_ldap").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in methods
            ):
                yield node


def logged(*levels: str) -> set[str]:
    """The events that are logged with one of these levels."""
    return {
        call.args[0].value
        for call in calls(*levels)
        if ast.unparse(call.func).startswith("log.")
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def documented(text: str) -> set[str]:
    """The names in code spans."""
    return set(re.findall(r"`([a-z][a-z0-9_]*)`", text))


def test_the_docs_name_every_event_that_an_operator_may_have_to_act_on() -> None:
    docs = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    events = logged("warning", "error", "exception", "critical")
    assert len(events) >= 80
    assert sorted(events - documented(docs)) == []


def test_the_table_of_events_names_none_that_does_not_exist() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    table = text[text.index("| in the log | means |") : text.index("## Memory")]
    first_cells = "".join(re.findall(r"(?m)^\| (`[^|]+) \|", table))
    code = {
        node.value
        for path in (ROOT / "mi_ldap").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(documented(first_cells) - code) == []


def test_the_page_of_the_audit_log_has_every_action_and_outcome() -> None:
    signature = (ROOT / "mi_ldap/state/audit.py").read_text(encoding="utf-8")
    arguments = signature[signature.index("action: `created`") : signature.index("reason: why it")]
    named = documented(arguments)
    assert len(named) >= 20
    assert sorted(named - documented((DOCS / "audit.md").read_text(encoding="utf-8"))) == []
    written = {
        argument.value
        for call in calls("change", "write", "refused")
        if "audit" in ast.unparse(call.func)
        for argument in call.args[1:3]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    assert sorted(written - named) == []


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, and of every alias of one."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def test_the_page_of_mi_has_every_command_and_alias() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    synopsis, rest = text[: text.index("```\n\n")], text[text.index("```\n\n") :]
    words = set(re.findall(r"[a-z][a-z-]*", synopsis))
    assert [each for each in commands(mi) if not words.issuperset(each)] == []
    groups = [mi, *(each for each in mi.commands.values() if isinstance(each, click.Group))]
    aliases = {alias for group in groups for alias in getattr(group, "aliases", ())}
    assert len(aliases) >= 10
    spans = set(re.findall(r"`(?:mi node )?([a-z-]+)`", rest))
    assert sorted(aliases - spans) == []


def test_the_page_of_mi_has_every_option() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    options = {
        option
        for group in [mi, *(each for each in mi.commands.values() if isinstance(each, click.Group))]
        for command in [group, *group.commands.values()]
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in [min(parameter.opts, key=len)]
    }
    assert len(options) >= 15
    assert sorted(each for each in options if each not in text) == []


def test_operations_names_every_command_of_the_service() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    for words in commands(main):
        assert f"`mi-ldap {' '.join(words)}" in text


@pytest.mark.parametrize("group", [[], ["database"]])
def test_the_help_of_the_service_shows_whole_sentences(group: list[str]) -> None:
    """Click cuts a summary that does not fit into a line, and adds dots."""
    # On a terminal of 80 columns click uses 78.
    shown = CliRunner().invoke(main, [*group, "--help"], terminal_width=78).output
    assert "..." not in shown[shown.index("Commands:") :]
