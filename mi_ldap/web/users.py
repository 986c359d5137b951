"""`/management/users`."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from mi_ldap import model
from mi_ldap.services.container import Services
from mi_ldap.services.users import NewPassword, NewUser
from mi_ldap.web.guards import current_performer
from mi_ldap.web.listing import listing, must_be_primary, without_slash
from mi_ldap.web.schemas import PasswordBody, UserBody, body_of, missing, query_of


def blueprint(services: Services) -> Blueprint:
    """The resource's views over the services."""
    users = Blueprint("users", __name__, url_prefix="/management")

    @users.get("/users")
    def list_users() -> Response:
        query = query_of(request)
        return listing(services.users.select(query), "userId", paged=query.is_paged)

    @users.post("/users")
    def create_user() -> Response:
        sent = body_of(request, UserBody())
        if sent["name"] is None or sent["password"] is None:
            raise missing("userId", "password")
        must_be_primary(sent["domain"])
        wanted = NewUser(sent["name"], sent["password"], sent["is_admin"])
        services.users.create(current_performer(), wanted)
        return jsonify(userId=sent["name"], status="Added")

    @users.get("/users/<name:name>")
    def show_user(name: str) -> Response:
        must_be_primary(request.args.get("domain"))
        shown = services.users.show(without_slash(name), current_performer().admin_role)
        answer = {"userId": shown.name, "isAdmin": shown.is_admin, "roles": shown.roles}
        if shown.created_by is not None:
            answer["createdBy"] = shown.created_by
        return jsonify(answer)

    @users.delete("/users/<name:name>")
    def delete_user(name: str) -> Response:
        must_be_primary(request.args.get("domain"))
        removed = services.users.delete(current_performer(), without_slash(name))
        return jsonify(userId=removed.name, status="Deleted")

    @users.patch("/users/<name:name>")
    def set_password(name: str) -> Response:
        wanted = _new_password(body_of(request, PasswordBody()))
        must_be_primary(request.args.get("domain"))
        changed = services.users.set_password(current_performer(), without_slash(name), wanted)
        return jsonify(userId=changed.name, status="User password updated successfully.")

    return users


def _new_password(sent: dict[str, str | None]) -> NewPassword:
    new, confirmed = sent["new"], sent["confirmed"]
    if new is None or confirmed is None:
        raise missing("newPassword", "confirmPassword")
    model.must_agree(new, confirmed)
    return NewPassword(new, sent["old"])
