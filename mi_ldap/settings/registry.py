"""All keys: this service's from the models, MI's from `deployment`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import get_args

from pydantic.fields import FieldInfo

from mi_ldap.settings import micro_integrator, secondary
from mi_ldap.settings.deployment import KEYS_OF_MI, OTHER_NAMES, SECTIONS_OF_MI, KeyPath
from mi_ldap.settings.root import Settings
from mi_ldap.settings.sources import variable_of
from mi_ldap.settings.types import InputFile, OutputFile, Section


def _leaves(model: type[Section], above: KeyPath = ()) -> Iterator[tuple[KeyPath, FieldInfo]]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from _leaves(inner, (*above, name))
        elif above:
            yield (*above, name), field


_PROPERTIES = ("user_store", "properties")
_POOL_OPTIONS = ("datasource", "pool_options")
_DATABASE_KEYS = "read_only password_digest store_salted_password case_insensitive_username"
_OF_DATABASES = frozenset(("user_store", key) for key in _DATABASE_KEYS.split())
"""Keys that have no effect with a directory."""

_OF_DATASOURCES: frozenset[KeyPath] = frozenset([("datasource",), ("realm_manager", "data_source")])
"""Sections and keys that have no effect without a datasource that can be used."""

SETTINGS: Mapping[KeyPath, FieldInfo] = dict(_leaves(Settings))
_TABLES: Mapping[str, tuple[type[Section], str]] = {
    secondary.SECTION: (secondary.SecondaryStoreSettings, "domain"),
    micro_integrator.SECTION: (micro_integrator.MicroIntegratorSettings, "id"),
}
"""Arrays of tables: the model of one table, and the key that names it."""

_OF_MICRO_INTEGRATORS: Mapping[KeyPath, FieldInfo] = {
    (micro_integrator.SECTION, name): field
    for name, field in micro_integrator.MicroIntegratorSettings.model_fields.items()
}
SECTIONS = frozenset(
    [
        _PROPERTIES,
        _POOL_OPTIONS,
        (micro_integrator.SECTION,),
        *(path[:length] for path in SETTINGS for length in range(1, len(path))),
    ]
)
PATHS = frozenset(
    path
    for path, field in {**SETTINGS, **_OF_MICRO_INTEGRATORS}.items()
    if {InputFile, OutputFile}.intersection(get_args(field.annotation))
)
REMOVED: Mapping[KeyPath, str] = {
    ("user_store", "transactions"): "every change is made step by step, see docs/custody.md"
}
"""Settings of earlier versions, each with the reason for its removal."""

_NAMES = frozenset(
    [
        *SETTINGS,
        *_OF_MICRO_INTEGRATORS,
        *KEYS_OF_MI,
        *OTHER_NAMES,
        *((path[0],) for path in SETTINGS),
        *((section,) for section in _TABLES),
    ]
)
# MI turns `connection_url` into the property `ConnectionURL`; some files have the latter.
_OF_PROPERTIES = {
    "starttlsenabled": ("user_store", "start_tls"),
    **{path[1].replace("_", ""): path for path in SETTINGS if path[0] == "user_store"},
}


def dotted(path: KeyPath) -> str:
    """Return `"user_store.type"`, with control characters escaped."""
    return ".".join(name if name.isprintable() else ascii(name) for name in path)


def ignored_part(path: KeyPath) -> KeyPath | None:
    """Return the key or section of MI without effect that the path is or is in; None if in none."""
    if path[0] in SECTIONS_OF_MI:
        return path[:1]
    above = (path[:length] for length in range(1, len(path) + 1))
    return next((part for part in above if part in KEYS_OF_MI), None)


def unused_part(
    path: KeyPath, *, is_database: bool, has_datasource: bool, uses_icp: bool
) -> KeyPath | None:
    """Return the key or section without effect that the path is or is in; None if in none.

    Args:
        path: of a setting.
        is_database: whether the users are in a database.
        has_datasource: whether a datasource is used.
        uses_icp: whether `icp_config.enabled` is true.
    """
    unused: set[KeyPath] = set()
    if not is_database:
        unused |= _OF_DATABASES
    if not has_datasource:
        unused |= _OF_DATASOURCES
    if not uses_icp:
        # Not even validated: MI's own section may have placeholders, which only MI resolves.
        unused.add(("icp_config",))
    above = (path[:length] for length in (1, 2))
    return next((part for part in above if part in unused), None) or ignored_part(path)


def is_custom_statement(path: KeyPath) -> bool:
    """Whether it is a property such as `SelectUserSQL` or `AddUserToRoleSQL-mssql`."""
    return path[:-1] == _PROPERTIES and re.search("SQL(-|$)", path[-1], re.IGNORECASE) is not None


def is_known(path: KeyPath) -> bool:
    """Whether it is a key, not a section, that may be set."""
    return (
        path in SETTINGS
        or path in OTHER_NAMES
        or ignored_part(path) is not None
        or is_of_table(path)
    )


def is_of_table(path: KeyPath) -> bool:
    """Whether a variable names a key of one table of an array, after the section and its name."""
    if len(path) != 3 or path[0] not in _TABLES:
        return False
    model, name = _TABLES[path[0]]
    return path[2] in model.model_fields and path[2] != name


def official_path(path: KeyPath) -> KeyPath:
    """Return the name of a setting that is spelled in one of MI's other ways; others unchanged."""
    if path[:-1] == _PROPERTIES:
        return _OF_PROPERTIES.get(path[-1].lower(), path)
    return OTHER_NAMES.get(path, path)


def nearest_setting(path: KeyPath) -> KeyPath | None:
    """Return the most similar key, preferably of the same section; None if none is similar."""
    siblings = {name[-1]: name for name in _NAMES if name[:-1] == path[:-1]}
    everywhere = {dotted(name): name for name in SETTINGS}
    for key, names in ((path[-1], siblings), (dotted(path), everywhere)):
        # 0.75: one wrong letter in four still matches, another word does not.
        if matches := get_close_matches(key.lower(), names, 1, 0.75):
            return names[matches[0]]
    return next((name for name in SETTINGS if name[-1] == path[-1]), None)


def unknown_key(path: KeyPath) -> str:
    """Return the sentence about a key that does not exist, with the most similar one."""
    if path in (("state_dir",), ("config",)):
        return f"{path[0]} is not read from the TOML: set {variable_of(path)} instead."
    if path in REMOVED:
        return f"{dotted(path)} is no longer a setting ({REMOVED[path]}): remove it."
    nearest = nearest_setting(path)
    if nearest is None:
        return f"{dotted(path)} is not a setting: remove it, or see docs/configuration.md."
    return (
        f"{dotted(path)} is not a setting: remove it, or write {dotted(nearest)} if you meant that."
    )
