"""One user, and what an admin may do with it: `/console/user?name=…`."""

from __future__ import annotations

from flask import Response, request

from mi_ldap import name_rules
from mi_ldap.services.accounts import get_user
from mi_ldap.services.users import NewPassword
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console.address import requested_name
from mi_ldap.web.console.admins import first_admin_name
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import form_of, refused_form
from mi_ldap.web.console.responses import render_page
from mi_ldap.web.context import current_performer, services


@bp.get("/user")
@allow(Access.ADMIN)
def show_user() -> Response:
    """Show a user with its roles, and the forms to change it."""
    performer, name = current_performer(), requested_name()
    user = services().users.show(name, performer.admin_role)
    held_roles = services().roles.held_roles(performer, name)
    return render_page(
        "user.html",
        user=user,
        is_first_admin=user.is_admin and user.name == first_admin_name(),
        admin_role=performer.admin_role.role.name if performer.admin_role else "",
        permissions=services().users.permissions(performer, name),
        held_roles=held_roles,
        roles_read_only_reason=services().roles.read_only_reason,
        assignable=services().roles.assignable(performer, name, held_roles),
        own_read_only_reason=services().users.why_read_only(performer.user),
        refused=refused_form(),
    )


@bp.post("/user/password")
@allow(Access.ADMIN)
@form_of("show_user")
def set_password() -> Response:
    """Set the password of a user without knowing the present one."""
    name, new = requested_name(), request.form.get("new", "")
    name_rules.ensure_confirmed(new, request.form.get("confirmed", ""))
    services().users.set_password(current_performer(), name, NewPassword(new, None))
    notice = f"Password set. {name} must log in again everywhere."
    return redirect_to("show_user", notice, name=name)


@bp.get("/user/delete")
@allow(Access.ADMIN)
def confirm_user_deletion() -> Response:
    """Ask before a user is deleted, with the consequences, or say why it is not allowed."""
    performer, user = current_performer(), get_user(services().store, requested_name())
    admin_role = services().admins.role_for(performer.user)
    return render_page(
        "delete_user.html",
        name=user.name,
        handover=services().admins.handover(user, admin_role),
        refusal=services().users.permissions(performer, user.name).delete,
    )


@bp.post("/user/delete")
@allow(Access.ADMIN)
@form_of("show_user")
def delete_user() -> Response:
    """Delete a user."""
    services().users.delete(current_performer(), requested_name())
    return redirect_to("list_users", "User deleted.")
