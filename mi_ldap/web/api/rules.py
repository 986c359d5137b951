"""`/management/rules`: the rules of new names and passwords. Not part of MI's API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from mi_ldap import name_rules
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.operation import Success, operation
from mi_ldap.web.api.response_schemas import Rules
from mi_ldap.web.context import services

bp = Blueprint("rules", __name__, url_prefix="/management")


@bp.get("/rules")
@allow(Access.LOGGED_IN)
@operation(Success("The rules.", Rules()))
def show_rules() -> Response:
    """Show the rules of new names and passwords.

    `passwordMinLength` is missing where the service cannot read it in the directory. Length and
    expressions are those of the primary user store.
    """
    settings, writable = services().settings, services().users.writable_domains
    body: dict[str, Any] = {
        "adminRole": settings.super_admin.admin_role,
        "allowAnyName": settings.user_store.allow_any_name,
        "passwordMinLength": services().store.password_min_length(),
        "userNameRegex": settings.user_store.username_java_regex,
        "roleNameRegex": settings.user_store.rolename_java_regex,
        "passwordRegex": settings.user_store.password_java_regex,
        "domains": list(services().rules.domains),
        "readOnlyDomains": [
            domain or name_rules.PRIMARY
            for domain in ("", *services().rules.domains)
            if domain not in writable
        ],
    }
    return jsonify({key: value for key, value in body.items() if value not in (None, [])})
