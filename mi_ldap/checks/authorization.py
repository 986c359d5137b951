"""The check `authorization`: whether the configured roles and paths exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mi_ldap.checks.findings import Finding
from mi_ldap.deadline import deadline
from mi_ldap.errors import AmbiguousName, MiLdapError
from mi_ldap.micro_integrators.resources import RESOURCES
from mi_ldap.services.accounts import find_role
from mi_ldap.services.container import Services

_DEADLINE_S: Final = 15.0
_CHECK: Final = "authorization"
_ROLES: Final = "management_api.operator_roles"
_PATHS: Final = "management_api.authorization_handler.resources"
_KINDS: Final = frozenset({"users", "roles", *(resource.kind for resource in RESOURCES)})


def examine_authorization(services: Services) -> Iterator[Finding]:
    """Yield findings about operator roles, and about the paths that only admins may read."""
    api = services.settings.management_api
    if services.settings.micro_integrator:
        for name in api.operator_roles:
            yield _role_finding(services, name)
    for resource in api.authorization_handler.resources:
        kind = resource.path.strip("/").partition("/")[0]
        if kind and kind not in _KINDS:
            sentence = f"The API has no path {resource.path}, so {_PATHS} reserves nothing by it."
            yield Finding(_CHECK, "warn", sentence, f"Correct or remove it: {_what_exists(kind)}.")


def _role_finding(services: Services, name: str) -> Finding:
    try:
        with deadline(_DEADLINE_S):
            role = find_role(services.store, name)
    except AmbiguousName:
        sentence = f"Two roles are named {name}, so it makes no operators ({_ROLES})."
        return Finding(_CHECK, "fail", sentence, "Rename one of them.")
    except MiLdapError as error:
        sentence = f"The role {name}, {_ROLES}, cannot be read: {error}"
        return Finding(_CHECK, "fail", sentence, "Correct what the findings above report.")
    if role is None:
        sentence = f"There is no role {name}, so it makes no operators ({_ROLES})."
        return Finding(_CHECK, "warn", sentence, f"mi role create {name}, or correct the name.")
    return Finding(_CHECK, "pass", f"Users with the role {name} are operators.")


def _what_exists(kind: str) -> str:
    if kind.lower() in _KINDS:
        return f"the path is /{kind.lower()}"
    return "docs/micro-integrators.md lists the paths"
