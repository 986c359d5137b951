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
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.environment import read_environment
from mi_ldap.settings.errors import explain
from mi_ldap.settings.notes import collect_notes
from mi_ldap.settings.registry import SECTIONS, ignored_part, unknown_key
from mi_ldap.settings.root import Settings
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
    in_file, problems_of_file = _read_file(config_file)
    problems += [*problems_of_file, *find_placeholders(in_file, in_environment)]
    variables = {path: each.variable for path, each in in_environment.items()}
    values = {**in_file, **{path: each.text for path, each in in_environment.items()}}
    ignored = {part for path in values if (part := ignored_part(path))}
    base = {"state_dir": locate_state_dir(environ), "config_file": config_file}
    try:
        settings = Settings.model_validate({**_nest_ours(values), **base})
    except ValidationError as error:  # with all mistakes, not only the first
        problems += explain(error, variables, config_file)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return settings.model_copy(update={"notes": collect_notes(settings, ignored)})


def _read_file(config_file: Path | None) -> tuple[dict[KeyPath, object], list[str]]:
    if config_file is None:
        return {}, []
    values, problems = collect_values(read_toml(config_file), config_file.parent)
    # Further below the models report what is unknown. Here they would take state_dir for their own.
    unknown = [p for p in values if len(p) == 1 and p not in SECTIONS and not ignored_part(p)]
    known = {path: value for path, value in values.items() if path not in unknown}
    return known, [*map(unknown_key, unknown), *problems]


def _nest_ours(values: Mapping[KeyPath, object]) -> Tree:
    ours = {path: value for path, value in values.items() if ignored_part(path) is None}
    # The embedded directory's first login becomes the admin, so it is for this machine only.
    if ("user_store", "connection_url") in ours:
        ours.setdefault(("server", "host"), "0.0.0.0")  # noqa: S104
    return nest(ours)
