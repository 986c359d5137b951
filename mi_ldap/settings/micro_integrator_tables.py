"""Reading of `[[micro_integrator]]` from the TOML file and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.micro_integrator import SECTION
from mi_ldap.settings.sources import Tree, variable_part
from mi_ldap.settings.toml_values import (
    collect_values,
    keys_in_environment,
    placeholder_problems,
    tables_of,
    unknown_names,
)

_NOUN: Final = "[[micro_integrator]]: after the section comes its id"


def read_micro_integrators(
    tree: Tree, folder: Path, in_environment: Mapping[KeyPath, str]
) -> tuple[list[object], list[str]]:
    """Return the tables of `[[micro_integrator]]`, and a sentence for each mistake.

    Args:
        tree: the tables of the TOML.
        folder: where relative paths in it begin.
        in_environment: the values of `MI_LDAP_MICRO_INTEGRATOR__<ID>__<KEY>`.
    """
    values: list[object] = []
    names: list[str] = []
    problems: list[str] = []
    for table in tables_of(tree, SECTION):
        if not isinstance(table, dict):
            values.append(table)  # the model refuses it
            continue
        found, wrong = collect_values({SECTION: table}, folder)
        keys = {path[-1]: value for path, value in found.items()}
        name = variable_part(str(keys.get("id", ""))).lower()
        keys |= keys_in_environment(name, in_environment)
        names.append(name)
        values.append(keys)
        problems += [*wrong, *placeholder_problems(SECTION, name, keys)]
    problems += unknown_names(_NOUN, names, in_environment)
    return values, problems
