"""Where the program's own files are and where it keeps its state.

A checkout has both beside the package: `config/` and `var/`. In an installation, such as that of a
wheel, the files of `config/` are in the package, and the state is outside of it.
"""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def find_checkout() -> Path | None:
    """Return the checkout that this package is imported from; None for an installation."""
    # Both files: site-packages may contain an `app.py` of another project.
    is_checkout = (_ROOT / "app.py").is_file() and (_ROOT / "config" / "mi-ldap.toml").is_file()
    return _ROOT if is_checkout else None


def config_dir() -> Path:
    """Return the folder with the example configurations, `ldif/` and `schema/`."""
    if checkout := find_checkout():
        return checkout / "config"
    from importlib import resources

    # slapd and administrators read these files by path: pip unpacks a wheel, so they have one.
    return Path(str(resources.files("mi_ldap") / "data"))


def default_state_dir() -> Path:
    """Return the state folder of a service that no folder is named for; it need not exist.

    `var/` of the checkout. In an installation `/var/lib/mi-ldap` for root, and for others
    `$XDG_STATE_HOME/mi-ldap`, which is `~/.local/state/mi-ldap` unless the variable is set.
    """
    if checkout := find_checkout():
        return checkout / "var"
    from platformdirs import site_state_path, user_state_path

    find = site_state_path if os.geteuid() == 0 else user_state_path
    return find("mi-ldap", appauthor=False)
