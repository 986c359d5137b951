"""Typed settings: the environment over secret files over TOML over defaults.

`load_settings()` returns an immutable `Settings`, whose attributes are named like the keys of the
TOML (`settings.server.port` is `port` in `[server]`), or raises a `ConfigurationError` with a
sentence for every mistake. No sentence repeats a value, which may be a secret. The table of all
keys is docs/configuration.md. It imports `addresses`, `files`, `locations` and `errors`, and must
know no other package.
"""

from __future__ import annotations

# Not pydantic-settings: see docs/architecture.md.
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings.database import DEFAULT_ID, choose_datasource
from mi_ldap.settings.datasource import has_usable_datasource
from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.environment import read_environment
from mi_ldap.settings.errors import explain
from mi_ldap.settings.micro_integrator import SECTION as MICRO_INTEGRATOR
from mi_ldap.settings.micro_integrator_tables import read_micro_integrators
from mi_ldap.settings.notes import collect_notes, note_on_file
from mi_ldap.settings.registry import (
    SECTIONS,
    dotted,
    ignored_part,
    is_custom_statement,
    is_of_table,
    unknown_key,
    unused_part,
)
from mi_ldap.settings.root import Settings
from mi_ldap.settings.secondary import SECTION as SECONDARY_STORE
from mi_ldap.settings.secondary_tables import read_secondary_stores
from mi_ldap.settings.sections import CorsSettings, ResourceSettings, ServerSettings
from mi_ldap.settings.sources import Tree, locate_config_file, locate_state_dir, read_toml
from mi_ldap.settings.toml_values import collect_values, find_placeholders, nest
from mi_ldap.settings.user_store import UserStoreSettings

__all__ = [
    "CorsSettings",
    "ResourceSettings",
    "ServerSettings",
    "Settings",
    "UserStoreSettings",
    "load_settings",
]


