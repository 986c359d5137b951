"""`/management/users`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from mi_ldap import model, name_rules
from mi_ldap.errors import (
    AdminRoleUnclear,
    AdminsOnly,
    BadRequest,
    DomainNotFound,
    SelfDeletion,
    TooManyFailures,
    UserExists,
)
from mi_ldap.name_rules import CONFIRMATION_DIFFERS, PRIMARY_ADMINS, is_primary
from mi_ldap.services.accounts import no_admins_through_icp, reads_of_user
from mi_ldap.services.queries import Query
from mi_ldap.services.users import NewPassword, NewUser
from mi_ldap.store import Read
from mi_ldap.web import tokens
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.lists import list_response, user_of_domain, without_slash
from mi_ldap.web.api.operation import Success, custody_errors, operation
from mi_ldap.web.api.response_schemas import (
    ADDED,
    DELETED,
    UPDATED,
    User,
    UserNames,
    UserWritten,
)
from mi_ldap.web.api.schemas import ListQuery, PasswordBody, UserBody
from mi_ldap.web.context import admin_role_of_request, current_performer, services

bp = Blueprint("users", __name__, url_prefix="/management")

_EMPTY_PASSWORD = BadRequest("The password is not allowed: it is empty.")


@bp.get("/users")
@allow(Access.ADMIN_BY_DEFAULT, icp=True)
@operation(Success("The users.", UserNames(), is_truncatable=True), query=ListQuery())
def list_users(query: Query) -> Response:
    """List users.

    The list is complete and sorted. All given conditions must hold; an empty one is ignored. An
    unknown role gives an empty list.
    """
    return list_response(services().users.select(query), "userId", paged=query.is_paged)


@bp.post("/users")
@allow(Access.ADMIN, icp=True)
@operation(
    Success("User created.", UserWritten(), {"added": {"userId": "bob", "status": ADDED}}),
    body=UserBody(),
    errors=(
        UserExists("bob"),
        BadRequest("'userId' must be a string."),
        BadRequest("'isAdmin' must be true or false."),
        BadRequest(PRIMARY_ADMINS),
        no_admins_through_icp(),
        BadRequest("The user name is not allowed: it is empty."),
        _EMPTY_PASSWORD,
    ),
)
def create_user(payload: dict[str, Any]) -> Response:
    """Create a user.

    With `isAdmin` the user becomes an admin, and you its custodian: only you can delete it. Only a
    user of the primary user store can be an admin.
    """
    name = user_of_domain(payload["name"], payload["domain"])
    wanted = NewUser(name, payload["password"], payload["is_admin"])
    services().users.create(current_performer(), wanted)
    # The name as it was sent, which may differ from the stored one: the contract has it so.
    # Not 201: the dashboard takes everything but 200 for a failure.
    return jsonify(userId=payload["name"], status=ADDED)


@bp.get("/users/<name:name>")
@allow(Access.ADMIN_BY_DEFAULT, icp=True)
@operation(Success("The user.", User()), has_domain=True)
def show_user(name: str) -> Response:
    """Show a user.

    `roles` has the roles of the user's store, as `WSO2.COM/dev` for a secondary one, and hybrid
    roles, `Internal/x` and `Application/x`. `isAdmin` is true for the members of the admin role,
    which `GET /rules` names; it may be a hybrid role.
    """
    user = services().users.show(_in_path(name), admin_role_of_request())
    body = {"userId": user.name, "isAdmin": user.is_admin, "roles": user.roles}
    if user.created_by is not None:
        body["createdBy"] = user.created_by
    return jsonify(body)


def _target(name: str) -> list[Read]:
    try:
        return reads_of_user(_in_path(name))
    except DomainNotFound:  # the view raises it once the access is checked
        return []


@bp.delete("/users/<name:name>")
@allow(Access.ADMIN, _target, icp=True)
@operation(
    Success("User deleted.", UserWritten(), {"deleted": {"userId": "bob", "status": DELETED}}),
    has_domain=True,
    errors=(
        *custody_errors("remove it"),
        SelfDeletion(),
    ),
)
def delete_user(name: str) -> Response:
    """Delete a user.

    An admin can only be deleted by its custodian, and nobody can delete their own account.
    """
    deleted = services().users.delete(current_performer(), _in_path(name), tokens.authority())
    return jsonify(userId=_as_addressed(deleted), status=DELETED)


@bp.patch("/users/<name:name>")
@allow(Access.SELF)
@operation(
    Success(
        "Password changed.",
        UserWritten(),
        {"changed": {"userId": "bob", "status": UPDATED}},
    ),
    body=PasswordBody(),
    has_domain=True,
    errors=(
        AdminsOnly(),
        AdminRoleUnclear(),
        BadRequest(CONFIRMATION_DIFFERS),
        _EMPTY_PASSWORD,
        *custody_errors("change its password"),
        TooManyFailures(42),
    ),
)
def set_password(payload: dict[str, Any], name: str) -> Response:
    """Change a password.

    Every logged-in user may change a password whose current value it sends as `oldPassword`. An
    admin may set the password of a user without it; that of another admin only as its custodian.
    """
    name_rules.ensure_confirmed(payload["new"], payload["confirmed"])
    wanted = NewPassword(payload["new"], payload["old"])
    changed = services().users.set_password(current_performer(), _in_path(name), wanted)
    return jsonify(userId=_as_addressed(changed), status=UPDATED)


def _in_path(name: str) -> str:
    """Return the name in the path, with the domain of the query."""
    return user_of_domain(without_slash(name), request.args.get("domain"))


def _as_addressed(user: model.User) -> str:
    """Return the user's name, without its domain if the query names that."""
    return (
        user.name if is_primary(request.args.get("domain")) else user.name[len(user.domain) + 1 :]
    )
