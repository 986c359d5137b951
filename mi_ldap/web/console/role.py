"""One role with its members: `/console/role?name=…`."""

from __future__ import annotations

from flask import Response

from mi_ldap import name_rules
from mi_ldap.model import Names
from mi_ldap.name_rules import EVERYONE
from mi_ldap.services.queries import Query
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console.address import requested_name
from mi_ldap.web.console.admins import creators, first_admin_name
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import form_of, refused_form
from mi_ldap.web.console.listing import ListView, page_of
from mi_ldap.web.console.responses import render_list, render_page
from mi_ldap.web.context import current_performer, services


@bp.get("/role")
@allow(Access.ADMIN)
def show_role() -> Response:
    """Show a role with a page of its members."""
    role = services().roles.show(requested_name())
    view = ListView.of_request("show_role", role.name)
    selection = Query(search_key=view.q).select(Names(role.users, role.complete))
    admin_role = current_performer().admin_role
    return render_list(
        "role.html",
        view,
        shown=page_of(view, selection),
        is_admin_role=admin_role is not None and role.name == admin_role.role.name,
        creators=creators(),
        first_admin=first_admin_name(),
        why_not_assign=_why_not_assign(role.name),
        domain=name_rules.split_domain(role.name, services().rules.domains)[0],
        refusal=services().roles.why_delete_forbidden(current_performer(), role.name),
        refused=refused_form(),
    )


def _why_not_assign(name: str) -> str:
    """Return why the role can be assigned to nobody, or `""`."""
    # Every user has it, so the page has no form to assign it.
    if name == EVERYONE:
        return ""
    return services().roles.why_assign_forbidden(current_performer(), name)


@bp.get("/role/delete")
@allow(Access.ADMIN)
def confirm_role_deletion() -> Response:
    """Ask before a role is deleted."""
    role = services().roles.show(requested_name())
    refusal = services().roles.why_delete_forbidden(current_performer(), role.name)
    members = len(role.users) if role.name != EVERYONE else 0
    return render_page("delete_role.html", name=role.name, members=members, refusal=refusal)


@bp.post("/role/delete")
@allow(Access.ADMIN)
@form_of("show_role")
def delete_role() -> Response:
    """Delete a role."""
    services().roles.delete(current_performer(), requested_name())
    return redirect_to("list_roles", "Role deleted.")
