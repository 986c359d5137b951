"""The imports between the modules of mi_ldap."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]

LONGEST_CHAIN = 15
"""Most modules, each of which imports the next. A reader of the first may have to open all."""


def modules() -> dict[str, Path]:
    files = (ROOT / "mi_ldap").rglob("*.py")
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}
    return {name.removesuffix(".__init__"): file for name, file in names.items()}


def imports_of(file: Path, known: set[str]) -> set[str]:
    """The modules that the file imports, also within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if name in known else node.module for name in names)
    return found & known


@cache
def graph() -> dict[str, set[str]]:
    """Each module of mi_ldap, with those that it imports."""
    files = modules()
    return {name: imports_of(file, set(files)) for name, file in files.items()}


def test_no_module_imports_itself_through_others() -> None:
    TopologicalSorter(graph()).prepare()  # raises CycleError, with the modules of the circle


def test_the_longest_chain_of_imports_is_short() -> None:
    imports, chains = graph(), dict[str, list[str]]()
    for name in TopologicalSorter(imports).static_order():
        chains[name] = [name, *max((chains[each] for each in imports[name]), key=len, default=[])]
    longest = max(chains.values(), key=len)
    assert len(longest) <= LONGEST_CHAIN, "\n".join(["each imports the next:", *longest])
