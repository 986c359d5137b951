"""Forms that assign a role to a user, or revoke one."""

from __future__ import annotations

from flask import Response, request

from mi_ldap.services.accounts import find_role, get_user
from mi_ldap.services.role_changes import RoleChange
from mi_ldap.web import tokens
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console import messages
from mi_ldap.web.console.address import requested_name
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import form_of
from mi_ldap.web.console.responses import render_page
from mi_ldap.web.context import current_performer, services


@bp.get("/user/assign-admin")
@allow(Access.ADMIN)
def confirm_assignment() -> Response:
    """Ask before the admin role is assigned, or say why it cannot be."""
    performer, user = current_performer(), get_user(services().store, requested_name())
    admin_role = services().admins.role_for(performer.user)
    if services().admins.holds(admin_role, user):
        refusal = f"{user.name} is an admin already."
    else:
        refusal = services().roles.why_promotion_forbidden(performer, user.name)
    return render_page(
        "assign_admin.html",
        name=user.name,
        role=admin_role.role.name,
        is_read_only=bool(services().users.why_read_only(user)),
        refusal=refusal,
    )


@bp.post("/user/assign")
@allow(Access.ADMIN)
@form_of("show_user")
def assign() -> Response:
    """Assign a role to the user, and return to the user."""
    name = requested_name()
    return _assign(name, request.form.get("role", ""), "show_user", name)


@bp.post("/role/assign")
@allow(Access.ADMIN)
@form_of("show_role")
def add_member() -> Response:
    """Assign the role to a user, and return to the role."""
    role = requested_name()
    return _assign(request.form.get("user", ""), role, "show_role", role)


def _assign(user: str, role: str, endpoint: str, name: str) -> Response:
    """Assign a role and redirect to a page; ask first if it is the admin role."""
    user = get_user(services().store.view(), user).name
    # Other roles are changed without a question, because the opposite action undoes the change.
    if _is_admin_role(role) and not _is_confirmed():
        return redirect_to("confirm_assignment", name=user)
    services().role_changes.change(current_performer(), RoleChange(user, assigned=(role,)))
    return redirect_to(endpoint, f"{user} now has the role {role}.", name=name)


@bp.get("/user/revoke-admin")
@allow(Access.ADMIN)
def confirm_revocation() -> Response:
    """Ask before the admin role is revoked, with the consequences, or say why it cannot be."""
    performer, user = current_performer(), get_user(services().store, requested_name())
    admin_role = services().admins.role_for(performer.user)
    role = admin_role.role.name
    refusals = {
        each.name: each.why_forbidden for each in services().roles.held_roles(performer, user.name)
    }
    return render_page(
        "revoke_admin.html",
        name=user.name,
        role=role,
        is_own=user.id == performer.user.id,
        handover=services().admins.handover(user, admin_role),
        refusal=refusals.get(role, f"{user.name} does not have the role {role}."),
    )


@bp.post("/user/revoke")
@allow(Access.ADMIN)
@form_of("show_user")
def revoke() -> Response:
    """Revoke a role from the user."""
    user, role = requested_name(), request.form.get("role", "")
    if _is_admin_role(role):
        return _revoke_admin_role(user, role)
    services().role_changes.change(current_performer(), RoleChange(user, revoked=(role,)))
    return redirect_to("show_user", f"Revoked {role} from {user}.", name=user)


def _revoke_admin_role(user: str, role: str) -> Response:
    if not _is_confirmed():
        return redirect_to("confirm_revocation", name=user)
    performer = current_performer()
    is_own = get_user(services().store, user).id == performer.user.id
    services().role_changes.change(performer, RoleChange(user, revoked=(role,)))
    if is_own:  # the change has replaced the epoch of the user, which ends the session
        return tokens.delete_cookie(redirect_to("show_login", messages.NO_LONGER_ADMIN))
    return redirect_to("show_user", f"Revoked {role} from {user}.", name=user)


def _is_admin_role(role: str) -> bool:
    """Whether a typed name finds the admin role."""
    # In the directory itself: the replica may lag behind a role that was just renamed.
    found, admin_role = find_role(services().store, role), current_performer().admin_role
    return found is not None and admin_role is not None and found.id == admin_role.role.id


def _is_confirmed() -> bool:
    return request.form.get("is_confirmed") == "yes"
