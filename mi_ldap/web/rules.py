"""`/management/rules`: the rules of new names and passwords. Not part of MI's API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from mi_ldap.services.container import Services


def blueprint(services: Services) -> Blueprint:
    """The resource's views over the services."""
    rules = Blueprint("rules", __name__, url_prefix="/management")

    @rules.get("/rules")
    def show_rules() -> Response:
        user_store = services.settings.user_store
        found: dict[str, Any] = {
            "adminRole": services.settings.super_admin.admin_role,
            "allowAnyName": user_store.allow_any_name,
            "passwordMinLength": services.store.password_min_length(),
            "userNameRegex": user_store.username_java_regex,
            "roleNameRegex": user_store.rolename_java_regex,
            "passwordRegex": user_store.password_java_regex,
        }
        return jsonify({key: value for key, value in found.items() if value is not None})

    return rules
