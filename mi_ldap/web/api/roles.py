"""`/management/roles`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from mi_ldap import model
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
from mi_ldap.web.api.response_schemas import Role, RoleNames, RoleWritten, UserWritten
from mi_ldap.web.api.schemas import ListQuery, RoleBody, RoleChangeBody
from mi_ldap.web.context import services
from mi_ldap.web.errors import missing_keys
from mi_ldap.web.guards import current_performer

bp = Blueprint("roles", __name__, url_prefix="/management")


@bp.get("/roles")
@allow(Access.ADMIN_BY_DEFAULT)
@operation(
    Success("The roles.", RoleNames(), is_truncatable=True), query=ListQuery(exclude=("role",))
)
def list_roles(query: Query) -> Response:
    """List roles.

    Complete and sorted, `Internal/everyone` among them.
    """
    return listing(services().roles.select(query), "role", paged=query.is_paged)


@bp.post("/roles")
@allow(Access.ADMIN)
@operation(
    Success(
        "Role created.",
        RoleWritten(),
        {
            "added": {"role": "developers", "status": "Added"},
            "warning": {
                "role": "release managers",
                "status": "Added",
                "warning": model.role_name_warning("release managers"),
            },
        },
    ),
    body=RoleBody(),
    errors=(
        RoleExists("developers"),
        BadRequest("The role name is not allowed: it is empty."),
    ),
)
def create_role(sent: dict[str, Any]) -> Response:
    """Create a role.

    It has no members yet. Its name may begin with `Internal/` or `Application/`. The answer has a
    `warning` if the dashboard fails because of the name.
    """
    name = model.role_of_domain(sent["name"], sent["domain"])
    created = services().roles.create(current_performer(), name)
    answer = {"role": sent["name"], "status": "Added"}
    if warning := model.role_name_warning(created):
        answer["warning"] = warning
    return jsonify(answer)


@bp.put("/roles")
@allow(Access.ADMIN)
@operation(
    Success(
        "Roles updated.",
        UserWritten(),
        {"changed": {"userId": "bob", "status": "Added/removed the roles"}},
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
def change_roles(sent: dict[str, Any]) -> Response:
    """Assign and revoke roles.

    All of it or nothing. What is held already, or not held, is no error. One of the two lists at
    least must be there.
    """
    if not sent.keys() & {"added", "removed"}:
        raise missing_keys("addedRoles", "removedRoles")
    must_be_primary(sent["domain"])
    services().roles.change(current_performer(), _change(sent))
    return jsonify(userId=sent["name"], status="Added/removed the roles")


@bp.get("/roles/<name:name>")
@allow(Access.ADMIN_BY_DEFAULT)
@operation(Success("The role.", Role(), is_truncatable=True), has_domain=True)
def show_role(name: str) -> Response:
    """Show a role.

    `Internal/everyone` is held by all users.
    """
    shown = services().roles.show(_in_path(name))
    answer = compressed(jsonify(role=shown.name, users=shown.users))
    return completeness(answer, complete=shown.complete)


@bp.delete("/roles/<name:name>")
@allow(Access.ADMIN)
@operation(
    Success(
        "Role deleted.", RoleWritten(), {"deleted": {"role": "developers", "status": "Deleted"}}
    ),
    has_domain=True,
    errors=(Forbidden("The admin role admin cannot be deleted."),),
)
def delete_role(name: str) -> Response:
    """Delete a role.

    Not the admin role, nor `Internal/everyone`.
    """
    deleted = services().roles.delete(current_performer(), _in_path(name))
    return jsonify(role=deleted.name, status="Deleted")


def _in_path(name: str) -> str:
    return model.role_of_domain(without_slash(name), request.args.get("domain"))


def _change(sent: dict[str, Any]) -> RoleChange:
    """Roles may be sent with their domain, `Internal/x`, or by their plain name."""
    return RoleChange(
        user_name=sent["name"],
        assigned=tuple(sent.get("added") or ()),
        revoked=tuple(sent.get("removed") or ()),
    )
