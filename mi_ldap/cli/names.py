"""Names for the shell to complete: of remotes, users and roles. In doubt none, and quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mi_ldap.cli.options import Options
from mi_ldap.client.text import safe

if TYPE_CHECKING:
    from mi_ldap.client.api import ManagementApi

_MOST = "200"
_PATIENCE_S = 2.0


def remote_names(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Those that begin so."""
    from mi_ldap.client import remotes
    from mi_ldap.errors import MiLdapError

    try:
        return [name for name in remotes.load().by_name if name.startswith(begun)]
    except MiLdapError:
        return []


def user_names(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Those that the service knows and that begin so."""
    return _asked(context, "userId", begun)


def role_names(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Those that the service knows and that begin so."""
    return _asked(context, "role", begun)


def _asked(context: click.Context, key: str, begun: str) -> list[str]:
    from mi_ldap.errors import MiLdapError

    options = context.ensure_object(Options)
    options.timeout = _PATIENCE_S
    try:
        with options.api() as api:
            entries = _entries(api, key, begun)
    except MiLdapError:
        return []
    # The service compares without case; what the person typed stays.
    found = (entry[key] for entry in entries if entry[key].startswith(begun))
    return [name for name in found if safe(name) == name]


def _entries(api: ManagementApi, key: str, begun: str) -> list[dict[str, str]]:
    if key == "role":
        found, _ = api.roles(searchKey=begun)
    else:
        found, _ = api.users(pattern=f"{begun}*", limit=_MOST)
    entries: list[dict[str, str]] = found["list"]
    return entries
