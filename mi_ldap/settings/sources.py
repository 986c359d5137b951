"""The sources of values: the TOML file, the environment, and files that the environment names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_ldap.errors import ConfigurationError
from mi_ldap.files import read_text
from mi_ldap.locations import config_dir, default_state_dir
from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.registry import REMOVED, is_known, nearest_setting, official_path
from mi_ldap.settings.types import SettingsError

PREFIX = "MI_LDAP_"
TEST_PREFIX = "MI_LDAP_TEST_"
CONFIG_VARIABLE = "MI_LDAP_CONFIG"
STATE_VARIABLE = "MI_LDAP_STATE_DIR"
_DEFAULT_CONFIG = config_dir() / "mi-ldap.toml"

Tree = dict[str, Any]


@dataclass(frozen=True)
class EnvValue:
    """One value from the environment.

    Attributes:
        path: the key, such as `("server", "port")`.
        value: the text.
        variable: the name of the variable with the value, or with the name of its file.
    """

    path: KeyPath
    value: str
    variable: str


def locate_state_dir(environ: Mapping[str, str]) -> Path:
    """The state folder, absolute; it need not exist."""
    return Path(environ.get(STATE_VARIABLE) or default_state_dir()).resolve()


def locate_config_file(environ: Mapping[str, str]) -> Path | None:
    """The TOML to read, absolute; None when none is named and the default is not there.

    Raises:
        ConfigurationError: the named file does not exist.
    """
    named = environ.get(CONFIG_VARIABLE)
    path = Path(named or _DEFAULT_CONFIG).absolute()
    if path.is_file():
        return path
    if named:
        raise ConfigurationError(
            f"{CONFIG_VARIABLE} names {path}, which is not a file: correct it, or unset it to use "
            "the defaults."
        )
    return None


def read_toml(path: Path) -> Tree:
    """Return the tables of a TOML file.

    Raises:
        ConfigurationError: it cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8: save it in that encoding.") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(_toml_error(path, text, str(error))) from None


def _toml_error(path: Path, text: str, message: str) -> str:
    # The parser's own words may quote the file, and with it a secret.
    found = re.search(r"at line (\d+)", message)
    line = found[1] if found else len(text.splitlines())
    cause = "texts stand in quotes, tables in [brackets]"
    if re.search(r"overwrite|twice|uplicate|mutate", message):
        cause = "the same table or key is there twice"
    return f"Line {line} of {path} is not TOML: {cause}."


def read_environment(environ: Mapping[str, str]) -> tuple[list[EnvValue], list[str]]:
    """Return the values in the environment, and a sentence for each variable that is not valid."""
    values: dict[KeyPath, EnvValue] = {}
    problems: list[str] = []
    for name in sorted(name for name, text in environ.items() if text and _is_ours(name)):
        try:
            found = _read_variable(name, environ[name])
            if found.path in values:
                raise SettingsError(
                    f"{values[found.path].variable} and {name} are both set: keep one."
                )
            values[found.path] = found
        except SettingsError as error:
            problems.append(str(error))
    return list(values.values()), problems


def _is_ours(name: str) -> bool:
    others = (CONFIG_VARIABLE, STATE_VARIABLE)
    return name.startswith(PREFIX) and not name.startswith(TEST_PREFIX) and name not in others


def _read_variable(name: str, text: str) -> EnvValue:
    path = tuple(name.removeprefix(PREFIX).lower().split("__"))
    # A key's own name goes first: SERVER__KEY_FILE is server.key_file, not server.key.
    if is_known(path):
        return EnvValue(official_path(path), text, name)
    target = (*path[:-1], path[-1].removesuffix("_file"))
    if target == path or not is_known(target):
        raise SettingsError(_unknown_variable(name, path))
    return EnvValue(official_path(target), _read_secret_file(name, Path(text)), name)


def _unknown_variable(name: str, path: KeyPath) -> str:
    if path in REMOVED:
        return f"{name} is no longer a setting ({REMOVED[path]}): unset it."
    return f"{name} names no setting{_suggest_variable(path)}."


def _suggest_variable(path: KeyPath) -> str:
    nearest = nearest_setting(path)
    if nearest is None or not is_known(nearest):
        return ": unset it, or take a name from docs/configuration.md"
    return f": unset it, or write {variable_of(nearest)} if you meant that"


def variable_of(path: KeyPath) -> str:
    """Return `"MI_LDAP_SERVER__PORT"` for `("server", "port")`."""
    return PREFIX + "__".join(path).upper()


def _read_secret_file(name: str, path: Path) -> str:
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        # The path is not repeated: people put the secret itself there.
        reason = error.strerror if isinstance(error, OSError) else "no path has such characters"
        raise SettingsError(f"{name} names a file that cannot be read: {reason}.") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SettingsError(f"{name} names an empty file: write the value into it.")
    return text
