"""Notes on a valid configuration that may surprise, for the log of the start."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from mi_ldap.addresses import is_loopback
from mi_ldap.settings.database import database_notes
from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.icp import icp_notes
from mi_ldap.settings.micro_integrator import MicroIntegratorSettings
from mi_ldap.settings.registry import dotted
from mi_ldap.settings.root import Settings
from mi_ldap.settings.sources import Tree
from mi_ldap.settings.toml_values import has_placeholder

SECRETS: Final = frozenset(
    {"connection_password", "connectionpassword", "key", "password", "secret"}
)
"""Names of keys whose values are secret, also those of MI in [user_store.properties]."""

# The password in an address of a database: `//user:password@host`, or an option of JDBC.
_PASSWORD_IN_URL: Final = re.compile(r"//[^/@]*:[^/@]+@|[?&;]password=[^&;]", re.IGNORECASE)


def note_on_file(file: Path, tree: Tree) -> str | None:
    """Return a sentence if a configuration file has secrets and every user can read it."""
    if not (file.stat().st_mode & stat.S_IROTH and _has_secrets(tree)):
        return None
    return (
        f"{file} has passwords or keys, and every user of this machine can read it: let only the "
        "service's user read it (chmod 600), or put each secret into a file that a variable "
        "MI_LDAP_…_FILE names."
    )


def _has_secrets(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_has_secrets, value))
    if not isinstance(value, dict):
        return False
    return any(_has_secrets(each) or _is_secret(name, each) for name, each in value.items())


def _is_secret(name: str, value: object) -> bool:
    if not isinstance(value, str) or has_placeholder(value):
        return False
    in_url = name.lower() == "url" and _PASSWORD_IN_URL.search(value)
    return bool(in_url or (value and name.lower() in SECRETS))


def collect_notes(settings: Settings, ignored: Collection[KeyPath]) -> tuple[str, ...]:
    """Return complete sentences, those about MI's keys and sections without effect first."""
    has_database = settings.is_database or settings.has_hybrid_database
    of_database = database_notes(settings.datasource, settings.user_store) if has_database else ()
    notes = (*_notes_on_ignored(ignored), *of_database, *_notes_on_values(settings))
    notes += (*icp_notes(settings.icp_config),)
    if settings.is_admin_role_hybrid and ("datasource",) in ignored:
        notes += (
            "The admins are in the file hybrid-roles.sqlite of the state folder, because no "
            "[[datasource]] that realm_manager.data_source names has the address of a MySQL, "
            "MariaDB, PostgreSQL or SQLite database: services on several machines need one.",
        )
    return notes


def _notes_on_ignored(ignored: Collection[KeyPath]) -> Iterator[str]:
    for kind, paths in (
        ("keys", [path for path in ignored if len(path) > 1]),
        ("sections", [path for path in ignored if len(path) == 1]),
    ):
        if paths:
            names = ", ".join(sorted(map(dotted, paths)))
            yield f"These {kind} of MI have no effect here: {names}."


def _notes_on_node(node: MicroIntegratorSettings) -> Iterator[str]:
    if not node.verify:
        yield (
            f"micro_integrator {node.id}: verify = false lets any server that answers at its "
            "address read the password and the requests: name its certificate in ca_file instead."
        )
    if node.allow_plaintext and node.management_url.startswith("http:"):
        yield (
            f"micro_integrator {node.id}: allow_plaintext = true sends the password and tokens "
            "over the network in the clear."
        )


def _notes_on_values(settings: Settings) -> Iterator[str]:
    api, server = settings.management_api, settings.server
    handler = api.authorization_handler
    if not (handler.reserves("/users") and handler.reserves("/roles")):
        yield (
            "management_api.authorization_handler opens users or roles to every logged-in user: "
            "for reading only, since changing them always needs an admin."
        )
    if handler.operators_are == "everybody":
        yield (
            'management_api.authorization_handler.operators_are = "everybody" lets every logged-in '
            "user change artifacts of the Micro Integrators: name roles in "
            "management_api.operator_roles instead."
        )
    for node in settings.micro_integrator:
        yield from _notes_on_node(node)
    if api.operator_roles and not settings.micro_integrator:
        yield (
            "management_api.operator_roles has no effect: there is no [[micro_integrator]] whose "
            "artifacts could be changed."
        )
    if not api.jwt_token_security_handler.enable:
        yield (
            "management_api.jwt_token_security_handler.enable = false has no effect: "
            "a login is always needed."
        )
    if api.cors.enable and "*" in api.cors.allowed_origins:
        yield (
            'management_api.cors.allowed_origins = "*" lets every web page that a user visits call '
            "this service: name the origins instead."
        )
    if settings.user_store.hybrid_role_base and not settings.has_hybrid_groups:
        yield (
            "user_store.hybrid_role_base has no effect: hybrid roles are stored in a database, "
            "because of user_store.type, realm_manager.data_source or super_admin.admin_role."
        )
    if settings.super_admin.password is not None and settings.bootstrap.mode != "configured":
        yield (
            "super_admin.password has no effect: it is used only with "
            'bootstrap.mode = "configured".'
        )
    if not (server.tls or is_loopback(server.host)):
        yield (
            "server.tls = false sends passwords and tokens over the network in the clear, "
            "unless a proxy on the same machine does TLS."
        )
