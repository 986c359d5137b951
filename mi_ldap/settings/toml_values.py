"""The values of a TOML by key, under one name for each key.

Each table of an array, such as `[[micro_integrator]]`, has a name of its own. In the environment
its keys are `MI_LDAP_<SECTION>__<NAME>__<KEY>`, with the name as of `variable_part`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator, Mapping
from pathlib import Path

from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.registry import PATHS, SECTIONS, SETTINGS, dotted, ignored_part, official_path
from mi_ldap.settings.sources import Tree, variable_of

# MI resolves them with its keystore, the environment or its own keys.
_PLACEHOLDER = re.compile(r"\$(?:secret|env|ref|sys)\{")


def collect_values(tree: Tree, folder: Path) -> tuple[dict[KeyPath, object], list[str]]:
    """Return the values by key, and a sentence for each key that is set twice.

    Args:
        tree: the tables of the TOML.
        folder: where relative paths in it begin.
    """
    values: dict[KeyPath, object] = {}
    spelled: dict[KeyPath, KeyPath] = {}
    problems: list[str] = []
    # Deepest first: a key of [user_store] overrides the same one in [user_store.properties].
    for spelling, value in sorted(_leaves(tree), key=lambda leaf: -len(leaf[0])):
        path = official_path(spelling)
        if value == "" and len(path) > 1 and not ignored_part(path):
            continue  # MI's own file has '' for "not set"
        if path in spelled and len(spelled[path]) == len(spelling):
            problems.append(f"{dotted(path)} is set twice, under two names: keep one.")
            continue
        is_relative = path in PATHS and isinstance(value, str)
        values[path] = str(folder / str(value)) if is_relative else value
        spelled[path] = spelling
    return values, problems


def _leaves(tree: Tree, above: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Yield all that is not a section: keys, and tables that this service does not know."""
    for name, value in tree.items():
        path = (*above, name)
        if isinstance(value, dict) and path in SECTIONS:
            yield from _leaves(value, path)
        else:
            yield path, value


def find_placeholders(values: Mapping[KeyPath, object], covered: Container[KeyPath]) -> list[str]:
    """Return a sentence for each placeholder of MI that no environment variable replaces."""
    return [
        f"{dotted(path)} contains a placeholder such as $secret{{…}}, which only MI resolves: "
        f"write the value itself, or set {variable_of(path)} or {variable_of(path)}_FILE."
        for path in SETTINGS
        if path not in covered
        and isinstance(text := values.get(path), str)
        and _PLACEHOLDER.search(text)
    ]


def has_placeholder(text: str) -> bool:
    """Whether it contains a placeholder that only MI resolves."""
    return _PLACEHOLDER.search(text) is not None


def nest(values: Mapping[KeyPath, object]) -> Tree:
    """Return the values as a tree like TOML's."""
    tree: Tree = {}
    for path, value in values.items():
        table = tree
        for name in path[:-1]:
            inner = table.setdefault(name, {})
            # A section with a value of its own, `server = 5`, keeps it, to be reported.
            table = inner if isinstance(inner, dict) else {}
        table[path[-1]] = value
    return tree


def tables_of(tree: Tree, section: str) -> list[object]:
    """Return the items of an array of tables; a single table, or another value, is one item."""
    given = tree.get(section, [])
    return given if isinstance(given, list) else [given]


def keys_in_environment(name: str, in_environment: Mapping[KeyPath, str]) -> Tree:
    """Return the keys that variables set for the table of that name, which is in lower case."""
    return {path[2]: text for path, text in in_environment.items() if path[1] == name}


def placeholder_problems(section: str, name: str, keys: Tree) -> Iterator[str]:
    """Yield a sentence for each placeholder of MI in a table."""
    for key, value in keys.items():
        if isinstance(value, str) and _PLACEHOLDER.search(value):
            variable = variable_of((section, name, key))
            yield (
                f"{section}.{key} contains a placeholder such as $secret{{…}}, which only MI "
                f"resolves: write the value itself, or set {variable} or {variable}_FILE."
            )


def unknown_names(
    noun: str, names: Collection[str], in_environment: Mapping[KeyPath, str]
) -> Iterator[str]:
    """Yield a sentence for each variable of a table that does not exist.

    Args:
        noun: what a table describes, and which of its keys is its name.
        names: of the tables, in lower case.
        in_environment: the values of variables of that section.
    """
    for path in in_environment:
        if path[1] not in names:
            yield f"{variable_of(path)} names no {noun} in capitals, with _ for . and -."
