"""`/management/roles`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from mi_ldap import model
from mi_ldap.services.container import Services
from mi_ldap.services.roles import RoleChange
from mi_ldap.web.guards import current_performer
from mi_ldap.web.listing import completeness, compressed, listing, must_be_primary, without_slash
from mi_ldap.web.schemas import RoleBody, RoleChangeBody, body_of, missing, query_of


def blueprint(services: Services) -> Blueprint:
    """The resource's views over the services."""
    roles = Blueprint("roles", __name__, url_prefix="/management")

    @roles.get("/roles")
    def list_roles() -> Response:
        query = query_of(request)
        return listing(services.roles.select(query), "role", paged=query.is_paged)

    @roles.post("/roles")
    def create_role() -> Response:
        sent = body_of(request, RoleBody())
        if sent["name"] is None:
            raise missing("role")
        name = model.role_of_domain(sent["name"], sent["domain"])
        created = services.roles.create(current_performer(), name)
        answer = {"role": sent["name"], "status": "Added"}
        if warning := model.role_name_warning(created):
            answer["warning"] = warning
        return jsonify(answer)

    @roles.put("/roles")
    def change_roles() -> Response:
        sent = body_of(request, RoleChangeBody())
        if sent["name"] is None:
            raise missing("userId")
        if not sent.keys() & {"added", "removed"}:
            raise missing("addedRoles", "removedRoles")
        must_be_primary(sent["domain"])
        services.roles.change(current_performer(), _change(sent))
        return jsonify(userId=sent["name"], status="Added/removed the roles")

    @roles.get("/roles/<name:name>")
    def show_role(name: str) -> Response:
        shown = services.roles.show(_in_path(name))
        answer = compressed(jsonify(role=shown.name, users=shown.users))
        return completeness(answer, complete=shown.complete)

    @roles.delete("/roles/<name:name>")
    def delete_role(name: str) -> Response:
        removed = services.roles.delete(current_performer(), _in_path(name))
        return jsonify(role=removed.name, status="Deleted")

    return roles


def _in_path(name: str) -> str:
    return model.role_of_domain(without_slash(name), request.args.get("domain"))


def _change(sent: dict[str, Any]) -> RoleChange:
    """Roles may be sent with their domain, `Internal/x`, or by their plain name."""
    return RoleChange(
        user_name=sent["name"],
        assigned=tuple(sent.get("added") or ()),
        revoked=tuple(sent.get("removed") or ()),
    )
