"""Sources reduced to this service's keys, and merged."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mi_ldap.settings.deployment import SECTIONS_OF_MI, KeyPath
from mi_ldap.settings.registry import (
    PATHS,
    SECTIONS,
    SETTINGS,
    dotted,
    has_no_effect,
    official_path,
    unknown_key,
)
from mi_ldap.settings.sources import Tree, variable_of

# MI resolves them with its keystore, the environment or its own keys.
_PLACEHOLDER = re.compile(r"\$(?:secret|env|ref|sys)\{")


@dataclass(frozen=True)
class Layer:
    """The content of one source.

    Attributes:
        tree: this service's sections, without empty values.
        unused: MI's keys without effect, dotted.
        foreign: MI's sections without effect.
        problems: sentences about keys that are not valid.
    """

    tree: Tree = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_layer(tree: Tree, folder: Path) -> Layer:
    """Return the content of a source, whose relative paths begin at the folder."""
    layer = Layer()
    for name, content in _spread_properties(tree).items():
        if name in SECTIONS_OF_MI:
            layer.foreign.append(name)
        elif name not in SECTIONS:
            layer.problems.append(unknown_key((name,)))
        elif isinstance(content, dict):
            # Values that are not tables are reported by the model, with all other mistakes.
            layer.tree[name] = _keep_ours(layer, content, (name,), folder)
        else:
            layer.tree[name] = content
    return layer


def _keep_ours(layer: Layer, table: Tree, above: KeyPath, folder: Path) -> Tree:
    kept: Tree = {}
    for name, value in table.items():
        path = official_path((*above, name))
        if has_no_effect(path):
            layer.unused.append(dotted(path))
        elif path[-1] in kept:
            layer.problems.append(f"{dotted(path)} is there twice, under two names: keep one.")
        elif isinstance(value, dict):
            kept[path[-1]] = _keep_ours(layer, value, path, folder)
        elif value != "":
            # MI's own file has '' for "not set".
            kept[path[-1]] = _anchor(path, value, folder)
    return kept


def _anchor(path: KeyPath, value: object, folder: Path) -> object:
    return str(folder / value) if path in PATHS and isinstance(value, str) else value


def _spread_properties(tree: Tree) -> Tree:
    """Move the values of `[user_store.properties]` to the keys themselves."""
    # MI turns `connection_url` into the property `ConnectionURL`; some files have the latter.
    store = tree.get("user_store")
    if not isinstance(store, dict) or not isinstance(store.get("properties"), dict):
        return tree
    ours = {path[1].replace("_", ""): path[1] for path in SETTINGS if path[0] == "user_store"}
    ours["starttlsenabled"] = "start_tls"
    properties = {ours.get(name.lower(), name): name for name in store["properties"]}
    moved = {key: store["properties"][name] for key, name in properties.items() if key != name}
    rest = {key: store["properties"][key] for key, name in properties.items() if key == name}
    spread = {**moved, **store, "properties": rest}
    if not rest:
        del spread["properties"]
    return {**tree, "user_store": spread}


def merge(below: Tree, above: Tree) -> Tree:
    """Return `below` with the values of `above`; a value of a wrong type stays, to be reported."""
    merged = dict(below)
    for name, value in above.items():
        under = below.get(name, {})
        if not isinstance(value, dict):
            merged[name] = value
        elif isinstance(under, dict):
            merged[name] = merge(under, value)
    return merged


def find_placeholders(tree: Tree, covered: frozenset[KeyPath]) -> list[str]:
    """Return a sentence for each placeholder of MI that no environment variable replaces."""
    return [
        f"{dotted(path)} holds a placeholder such as $secret{{…}}, which only MI fills in: "
        f"write the value itself, or set {variable_of(path)} or {variable_of(path)}_FILE."
        for path in SETTINGS
        if path not in covered and _PLACEHOLDER.search(_text_at(tree, path))
    ]


def _text_at(tree: Tree, path: KeyPath) -> str:
    value: Any = tree
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
