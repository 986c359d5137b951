"""`load_settings`: merges the sources, checks the values, and reports every mistake at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings.environment import nest, read_environment
from mi_ldap.settings.errors import explain
from mi_ldap.settings.merge import Layer, find_placeholders, merge, read_layer
from mi_ldap.settings.notes import collect_notes
from mi_ldap.settings.root import Settings
from mi_ldap.settings.sources import (
    Tree,
    locate_config_file,
    locate_state_dir,
    read_toml,
)


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
    values, problems = read_environment(environ)
    file_layer = _read_file_layer(config_file)
    env_layer = read_layer(nest(values), Path.cwd())
    variables = {each.path: each.variable for each in values}
    problems += file_layer.problems
    problems += find_placeholders(file_layer.tree, frozenset(variables))
    tree = merge(file_layer.tree, env_layer.tree)
    base = {"state_dir": locate_state_dir(environ), "config_file": config_file}
    try:
        settings = Settings.model_validate({**_choose_host(tree), **base})
    except ValidationError as error:  # with all mistakes, not only the first
        problems += explain(error, variables, config_file)
    if problems:
        raise ConfigurationError("\n".join(problems))
    unused = {*file_layer.unused, *env_layer.unused}
    foreign = {*file_layer.foreign, *env_layer.foreign}
    notes = collect_notes(settings, sorted(unused), sorted(foreign))
    return settings.model_copy(update={"notes": notes})


def _read_file_layer(config_file: Path | None) -> Layer:
    if config_file is None:
        return Layer()
    return read_layer(read_toml(config_file), config_file.parent)


def _choose_host(tree: Tree) -> Tree:
    """Add the default host: all interfaces, if a directory is configured."""
    # The embedded directory's first login becomes the admin, so it is for this machine only.
    store, server = tree.get("user_store"), tree.get("server", {})
    embedded = not isinstance(store, dict) or "connection_url" not in store
    if embedded or not isinstance(server, dict):
        return tree
    return {**tree, "server": {"host": "0.0.0.0", **server}}  # noqa: S104
