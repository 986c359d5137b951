"""`/management/users`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from mi_ldap import model
from mi_ldap.errors import (
    AdminRoleUnclear,
    AdminsOnly,
    BadRequest,
    SelfDeletion,
    TooManyFailures,
    UserExists,
)
from mi_ldap.model import DIFFER
from mi_ldap.services.queries import Query
from mi_ldap.services.users import NewPassword, NewUser
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.lists import listing, must_be_primary, without_slash
from mi_ldap.web.api.operation import Success, custody_errors, operation
from mi_ldap.web.api.response_schemas import User, UserNames, UserWritten
from mi_ldap.web.api.schemas import ListQuery, PasswordBody, UserBody
from mi_ldap.web.context import services
from mi_ldap.web.guards import current_performer

bp = Blueprint("users", __name__, url_prefix="/management")

_EMPTY_PASSWORD = BadRequest("The password is not allowed: it is empty.")


@bp.get("/users")
@allow(Access.ADMIN_BY_DEFAULT)
@operation(Success("The users.", UserNames(), is_truncatable=True), query=ListQuery())
def list_users(query: Query) -> Response:
    """List users.

    Complete and sorted. Of the conditions, all that are given must hold; an empty one is none. An
    unknown role gives an empty list.
    """
    return listing(services().users.select(query), "userId", paged=query.is_paged)


@bp.post("/users")
@allow(Access.ADMIN)
@operation(
    Success("User created.", UserWritten(), {"added": {"userId": "bob", "status": "Added"}}),
    body=UserBody(),
    errors=(
        UserExists("bob"),
        BadRequest("'userId' must be a string."),
        BadRequest("'isAdmin' must be true or false."),
        BadRequest("The user name is not allowed: it is empty."),
        _EMPTY_PASSWORD,
    ),
)
def create_user(sent: dict[str, Any]) -> Response:
    """Create a user.

    With `isAdmin` you become its custodian: only you can remove it.
    """
    must_be_primary(sent["domain"])
    wanted = NewUser(sent["name"], sent["password"], sent["is_admin"])
    services().users.create(current_performer(), wanted)
    return jsonify(userId=sent["name"], status="Added")


@bp.get("/users/<name:name>")
@allow(Access.ADMIN_BY_DEFAULT)
@operation(Success("The user.", User()), has_domain=True)
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
@operation(
    Success("User deleted.", UserWritten(), {"deleted": {"userId": "bob", "status": "Deleted"}}),
    has_domain=True,
    errors=(
        *custody_errors("remove it"),
        SelfDeletion(),
    ),
)
def delete_user(name: str) -> Response:
    """Delete a user.

    An admin only as its custodian; oneself never.
    """
    must_be_primary(request.args.get("domain"))
    deleted = services().users.delete(current_performer(), without_slash(name))
    return jsonify(userId=deleted.name, status="Deleted")


@bp.patch("/users/<name:name>")
@allow(Access.SELF)
@operation(
    Success(
        "It was changed.",
        UserWritten(),
        {"changed": {"userId": "bob", "status": "User password updated successfully."}},
    ),
    body=PasswordBody(),
    has_domain=True,
    errors=(
        AdminsOnly(),
        AdminRoleUnclear(),
        BadRequest(f"{DIFFER}"),
        _EMPTY_PASSWORD,
        *custody_errors("change its password"),
        TooManyFailures(42),
    ),
)
def set_password(sent: dict[str, Any], name: str) -> Response:
    """Change a password.

    Open to everybody who is logged in and gives the old one, above all for one's own. An admin may
    set that of a user who is no admin without it, and that of an admin only as its custodian.
    """
    model.must_agree(sent["new"], sent["confirmed"])
    must_be_primary(request.args.get("domain"))
    wanted = NewPassword(sent["new"], sent["old"])
    changed = services().users.set_password(current_performer(), without_slash(name), wanted)
    return jsonify(userId=changed.name, status="User password updated successfully.")
