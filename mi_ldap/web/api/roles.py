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
from mi_ldap.name_rules import PRIMARY_ADMINS
from mi_ldap.services.queries import Query
from mi_ldap.services.role_changes import RoleChange, too_many_roles
from mi_ldap.services.role_checks import OTHER_STORE
from mi_ldap.services.roles import no_hybrid_roles
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.lists import (
    compress,
    list_response,
    mark_truncated,
    role_of_domain,
    user_of_domain,
    without_slash,
)
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
    return list_response(services().roles.select(query), "role", paged=query.is_paged)


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
        no_hybrid_roles(),
    ),
)
def create_role(payload: dict[str, Any]) -> Response:
    """Create a role.

    The role has no members yet. A name that begins with `Internal/` or `Application/`, or such a
    `domain`, makes a hybrid role, if hybrid roles are configured: users of every user store may
    have it, and it can be created while the user store is read-only. The response has a `warning`
    if the dashboard fails because of the name.
    """
    name = role_of_domain(payload["name"], payload["domain"])
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
        BadRequest(PRIMARY_ADMINS),
        BadRequest(OTHER_STORE),
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
    not have, is not an error. At least one of the two lists is needed.

    `domain` is the user's. A role without a domain is in that, too; a hybrid role is named in full,
    `Internal/x`. In a read-only user store only hybrid roles can be assigned and revoked, and with
    `super_admin.admin_role = "Internal/admin"` the admin role is one of them.
    """
    if not payload.keys() & {"added", "removed"}:
        raise missing_keys("addedRoles", "removedRoles")
    services().role_changes.change(current_performer(), _change(payload))
    return jsonify(userId=payload["name"], status=ROLES_CHANGED)


@bp.get("/roles/<name:name>")
@allow(Access.ADMIN_BY_DEFAULT)
@operation(Success("The role.", Role(), is_truncatable=True), has_domain=True)
def show_role(name: str) -> Response:
    """Show a role.

    Every user has the role `Internal/everyone`.
    """
    role = services().roles.show(_in_path(name))
    response = compress(jsonify(role=role.name, users=role.users))
    return mark_truncated(response, complete=role.complete)


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
    # Without its domain if the query names that.
    is_bare = not name_rules.is_primary(request.args.get("domain"))
    shown = deleted.name.partition("/")[2] if is_bare else deleted.name
    return jsonify(role=shown, status=DELETED)


def _in_path(name: str) -> str:
    # Clients name the role `Internal/x` as `roles/Internal/x` or as `roles/x?domain=Internal`.
    return role_of_domain(without_slash(name), request.args.get("domain"))


def _change(payload: dict[str, Any]) -> RoleChange:
    """Return the wanted change.

    Roles are named with their domain, `Internal/x`; one without a domain is in that of the user.
    """
    domain = payload["domain"]
    assigned, revoked = (
        tuple(
            role if "/" in role else role_of_domain(role, domain) for role in payload.get(key) or ()
        )
        for key in ("added", "removed")
    )
    return RoleChange(user_of_domain(payload["name"], domain), assigned, revoked)
