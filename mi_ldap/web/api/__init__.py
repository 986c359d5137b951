"""The views of the management API, one module for each resource.

A view is decorated with its route, its access and its description for the OpenAPI document; its
body calls one service. The views know HTTP and the JSON of the contract, and no rules: what is
allowed is decided by `mi_ldap.services`, who may call by `mi_ldap.web.guards`. The modules of the
resources must not import each other.
"""

from __future__ import annotations

from flask import Blueprint

from mi_ldap.web.api import artifacts, health, metrics, roles, rules, server, sessions, users

BLUEPRINTS: tuple[Blueprint, ...] = tuple(
    module.bp for module in (sessions, server, rules, health, metrics, users, roles, artifacts)
)
"""In the order of the OpenAPI document."""
