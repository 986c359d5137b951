"""Shell completion of names, such as those of users and artifacts; on any error there are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from mi_ldap.cli.kinds import Kind
from mi_ldap.cli.options import Options
from mi_ldap.client.text import safe
from mi_ldap.name_folding import folded
from mi_ldap.name_rules import is_hybrid_name, is_primary

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


def artifact_names(
    kind: Kind,
) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return the function that returns the artifacts of a kind whose names begin with a prefix."""

    def names(context: click.Context, _parameter: click.Parameter, prefix: str) -> list[str]:
        options = context.ensure_object(Options)
        query = {"type": context.params.get("of_type"), "searchKey": prefix or None}

        def fetch() -> list[str]:
            with options.artifacts() as api:
                content = api.lists(kind.resource, query, kind.lists)
            return [str(each.get(kind.columns[0], "")) for each in kind.entries(content)]

        return _offered(options, prefix, fetch)

    return names


def node_names(context: click.Context, _parameter: click.Parameter, prefix: str) -> list[str]:
    """Return the Micro Integrators whose ids begin with `prefix`."""
    options = context.ensure_object(Options)
    return _offered(options, prefix, lambda: [*options.nodes()])


def _fetch_names(context: click.Context, key: str, prefix: str) -> list[str]:
    options = context.ensure_object(Options)
    # Names of other domains are needed, too: users of all stores have hybrid roles.
    domain, options.domain = options.domain.strip(), ""

    def fetch() -> list[str]:
        with options.api() as api:
            return _names(api, key, prefix, "" if is_primary(domain) else domain)

    return _offered(options, prefix, fetch)


def _offered(options: Options, prefix: str, fetch: Callable[[], list[str]]) -> list[str]:
    """Return the fetched names that the shell can insert; none on any error."""
    from mi_ldap.errors import MiLdapError

    # The person at the shell waits until the completion ends.
    options.timeout = _TIMEOUT_S
    try:
        names = fetch()
    except MiLdapError:
        return []
    # The service ignores case, but the shell drops names that do not begin as typed. It inserts a
    # completion as it is: no characters that control the terminal.
    found = (name for name in names if name.startswith(prefix) and safe(name) == name)
    return [*dict.fromkeys(found)]


def _names(api: ManagementApi, key: str, prefix: str, domain: str) -> list[str]:
    """Return names that begin with the prefix; those of the domain without it."""
    if domain:
        begin = f"{domain}/"
        size = len(begin)
        of_domain = _names_like(api, key, f"{begin}{prefix}")
        bare = [each[size:] for each in of_domain if folded(each[:size]) == folded(begin)]
        if key != "role" or is_hybrid_name(begin):
            return bare
        return bare + [each for each in _names_like(api, key, prefix) if is_hybrid_name(each)]
    names = _names_like(api, key, prefix)
    # A pattern without a domain is compared with the names without theirs.
    if key == "userId" and prefix.isupper() and "/" not in prefix:
        for each in api.rules().domains:
            if each.startswith(prefix):
                names += _names_like(api, key, f"{each}/")
    return names


def _names_like(api: ManagementApi, key: str, prefix: str) -> list[str]:
    if key == "role":
        found, _ = api.roles(searchKey=prefix)
    else:
        found, _ = api.users(pattern=f"{prefix}*", limit=_MAX_NAMES)
    return [entry[key] for entry in found["list"]]
