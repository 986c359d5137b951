"""The tables of `[[secondary_user_store]]`, and the variables that complete them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings.database import choose_datasource
from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.errors import explain
from mi_ldap.settings.jdbc import with_absolute_files
from mi_ldap.settings.registry import ignored_part, is_custom_statement
from mi_ldap.settings.secondary import SAME_DOMAIN, SECTION, SecondaryStoreSettings
from mi_ldap.settings.sources import Tree, variable_part
from mi_ldap.settings.toml_values import (
    collect_values,
    keys_in_environment,
    placeholder_problems,
    tables_of,
    unknown_names,
)
from mi_ldap.settings.userstores_xml import read_user_store_files

_AS_IN = "user_store"
_WITHOUT_EFFECT: Final = ("driver", "description")
_NOUN: Final = "secondary user store: after the section comes its domain"
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
    tables = [(None, table) for table in tables_of(tree, SECTION)]
    in_files = read_user_store_files(user_stores_dir) if user_stores_dir else []
    values: list[object] = []
    domains: list[str] = []
    enabled: set[str] = set()
    problems: list[str] = []
    for file, table in (*tables, *in_files):
        if not isinstance(table, dict):
            values.append(table)  # the model refuses it
            continue
        keys, wrong = _read_table(table, tree, folder)
        part = variable_part(str(keys.get("domain", ""))).lower()
        keys |= keys_in_environment(part, in_environment)
        wrong += placeholder_problems(SECTION, part, keys)
        is_disabled = str(keys.get("disabled")).lower() == "true"
        if file:
            if part in enabled and not is_disabled:
                wrong.append(SAME_DOMAIN)
            wrong = [f"{file}: {sentence}" for sentence in wrong or _mistakes(keys)]
        if not (file and wrong):  # the sentences of the whole configuration name no file
            values.append(keys)
        domains.append(part)
        if not is_disabled:
            enabled.add(part)
        problems += wrong
    problems += unknown_names(_NOUN, domains, in_environment)
    return values, problems


def _read_table(table: Tree, tree: Tree, folder: Path) -> tuple[Tree, list[str]]:
    values, problems = collect_values({_AS_IN: table}, folder)
    problems += [
        f"{SECTION}: {path[-1]} is an SQL statement of its own, which this service does not run: "
        "remove it, if users and roles are in MI's tables as MI creates them."
        for path, value in values.items()
        if value != "" and is_custom_statement(path)
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


def _mistakes(keys: Tree) -> list[str]:
    try:
        SecondaryStoreSettings.model_validate(keys)
    except ValidationError as error:
        return explain(error, {}, None)
    return []
