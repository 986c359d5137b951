"""The imports between the modules of mi_ldap."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]


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


def test_no_module_imports_itself_through_others() -> None:
    files = modules()
    graph = {name: imports_of(file, set(files)) for name, file in files.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, with the modules of the circle
