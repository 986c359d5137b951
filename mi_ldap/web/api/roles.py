"""`/management/roles`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from mi_ldap import name_rules
from mi_ldap.errors import (
    AmbiguousName,
    BadRequest,
    Forbidden,
    RoleExists,
    RoleNotFound,
    UserNotFound,
)
from mi_ldap.services.queries import Query
from mi_ldap.services.roles import RoleChange, too_many_roles
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.lists import completeness, compressed, listing, must_be_primary, without_slash
from mi_ldap.web.api.operation import Success, custody_errors, operation
from mi_ldap.web.api.response_schemas import (
    ADDED,
    DELETED,
    ROLES_CHANGED,
    Role,
    RoleNames,
    RoleWritten,
    UserWritten,
)
from mi_ldap.web.api.schemas import ListQuery, RoleBody, RoleChangeBody
from mi_ldap.web.context import current_performer, services
from mi_ldap.web.errors import missing_keys

bp = Blueprint("roles", __name__, url_prefix="/management")


@bp.get("/roles")
@allow(Access.ADMIN_BY_DEFAULT)
@operation(
    Success("The roles.", RoleNames(), is_truncatable=True), query=ListQuery(exclude=("role",))
)
def list_roles(query: Query) -> Response:
    """List roles.

    The list is complete and sorted, and contains `Internal/everyone`.
    """
    return listing(services().roles.select(query), "role", paged=query.is_paged)


@bp.post("/roles")
@allow(Access.ADMIN)
@operation(
    Success(
        "Role created.",
        RoleWritten(),
        {
            "added": {"role": "developers", "status": ADDED},
            "warning": {
                "role": "release managers",
                "status": ADDED,
                "warning": name_rules.role_name_warning("release managers"),
            },
        },
    ),
    body=RoleBody(),
    errors=(
        RoleExists("developers"),
        BadRequest("The role name is not allowed: it is empty."),
    ),
)
def create_role(payload: dict[str, Any]) -> Response:
    """Create a role.

    The role has no members yet. Its name may begin with `Internal/` or `Application/`. The response
    has a `warning` if the dashboard fails because of the name.
    """
    name = name_rules.role_of_domain(payload["name"], payload["domain"])
    created = services().roles.create(current_performer(), name)
    # The name as it was sent, which may differ from the stored one: the contract has it so.
    body = {"role": payload["name"], "status": ADDED}
    if warning := name_rules.role_name_warning(created):
        body["warning"] = warning
    return jsonify(body)


@bp.put("/roles")
@allow(Access.ADMIN)
@operation(
    Success(
        "Roles updated.",
        UserWritten(),
        {"changed": {"userId": "bob", "status": ROLES_CHANGED}},
    ),
    body=RoleChangeBody(),
    errors=(
        AmbiguousName("user", "bob"),
        AmbiguousName("role", "developers"),
        missing_keys("addedRoles", "removedRoles"),
        BadRequest("A role is both added and removed."),
        too_many_roles(),
        *custody_errors("remove it"),
        Forbidden("Every user has the role Internal/everyone; it cannot be changed."),
        UserNotFound("bob"),
        RoleNotFound("developers"),
    ),
)
def change_roles(payload: dict[str, Any]) -> Response:
    """Assign and revoke roles.

    All changes are made, or none. Assigning a role that the user has, or revoking one that it does
    not have, is no error. At least one of the two lists is needed.
    """
    if not payload.keys() & {"added", "removed"}:
        raise missing_keys("addedRoles", "removedRoles")
    must_be_primary(payload["domain"])
    services().roles.change(current_performer(), _change(payload))
    return jsonify(userId=payload["name"], status=ROLES_CHANGED)


@bp.get("/roles/<name:name>")
@allow(Access.ADMIN_BY_DEFAULT)
@operation(Success("The role.", Role(), is_truncatable=True), has_domain=True)
def show_role(name: str) -> Response:
    """Show a role.

    Every user has the role `Internal/everyone`.
    """
    role = services().roles.show(_in_path(name))
    response = compressed(jsonify(role=role.name, users=role.users))
    return completeness(response, complete=role.complete)


@bp.delete("/roles/<name:name>")
@allow(Access.ADMIN)
@operation(
    Success("Role deleted.", RoleWritten(), {"deleted": {"role": "developers", "status": DELETED}}),
    has_domain=True,
    errors=(Forbidden("The admin role admin cannot be deleted."),),
)
def delete_role(name: str) -> Response:
    """Delete a role.

    The admin role and `Internal/everyone` cannot be deleted.
    """
    deleted = services().roles.delete(current_performer(), _in_path(name))
    return jsonify(role=deleted.name, status=DELETED)


def _in_path(name: str) -> str:
    # Clients name the role `Internal/x` as `roles/Internal/x` or as `roles/x?domain=Internal`.
    return name_rules.role_of_domain(without_slash(name), request.args.get("domain"))


def _change(payload: dict[str, Any]) -> RoleChange:
    """Return the wanted change; roles are named with their domain, `Internal/x`, or without."""
    return RoleChange(
        user_name=payload["name"],
        assigned=tuple(payload.get("added") or ()),
        revoked=tuple(payload.get("removed") or ()),
    )
