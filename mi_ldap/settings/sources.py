"""The files of a configuration: where they are, and how TOML is read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mi_ldap.errors import ConfigurationError
from mi_ldap.locations import config_dir, default_state_dir
from mi_ldap.settings.deployment import KeyPath

PREFIX = "MI_LDAP_"
CONFIG_VARIABLE = "MI_LDAP_CONFIG"
STATE_VARIABLE = "MI_LDAP_STATE_DIR"
_DEFAULT_CONFIG = config_dir() / "mi-ldap.toml"

Tree = dict[str, Any]


def locate_state_dir(environ: Mapping[str, str]) -> Path:
    """Return the state folder, absolute; it need not exist."""
    return Path(environ.get(STATE_VARIABLE) or default_state_dir()).resolve()


def locate_config_file(environ: Mapping[str, str]) -> Path | None:
    """Return the TOML to read, absolute; None if none is named and there is no default one.

    Raises:
        ConfigurationError: the named file does not exist.
    """
    # A file that was named must exist; without the default one there are only defaults.
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
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows begin with a BOM
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
    cause = "strings need quotes, table names [brackets]"
    if re.search(r"overwrite|twice|uplicate|mutate", message):
        cause = "a table or key is defined twice"
    return f"Line {line} of {path} is not TOML: {cause}."


def variable_part(name: str) -> str:
    """Return the name of a table as it is in the names of variables: `WSO2_COM` of `wso2.com`."""
    return name.strip().upper().replace(".", "_").replace("-", "_")


def variable_of(path: KeyPath) -> str:
    """Return `"MI_LDAP_SERVER__PORT"` for `("server", "port")`."""
    return PREFIX + "__".join(path).upper()
