"""Real services over several kinds of stores, with hybrid roles; `admin` logs in first.

with read_only_directory(tmp_path) as env, running(env) as service: …
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mi_ldap.sql import DatabaseConfig
from mi_ldap.sql.schema import create_tables
from tests.directory.readers import readable_place
from tests.service import Environment, environment
from tests.subtree import Subtree

PASSWORD = "correct horse"
HYBRID_ADMIN_ROLE = "Internal/admin"
PEOPLE = ("admin", "alice", "bob", "carol")
"""Users of the directory that is read-only; `bob` has its role `developers`."""

_SECONDARY = """
[[secondary_user_store]]
domain = "wso2.com"
type = "database"
url = "sqlite:///{secondary}"
"""
_DATASOURCE = """
[[datasource]]
id = "WSO2CarbonDB"
url = "sqlite:///{datasource}"
"""


def _fill(place: Subtree) -> None:
    dns = {name: place.add_user(name, PASSWORD) for name in PEOPLE}
    place.add_group("developers", dns["bob"])


def _tables(file: Path) -> Path:
    create_tables(DatabaseConfig("sqlite", (), str(file)))
    return file


def _config(folder: Path, text: str) -> str:
    """Write the configuration file with the addresses of the databases, which are created."""
    files = {"secondary": folder / "secondary.sqlite", "datasource": folder / "mi.sqlite"}
    for name, file in files.items():
        if f"{{{name}}}" in text:
            _tables(file)
    config = folder / "mi-ldap.toml"
    config.write_text(text.format(**files), encoding="utf-8")
    return str(config)


@contextmanager
def read_only_directory(folder: Path, *, has_secondary: bool = False) -> Iterator[Environment]:
    """An OpenLDAP that nobody may write, with admins in a file; perhaps a database beside it."""
    with readable_place("openldap", folder, _fill) as place:
        more = {
            "user_store__type": "read_only_ldap",
            "super_admin__admin_role": HYBRID_ADMIN_ROLE,
            "bootstrap__users": "admin",
        }
        if has_secondary:
            more["config"] = _config(folder, _SECONDARY)
        yield environment(folder / "state", place, **more)


def database(folder: Path) -> Environment:
    """A database of users, roles and hybrid roles."""
    config = _config(folder, f'[user_store]\ntype = "database"\n{_DATASOURCE}')
    return {
        "MI_LDAP_CONFIG": config,
        "MI_LDAP_STATE_DIR": str(folder / "state"),
        "MI_LDAP_SERVER__WORKERS": "1",
        "MI_LDAP_BOOTSTRAP__USERS": "admin",
    }
