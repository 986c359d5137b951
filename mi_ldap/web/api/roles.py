"""`/management/roles`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from mi_ldap import model
from mi_ldap.services.roles import RoleChange
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.lists import completeness, compressed, listing, must_be_primary, without_slash
from mi_ldap.web.api.schemas import RoleBody, RoleChangeBody, body_of, missing, query_of
from mi_ldap.web.context import services
from mi_ldap.web.guards import current_performer

bp = Blueprint("roles", __name__, url_prefix="/management")


@bp.get("/roles")
@allow(Access.ADMIN_BY_DEFAULT)
def list_roles() -> Response:
    """List roles."""
    query = query_of(request)
    return listing(services().roles.select(query), "role", paged=query.is_paged)


@bp.post("/roles")
@allow(Access.ADMIN)
def create_role() -> Response:
    """Create a role."""
    sent = body_of(request, RoleBody())
    if sent["name"] is None:
        raise missing("role")
    name = model.role_of_domain(sent["name"], sent["domain"])
    created = services().roles.create(current_performer(), name)
    answer = {"role": sent["name"], "status": "Added"}
    if warning := model.role_name_warning(created):
        answer["warning"] = warning
    return jsonify(answer)


@bp.put("/roles")
@allow(Access.ADMIN)
def change_roles() -> Response:
    """Assign and revoke roles."""
    sent = body_of(request, RoleChangeBody())
    if sent["name"] is None:
        raise missing("userId")
    if not sent.keys() & {"added", "removed"}:
        raise missing("addedRoles", "removedRoles")
    must_be_primary(sent["domain"])
    services().roles.change(current_performer(), _change(sent))
    return jsonify(userId=sent["name"], status="Added/removed the roles")


@bp.get("/roles/<name:name>")
@allow(Access.ADMIN_BY_DEFAULT)
def show_role(name: str) -> Response:
    """Show a role."""
    shown = services().roles.show(_in_path(name))
    answer = compressed(jsonify(role=shown.name, users=shown.users))
    return completeness(answer, complete=shown.complete)


@bp.delete("/roles/<name:name>")
@allow(Access.ADMIN)
def delete_role(name: str) -> Response:
    """Delete a role."""
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
