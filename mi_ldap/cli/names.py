"""Shell completion of the names of remotes, users and roles; on any error there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mi_ldap.cli.options import Options
from mi_ldap.client.text import safe

if TYPE_CHECKING:
    from mi_ldap.client.api import ManagementApi

_MAX_NAMES = "200"
_TIMEOUT_S = 2.0


def remote_names(_context: click.Context, _parameter: click.Parameter, prefix: str) -> list[str]:
    """Return the remotes whose names begin with `prefix`."""
    from mi_ldap.client import remotes
    from mi_ldap.errors import MiLdapError

    try:
        return [name for name in remotes.load().by_name if name.startswith(prefix)]
    except MiLdapError:
        return []


def user_names(context: click.Context, _parameter: click.Parameter, prefix: str) -> list[str]:
    """Return the users whose names begin with `prefix`."""
    return _fetch_names(context, "userId", prefix)


def role_names(context: click.Context, _parameter: click.Parameter, prefix: str) -> list[str]:
    """Return the roles whose names begin with `prefix`."""
    return _fetch_names(context, "role", prefix)


def _fetch_names(context: click.Context, key: str, prefix: str) -> list[str]:
    from mi_ldap.errors import MiLdapError

    options = context.ensure_object(Options)
    # The shell is blocked until the completion ends.
    options.timeout = _TIMEOUT_S
    try:
        with options.api() as api:
            entries = _entries(api, key, prefix)
    except MiLdapError:
        return []
    # The service ignores case, but the shell drops names that do not begin as typed.
    found = (entry[key] for entry in entries if entry[key].startswith(prefix))
    # The shell inserts a completion as it is: no characters that control the terminal.
    return [name for name in found if safe(name) == name]


def _entries(api: ManagementApi, key: str, prefix: str) -> list[dict[str, str]]:
    if key == "role":
        found, _ = api.roles(searchKey=prefix)
    else:
        found, _ = api.users(pattern=f"{prefix}*", limit=_MAX_NAMES)
    entries: list[dict[str, str]] = found["list"]
    return entries