_TYPE = ("user_store", "type")
_STORES_DIR = ("realm_manager", "user_stores_dir")
_DATA_SOURCE = ("realm_manager", "data_source")
_ADMIN_ROLE = ("super_admin", "admin_role")
_ICP_ENABLED = ("icp_config", "enabled")


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration: environment over secret files over TOML over defaults.

    A key is `MI_LDAP_<SECTION>__<KEY>` (deeper sections with further `__`) or, for secrets, the
    content of the file that `MI_LDAP_<SECTION>__<KEY>_FILE` names, without its last line end; not
    both. Then follows the TOML that `MI_LDAP_CONFIG` names, else `config/mi-ldap.toml`. An empty
    value counts as not set. `MI_LDAP_TEST_*` is ignored.

    Raises:
        ConfigurationError: a sentence for each mistake, one a line, without any value.
    """
    config_file = locate_config_file(environ)
    in_environment, problems = read_environment(environ)
    texts = {path: each.text for path, each in in_environment.items()}
    of_tables = {path: texts.pop(path) for path in [*texts] if is_of_table(path)}
    tree, folder = _read_tree(config_file)
    uses_datasource = _uses_datasource(tree, texts)
    in_file, problems_of_file = _read_file(tree, folder, texts, uses_datasource=uses_datasource)
    values = {**in_file, **texts}
    stores_dir = values.get(_STORES_DIR)
    stores, problems_of_stores = read_secondary_stores(
        tree,
        folder,
        _of_section(SECONDARY_STORE, of_tables),
        Path(str(stores_dir)) if stores_dir else None,
    )
    nodes, problems_of_nodes = read_micro_integrators(
        tree, folder, _of_section(MICRO_INTEGRATOR, of_tables)
    )
    is_database = values.get(_TYPE) == "database"
    has_datasource = is_database or ("datasource", "url") in texts or uses_datasource
    uses_icp = str(values.get(_ICP_ENABLED)).strip().lower() == "true"
    unused = {
        path: unused_part(
            path, is_database=is_database, has_datasource=has_datasource, uses_icp=uses_icp
        )
        for path in values
    }
    ours = {path: value for path, value in values.items() if unused[path] is None}
    problems += [
        *problems_of_stores,
        *problems_of_nodes,
        *problems_of_file,
        *_custom_statements(values, is_database=is_database),
    ]
    problems += find_placeholders(ours, in_environment)
    variables = {path: each.variable for path, each in in_environment.items()}
    base = {"state_dir": locate_state_dir(environ), "config_file": config_file}
    tables = {SECONDARY_STORE: stores, MICRO_INTEGRATOR: nodes}
    try:
        settings = Settings.model_validate({**_nest(ours), **base, **tables})
    except ValidationError as error:  # with all mistakes, not only the first
        problems += explain(error, variables, config_file)
    if problems:
        raise ConfigurationError("\n".join(problems))
    ignored = {part for part in unused.values() if part}
    if any(isinstance(each, dict) and each.get("url") for each in stores):
        ignored.discard(("datasource",))  # a secondary store may be in one
    notes = collect_notes(settings, ignored)
    if config_file and (note := note_on_file(config_file, tree)):
        notes += (note,)
    return settings.model_copy(update={"notes": notes})


def _of_section(section: str, texts: Mapping[KeyPath, str]) -> dict[KeyPath, str]:
    return {path: text for path, text in texts.items() if path[0] == section}


def _read_tree(config_file: Path | None) -> tuple[Tree, Path]:
    """Return the tables of the TOML, and the folder where relative paths in it begin."""
    return (read_toml(config_file), config_file.parent) if config_file else ({}, Path())


def _read_file(
    tree: Tree, folder: Path, in_environment: Mapping[KeyPath, str], *, uses_datasource: bool
) -> tuple[dict[KeyPath, object], list[str]]:
    tables = (SECONDARY_STORE, MICRO_INTEGRATOR)
    others = {name: value for name, value in tree.items() if name not in tables}
    if uses_datasource:
        others = choose_datasource(others, _datasource_id(tree, in_environment), folder)
    elif ("datasource", "url") in in_environment:
        others.pop("datasource", None)  # of other ids: the one that is used is in the environment
    values, problems = collect_values(others, folder)
    # Further below the models report what is unknown. Here they would take state_dir for their own.
    unknown = [p for p in values if len(p) == 1 and p not in SECTIONS and not ignored_part(p)]
    known = {path: value for path, value in values.items() if path not in unknown}
    return known, [*map(unknown_key, unknown), *problems]


def _uses_datasource(tree: Tree, in_environment: Mapping[KeyPath, str]) -> bool:
    """Whether the `[[datasource]]` of the TOML is used.

    With a directory it holds the hybrid roles. MI's own database H2, which many installations name
    there, is left out.
    """
    if (in_environment.get(_TYPE) or _text_at(tree, _TYPE)) == "database":
        return True
    replaced = {path[1] for path in in_environment if path[0] == "datasource"}
    admin_role = in_environment.get(_ADMIN_ROLE) or _text_at(tree, _ADMIN_ROLE)
    wanted = _datasource_id(tree, in_environment)
    return has_usable_datasource(tree, wanted, replaced, keeps_admins="/" in admin_role)


def _datasource_id(tree: Tree, in_environment: Mapping[KeyPath, str]) -> str:
    return in_environment.get(_DATA_SOURCE) or _text_at(tree, _DATA_SOURCE) or DEFAULT_ID


def _text_at(tree: Tree, path: KeyPath) -> str:
    section = tree.get(path[0])
    value = section.get(path[1]) if isinstance(section, dict) else None
    return value.strip() if isinstance(value, str) else ""


def _custom_statements(values: Iterable[KeyPath], *, is_database: bool) -> list[str]:
    return [
        f"{dotted(path)} is an SQL statement of its own, which this service does not run: remove "
        "it, if users and roles are in MI's tables as MI creates them."
        for path in values
        if is_database and is_custom_statement(path)
    ]


def _nest(ours: dict[KeyPath, object]) -> Tree:
    # The embedded directory's first login becomes the admin, so it is for this machine only.
    if ("user_store", "connection_url") in ours or ours.get(_TYPE) == "database":
        ours.setdefault(("server", "host"), "0.0.0.0")  # noqa: S104
    return nest(ours)
