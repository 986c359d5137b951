"""One user, and what can be done to it: `/console/user?name=…`.

The name is in the query, where any name is what it is: in a path `/` and `..` would mean more.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from mi_ldap import model
from mi_ldap.services.accounts import get_user
from mi_ldap.services.container import Services
from mi_ldap.services.queries import Query
from mi_ldap.services.users import NewPassword
from mi_ldap.web.console.answers import page
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import handle_form, refused_form
from mi_ldap.web.console.users import first_admin_name
from mi_ldap.web.guards import current_performer


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""

    @console.get("/user")
    def user() -> Response:
        return _user_page(services)

    @console.post("/user/password")
    def set_password() -> Response:
        return handle_form(lambda: _set_password(services))

    @console.get("/user/delete")
    def confirm_deletion() -> Response:
        return _deletion_page(services)

    @console.post("/user/delete")
    def delete_user() -> Response:
        def delete() -> Response:
            services.users.delete(current_performer(), _name())
            return redirect_to("users", "User deleted.")

        return handle_form(delete)


def _user_page(services: Services) -> Response:
    performer, name = current_performer(), _name()
    shown = services.users.show(name, performer.admin_role)
    holdings = services.roles.held_roles(performer, name)
    held = {each.name for each in holdings} | {model.EVERYONE}
    return page(
        "user.html",
        shown=shown,
        is_first_admin=shown.is_admin and shown.name == first_admin_name(services),
        admin_role=performer.admin_role.role.name if performer.admin_role else "",
        verdict=services.users.permissions(performer, name),
        holdings=holdings,
        roles_closed=services.roles.read_only_reason,
        others=[each for each in services.roles.select(Query()).names if each not in held],
        refused=refused_form(),
    )


def _deletion_page(services: Services) -> Response:
    """Render the question with the consequences, or the reason why it is not allowed."""
    performer, user = current_performer(), get_user(services.store, _name())
    admin_role = services.admins.role_for(performer.user)
    return page(
        "delete_user.html",
        name=user.name,
        handover=services.admins.handover(user, admin_role),
        refusal=services.users.permissions(performer, user.name).delete,
    )


def _set_password(services: Services) -> Response:
    name, new = _name(), request.form.get("new", "")
    model.must_agree(new, request.form.get("confirmed", ""))
    services.users.set_password(current_performer(), name, NewPassword(new, None))
    return redirect_to("user", f"Password set. {name} must log in again everywhere.", name=name)


def _name() -> str:
    return request.args.get("name", "")
