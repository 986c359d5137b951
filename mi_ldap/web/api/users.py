"""`/management/users`."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from mi_ldap import model
from mi_ldap.services.users import NewPassword, NewUser
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.lists import listing, must_be_primary, without_slash
from mi_ldap.web.api.schemas import PasswordBody, UserBody, body_of, missing, query_of
from mi_ldap.web.context import services
from mi_ldap.web.guards import current_performer

bp = Blueprint("users", __name__, url_prefix="/management")


@bp.get("/users")
@allow(Access.ADMIN_BY_DEFAULT)
def list_users() -> Response:
    """List users."""
    query = query_of(request)
    return listing(services().users.select(query), "userId", paged=query.is_paged)


@bp.post("/users")
@allow(Access.ADMIN)
def create_user() -> Response:
    """Create a user."""
    sent = body_of(request, UserBody())
    if sent["name"] is None or sent["password"] is None:
        raise missing("userId", "password")
    must_be_primary(sent["domain"])
    wanted = NewUser(sent["name"], sent["password"], sent["is_admin"])
    services().users.create(current_performer(), wanted)
    return jsonify(userId=sent["name"], status="Added")


@bp.get("/users/<name:name>")
@allow(Access.ADMIN_BY_DEFAULT)
def show_user(name: str) -> Response:
    """Show a user."""
    must_be_primary(request.args.get("domain"))
    shown = services().users.show(without_slash(name), current_performer().admin_role)
    answer = {"userId": shown.name, "isAdmin": shown.is_admin, "roles": shown.roles}
    if shown.created_by is not None:
        answer["createdBy"] = shown.created_by
    return jsonify(answer)


@bp.delete("/users/<name:name>")
@allow(Access.ADMIN)
def delete_user(name: str) -> Response:
    """Delete a user."""
    must_be_primary(request.args.get("domain"))
    deleted = services().users.delete(current_performer(), without_slash(name))
    return jsonify(userId=deleted.name, status="Deleted")


@bp.patch("/users/<name:name>")
@allow(Access.SELF)
def set_password(name: str) -> Response:
    """Change a password."""
    wanted = _new_password(body_of(request, PasswordBody()))
    must_be_primary(request.args.get("domain"))
    changed = services().users.set_password(current_performer(), without_slash(name), wanted)
    return jsonify(userId=changed.name, status="User password updated successfully.")


def _new_password(sent: dict[str, str | None]) -> NewPassword:
    new, confirmed = sent["new"], sent["confirmed"]
    if new is None or confirmed is None:
        raise missing("newPassword", "confirmPassword")
    model.must_agree(new, confirmed)
    return NewPassword(new, sent["old"])
