"""Runs the doctor on read-only directories whose admin role is a hybrid one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mi_ldap.sql import DatabaseConfig
from tests.api.client import PASSWORD
from tests.checks.databases import SCHEMES
from tests.checks.doctor_runs import Command
from tests.subtree import Subtree
from tests.table.directories import api_on

ADMIN_ROLE = "Internal/admin"


def fill(place: Subtree) -> None:
    alice, bob = (place.add_user(name, PASSWORD) for name in ("alice", "bob"))
    place.add_group("developers", alice, bob)


@dataclass
class Examined:
    """What the doctor said, with its exit status."""

    status: int
    findings: list[dict[str, str]]

    def said(self, check: str, level: str) -> str:
        return "\n".join(
            f"{each['sentence']}\n{each['remedy']}"
            for each in self.findings
            if (each["check"], each["level"]) == (check, level)
        )

    def problems(self) -> list[str]:
        return [each["sentence"] for each in self.findings if each["level"] in ("warn", "fail")]


def examined(command: Command, keys: dict[str, str]) -> Examined:
    result = command(keys, "doctor", "--json")
    return Examined(result.exit_code, json.loads(result.stdout)["findings"])


def of_directory(place: Subtree, state: Path, **more: str) -> dict[str, str]:
    """The environment of a read-only directory whose admin role is a hybrid one."""
    keys = {
        "USER_STORE__TYPE": "read_only_ldap",
        "SUPER_ADMIN__ADMIN_ROLE": ADMIN_ROLE,
        "STATE_DIR": str(state),
        **more,
    }
    return {**place.environment, **{f"MI_LDAP_{key}": value for key, value in keys.items()}}


def of_database(config: DatabaseConfig) -> dict[str, str]:
    """The keys of the `[[datasource]]` beside a directory."""
    hosts = ",".join(f"{host}:{port}" for host, port in config.hosts)
    keys = {
        "DATASOURCE__URL": f"{SCHEMES[config.dialect]}://{hosts}/{config.database}",
        "DATASOURCE__USERNAME": config.username,
        "DATASOURCE__PASSWORD": config.password,
    }
    return {key: value for key, value in keys.items() if value}


def become_admin(place: Subtree, state: Path, **settings: str) -> None:
    keys = {"USER_STORE__TYPE": "read_only_ldap", "SUPER_ADMIN__ADMIN_ROLE": ADMIN_ROLE}
    with api_on(place, state, **{**keys, **settings}) as api:
        alice = api.logged_in("alice")
        assert alice("POST", "/roles", {"role": "Internal/testers"}).status_code == 200
        change = {"userId": "bob", "addedRoles": ["Internal/testers"]}
        assert alice("PUT", "/roles", change).status_code == 200


def settings_of(keys: dict[str, str]) -> dict[str, str]:
    return {key.removeprefix("MI_LDAP_"): value for key, value in keys.items()}
