"""Runs the doctor on a database of the tests, as `python app.py doctor` does."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from mi_ldap.checks import Report
from mi_ldap.checks.database import DatabaseDoctor
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.settings import load_settings
from mi_ldap.sql import DatabaseConfig
from mi_ldap.wiring import services

SCHEMES = {"postgresql": "jdbc:postgresql", "mysql": "jdbc:mysql", "sqlite": "sqlite"}


def database_keys(config: DatabaseConfig, state_dir: Path, **more: str) -> dict[str, str]:
    """The environment that makes the service use the database; `more` as in `user_store__x`."""
    hosts = ",".join(f"{host}:{port}" for host, port in config.hosts)
    keys = {
        "user_store__type": "database",
        "datasource__url": f"{SCHEMES[config.dialect]}://{hosts}/{config.database}",
        "datasource__username": config.username,
        "datasource__password": config.password,
        "bootstrap__mode": "off",
        "state_dir": str(state_dir),
        **more,
    }
    return {f"MI_LDAP_{key.upper()}": value for key, value in keys.items() if value}


def examined(environment: dict[str, str]) -> Report:
    """What the doctor of databases finds."""
    with closing(DatabaseDoctor(services(load_settings(environment)))) as doctor:
        return Report(tuple(doctor.examine()))


def make_first_admin(keys: dict[str, str], name: str) -> None:
    """By a login, as `bootstrap.users` allows it."""
    allowed = {"MI_LDAP_BOOTSTRAP__MODE": "first_login", "MI_LDAP_BOOTSTRAP__USERS": name}
    with closing(services(load_settings({**keys, **allowed}))) as found:
        request = LoginRequest(name, "a password", client="192.0.2.1", is_local=False)
        found.login.login(request)
