"""Access checks of the management API, made before any view runs.

The API's contract fixes the order of the errors: 401, then 403 because the admin role is missing,
then 404, and only then those that a view raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from flask import Flask, Response, current_app, g, request

from mi_ldap.errors import AdminsOnly, BadRequest, OperatorsOnly, PasswordChangeFirst
from mi_ldap.model import Performer
from mi_ldap.store import Read
from mi_ldap.web import icp, tokens
from mi_ldap.web.access import (
    Access,
    declared_access,
    declared_reads,
    is_declared_for_icp,
)
from mi_ldap.web.context import services

BASE = "management"
CONSOLE = "console"
"""The blueprint whose guard reads cookies; see `mi_ldap.web.console.guard`."""


def init_app(app: Flask) -> None:
    """Check the access of every request."""
    app.before_request(check_access)


def check_access() -> Response | None:
    """Refuse a request that may not be made; answer OPTIONS to anybody.

    Raises:
        NotAuthenticated: a login is needed, and there is no valid token.
        PasswordChangeFirst: the token is only good for changing the password.
        AdminsOnly: the user is not an admin.
        OperatorsOnly: the user is neither an operator nor an admin.
        Forbidden: ICP may not do this.
        BadRequest: the address is not UTF-8.
    """
    # CORS preflights carry no token (Fetch standard), and the contract answers OPTIONS first.
    if request.method == "OPTIONS":
        return Response(status=200)
    # Before the address is examined: a stranger must not learn which users exist.
    if request.blueprint != CONSOLE:
        _authorize(_required_access())
    _ensure_utf8()
    return None


def _authorize(declared: Access) -> None:
    if declared is Access.ANYBODY:
        return
    access = configured(declared, request.path.removeprefix(f"/{BASE}"))
    performer = _performer(declared, access)
    if performer is None:
        return
    g.performer = performer
    if performer.must_change_password and access is not Access.SELF:
        raise PasswordChangeFirst
    if access is Access.OPERATOR:
        ensure_operator(performer)
    elif access is Access.ADMIN:
        g.performer = as_admin(performer)


def _performer(declared: Access, access: Access) -> Performer | None:
    """Return who sends the request; None for ICP while it has no account, and only reads."""
    token, further = tokens.bearer(), [*_declared_reads()]
    for_admins = access >= Access.OPERATOR
    if access is Access.OPERATOR:
        further += services().operators.reads()
    # The key id alone decides which rules apply. No token is tried with both.
    if not icp.is_addressed(token):
        return tokens.authenticate(for_admins=for_admins, further=further)
    changes = request.method not in tokens.READING
    icp.ensure_allowed(token, is_open=_is_open_to_icp(declared, access), changes=changes)
    reads = icp.reads_of_account(for_admins=for_admins, further=further)
    return icp.performer(tokens.read_authority(reads))


def _is_open_to_icp(declared: Access, access: Access) -> bool:
    """Whether the Integration Control Plane may call the route; a new one is closed.

    Args:
        declared: what the view declares.
        access: what the settings make of that.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and is_declared_for_icp(view):
        return True
    is_for_all = declared in (Access.LOGGED_IN, Access.READER) and access is Access.LOGGED_IN
    return is_for_all and request.method in tokens.READING and is_api(request.path)


def _required_access() -> Access:
    """Return what the routed view declares, else what the path's resource demands."""
    if request.endpoint is not None:
        return declared_access(current_app.view_functions[request.endpoint])
    return _access_of_unrouted(resource_of(request.path))


def _declared_reads() -> Sequence[Read]:
    """Return what the routed view wants to be read together with the performer."""
    if request.endpoint is None:
        return ()
    reads_of = declared_reads(current_app.view_functions[request.endpoint])
    return reads_of(**(request.view_args or {}))


def _access_of_unrouted(resource: str | None) -> Access:
    """Return who is told that a path or a method does not exist (404)."""
    if resource is None:
        return Access.ANYBODY
    # The strictest view of the resource decides: `PUT /users/bob` and `//users` match no route, but
    # must not tell a stranger more than `/users` does. `request.path` is decoded, so `/%75sers`
    # counts as `/users`.
    strictest = max(
        (
            declared_access(current_app.view_functions[rule.endpoint])
            for rule in current_app.url_map.iter_rules()
            if resource_of(rule.rule) == resource
        ),
        default=Access.LOGGED_IN,
    )
    # A path without a view is nobody's own account. And it is no secret which artifacts exist, so
    # that readers need not be told 403 for what nobody can do.
    if strictest in (Access.SELF, Access.READER, Access.OPERATOR):
        return Access.LOGGED_IN
    return strictest


def configured(access: Access, path: str) -> Access:
    """Return SELF, LOGGED_IN, OPERATOR or ADMIN, as the settings have it.

    Args:
        access: what a view declares.
        path: below `/management`, such as `"/apis"`.
    """
    handler = services().settings.management_api.authorization_handler
    if access is Access.ADMIN_BY_DEFAULT:
        is_open = request.method in tokens.READING and not handler.reserves(
            f"/{resource_of(request.path)}"
        )
        return Access.LOGGED_IN if is_open else Access.ADMIN
    if access in (Access.READER, Access.OPERATOR):
        if handler.reserves(path):
            return Access.ADMIN
        is_open = access is Access.READER or services().operators.are_everybody
        return Access.LOGGED_IN if is_open else Access.OPERATOR
    return access


def ensure_operator(performer: Performer) -> None:
    """Raise `OperatorsOnly` if the performer has neither an operator role nor the admin role."""
    if not is_operator(performer):
        raise OperatorsOnly


def is_operator(performer: Performer) -> bool:
    """Whether the performer has an operator role or the admin role, as read for this request."""
    reads = tokens.authority()
    is_admin = services().admins.holds(reads.admin_role(), performer.user)
    return is_admin or services().operators.include(reads, performer.user)


def as_admin(performer: Performer) -> Performer:
    """Return the performer with the admin role as it was read for this check.

    Raises:
        AdminsOnly: the performer does not have the admin role.
    """
    admin_role = tokens.authority().admin_role()
    if not services().admins.holds(admin_role, performer.user):
        raise AdminsOnly
    return replace(performer, admin_role=admin_role)


def is_api(path: str) -> bool:
    """Whether a path is below `/management`, routed or not."""
    return resource_of(path) is not None


def resource_of(path: str) -> str | None:
    """Return the first name below `/management`, `""` for itself, None outside of it."""
    # Empty names are skipped: `//users` is not routed, but asks for `users`.
    names = [name for name in path.split("/") if name]
    if not names or names[0] != BASE:
        return None
    return names[1] if len(names) > 1 else ""


def _ensure_utf8() -> None:
    """Raise `BadRequest` for an address that is not UTF-8."""
    # Werkzeug replaces broken bytes by U+FFFD silently, and a replaced name is another name.
    path = request.environ.get("PATH_INFO", "").encode("latin-1", errors="replace")
    query = unquote_to_bytes(request.query_string)
    try:
        path.decode()
        query.decode()
    except UnicodeDecodeError:
        raise BadRequest("The address is not UTF-8.") from None
