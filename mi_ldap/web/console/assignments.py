"""Assigning and revoking roles.

A change of the admin role must be confirmed on a page of its own. Other roles are changed at once,
because the opposite action undoes the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Response, request

from mi_ldap.services.accounts import find_role, get_user
from mi_ldap.services.container import Services
from mi_ldap.services.roles import RoleChange
from mi_ldap.web import tokens
from mi_ldap.web.console import words
from mi_ldap.web.console.answers import page
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import handle_form
from mi_ldap.web.guards import current_performer

NextPage = Callable[[], tuple[str, Mapping[str, str]]]
"""Returns an endpoint and the values of its URL; called after the change."""


def add_views(console: Blueprint, services: Services) -> None:
    """Add the views to the console."""

    @console.get("/user/assign-admin")
    def confirm_assignment() -> Response:
        admin_role = services.admins.role_for(current_performer().user)
        shown = services.users.show(_name(), admin_role)
        refusal = (
            f"{shown.name} is an admin already."
            if shown.is_admin
            else services.roles.read_only_reason
        )
        role = admin_role.role.name
        return page("assign_admin.html", name=shown.name, role=role, refusal=refusal)

    @console.post("/user/assign")
    def assign() -> Response:
        name, role = _name(), request.form.get("role", "")
        return handle_form(lambda: assign_role(services, name, role, lambda: _user_page(name)))

    @console.get("/user/revoke-admin")
    def confirm_revocation() -> Response:
        return _revocation_page(services)

    @console.post("/user/revoke")
    def revoke() -> Response:
        return handle_form(lambda: _revoke(services, _name(), request.form.get("role", "")))


def assign_role(services: Services, user: str, role: str, next_page: NextPage) -> Response:
    """Assign a role and redirect to the next page; ask first if it is the admin role."""
    user = get_user(services.store.view(), user).name
    if _is_admin_role(services, role) and not _is_confirmed():
        return redirect_to("confirm_assignment", name=user)
    services.roles.change(current_performer(), RoleChange(user, assigned=(role,)))
    endpoint, values = next_page()
    return redirect_to(endpoint, f"{user} now has the role {role}.", **values)


def _revoke(services: Services, user: str, role: str) -> Response:
    if not _is_admin_role(services, role):
        services.roles.change(current_performer(), RoleChange(user, revoked=(role,)))
        return redirect_to("user", f"Revoked {role} from {user}.", name=user)
    if not _is_confirmed():
        return redirect_to("confirm_revocation", name=user)
    performer = current_performer()
    is_own = get_user(services.store, user).id == performer.user.id
    services.roles.change(performer, RoleChange(user, revoked=(role,)))
    if is_own:  # the change has ended the session
        return tokens.drop_cookie(redirect_to("login", words.NO_LONGER_ADMIN))
    return redirect_to("user", f"Revoked {role} from {user}.", name=user)


def _revocation_page(services: Services) -> Response:
    """Render the question with the consequences, or the reason why it is not allowed."""
    performer, user = current_performer(), get_user(services.store, _name())
    admin_role = services.admins.role_for(performer.user)
    role = admin_role.role.name
    refusals = {
        each.name: each.why_forbidden for each in services.roles.held_roles(performer, user.name)
    }
    return page(
        "revoke_admin.html",
        name=user.name,
        role=role,
        is_own=user.id == performer.user.id,
        handover=services.admins.handover(user, admin_role),
        refusal=refusals.get(role, f"{user.name} does not have the role {role}."),
    )


def _is_admin_role(services: Services, role: str) -> bool:
    """Whether the name, as typed, finds the admin role in the directory itself, not in memory."""
    found, admin_role = find_role(services.store, role), current_performer().admin_role
    return found is not None and admin_role is not None and found.id == admin_role.role.id


def _is_confirmed() -> bool:
    return request.form.get("is_confirmed") == "yes"


def _user_page(name: str) -> tuple[str, Mapping[str, str]]:
    return "user", {"name": name}


def _name() -> str:
    return request.args.get("name", "")
