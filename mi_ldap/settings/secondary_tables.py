"""The tables of `[[secondary_user_store]]`, and the variables that complete them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings.database import choose_datasource
from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.errors import explain
from mi_ldap.settings.jdbc import with_absolute_files
from mi_ldap.settings.registry import ignored_part, is_custom_statement
from mi_ldap.settings.secondary import SECTION, SecondaryStoreSettings, variable_part
from mi_ldap.settings.sources import Tree, variable_of
from mi_ldap.settings.toml_values import collect_values, has_placeholder
from mi_ldap.settings.userstores_xml import read_user_store_files

_AS_IN = "user_store"
_WITHOUT_EFFECT: Final = ("driver", "description")
_OF_DATASOURCE: Final = ("url", "username", "password", "max_active")


def read_secondary_stores(
    tree: Tree, folder: Path, in_environment: Mapping[KeyPath, str], user_stores_dir: Path | None
) -> tuple[list[object], list[str]]:
    """Return the tables with the names of the model's keys, and a sentence for each mistake.

    Args:
        tree: the tables of the TOML.
        folder: where relative paths in it begin.
        in_environment: the values of `MI_LDAP_SECONDARY_USER_STORE__<DOMAIN>__<KEY>`.
        user_stores_dir: MI's own files, which come after the tables of the TOML.

    Raises:
        ConfigurationError: one of MI's files is no description of a user store.
    """
    given = tree.get(SECTION, [])
    tables = [(None, table) for table in (given if isinstance(given, list) else [given])]
    in_files = read_user_store_files(user_stores_dir) if user_stores_dir else []
    values: list[object] = []
    domains: list[str] = []
    problems: list[str] = []
    for file, table in (*tables, *in_files):
        if not isinstance(table, dict):
            values.append(table)  # the model refuses it
            continue
        keys, wrong = _read_table(table, tree, folder)
        part = variable_part(str(keys.get("domain", ""))).lower()
        keys |= {path[2]: text for path, text in in_environment.items() if path[1] == part}
        domains.append(part)
        wrong += _placeholders(keys, part)
        if file:
            wrong = [f"{file}: {sentence}" for sentence in wrong or _mistakes(keys)]
        if not (file and wrong):  # the sentences of the whole configuration name no file
            values.append(keys)
        problems += wrong
    problems += _unknown_domains(domains, in_environment)
    return values, problems


def _read_table(table: Tree, tree: Tree, folder: Path) -> tuple[Tree, list[str]]:
    values, problems = collect_values({_AS_IN: table}, folder)
    problems += [
        f"{SECTION}: {path[-1]} is an SQL statement of its own, which this service does not run: "
        "remove it, if users and roles are in MI's tables as MI creates them."
        for path in values
        if is_custom_statement(path)
    ]
    ours = {path: value for path, value in values.items() if not ignored_part(path)}
    keys = {path[-1]: value for path, value in ours.items() if path[-1] not in _WITHOUT_EFFECT}
    if isinstance(url := keys.get("url"), str):
        keys["url"] = with_absolute_files(url, folder)
    source = keys.pop("data_source", None)
    if source is None:
        return keys, problems
    try:
        return {**_datasource(tree, str(source), folder), **keys}, problems
    except ConfigurationError:
        return keys, [
            *problems,
            f"{SECTION}.data_source must be the id of one [[datasource]]: correct one of them.",
        ]


def _datasource(tree: Tree, wanted: str, folder: Path) -> Tree:
    chosen = choose_datasource({"datasource": [], **tree}, wanted, folder)
    values, _ = collect_values({"datasource": chosen["datasource"]}, folder)
    return {path[1]: value for path, value in values.items() if path[1] in _OF_DATASOURCE}


def _placeholders(keys: Tree, part: str) -> Iterator[str]:
    for name, value in keys.items():
        if isinstance(value, str) and has_placeholder(value):
            variable = variable_of((SECTION, part, name))
            yield (
                f"{SECTION}.{name} contains a placeholder such as $secret{{…}}, which only MI "
                f"resolves: write the value itself, or set {variable} or {variable}_FILE."
            )


def _mistakes(keys: Tree) -> list[str]:
    try:
        SecondaryStoreSettings.model_validate(keys)
    except ValidationError as error:
        return explain(error, {}, None)
    return []


def _unknown_domains(
    domains: Sequence[str], in_environment: Mapping[KeyPath, str]
) -> Iterator[str]:
    for path in in_environment:
        if path[1] not in domains:
            yield (
                f"{variable_of(path)} names no secondary user store: after the section comes its "
                "domain in capitals, with _ for . and -."
            )
