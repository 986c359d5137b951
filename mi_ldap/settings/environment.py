"""Values from the environment, and from files that the environment names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mi_ldap.files import read_text
from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.registry import REMOVED, is_known, nearest_setting, official_path
from mi_ldap.settings.sources import CONFIG_VARIABLE, PREFIX, STATE_VARIABLE, variable_of
from mi_ldap.settings.types import SettingsError

_TEST_PREFIX = "MI_LDAP_TEST_"


@dataclass(frozen=True)
class EnvValue:
    """A text from the environment, and the variable that contains it or names its file."""

    text: str
    variable: str


def read_environment(environ: Mapping[str, str]) -> tuple[dict[KeyPath, EnvValue], list[str]]:
    """Return the values in the environment, and a sentence for each variable that is not valid."""
    values: dict[KeyPath, EnvValue] = {}
    problems: list[str] = []
    # Compose files pass variables that are not set as empty ones.
    for name in sorted(name for name, text in environ.items() if text and _is_ours(name)):
        try:
            path, text = _read_variable(name, environ[name])
        except SettingsError as error:
            problems.append(str(error))
            continue
        if path in values:
            problems.append(f"{values[path].variable} and {name} are both set: keep one.")
        values.setdefault(path, EnvValue(text, name))
    return values, problems


def _is_ours(name: str) -> bool:
    # Both are read before the settings, which they locate.
    others = (CONFIG_VARIABLE, STATE_VARIABLE)
    return name.startswith(PREFIX) and not name.startswith(_TEST_PREFIX) and name not in others


def _read_variable(name: str, text: str) -> tuple[KeyPath, str]:
    path = tuple(name.removeprefix(PREFIX).lower().split("__"))
    # A key's own name goes first: SERVER__KEY_FILE is server.key_file, not server.key.
    if is_known(path):
        return official_path(path), text
    target = (*path[:-1], path[-1].removesuffix("_file"))
    if target == path or not is_known(target):
        raise SettingsError(_unknown_variable(name, path))
    return official_path(target), _read_secret_file(name, Path(text))


def _unknown_variable(name: str, path: KeyPath) -> str:
    if path in REMOVED:
        return f"{name} is no longer a setting ({REMOVED[path]}): unset it."
    return f"{name} names no setting{_suggest_variable(path)}."


def _suggest_variable(path: KeyPath) -> str:
    nearest = nearest_setting(path)
    if nearest is None or not is_known(nearest):
        return ": unset it, or take a name from docs/configuration.md"
    # With `_FILE` the variable has the path of a file, not the value.
    names_file = path[-1].endswith("_file") and not nearest[-1].endswith("_file")
    variable = f"{variable_of(nearest)}{'_FILE' if names_file else ''}"
    return f": unset it, or write {variable} if you meant that"


def _read_secret_file(name: str, path: Path) -> str:
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        # The path is not repeated: people put the secret itself there.
        reason = error.strerror if isinstance(error, OSError) else "no path has such characters"
        raise SettingsError(f"{name} names a file that cannot be read: {reason}.") from None
    text = text.removesuffix("\n").removesuffix("\r")  # editors and `echo` add a line end
    if not text:
        raise SettingsError(f"{name} names an empty file: write the value into it.")
    return text
