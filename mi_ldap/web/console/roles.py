"""The list of roles, and the form for a new one: `/console/roles`."""

from __future__ import annotations

from flask import Response, request

from mi_ldap.name_rules import role_name_warning
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console import messages
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import form_of, refused_form
from mi_ldap.web.console.listing import ListView, page_of
from mi_ldap.web.console.responses import render_list, render_page
from mi_ldap.web.context import current_performer, services


@bp.get("/roles")
@allow(Access.ADMIN)
def list_roles() -> Response:
    """Show a page of the list of roles."""
    view = ListView.of_request("list_roles")
    shown = page_of(view, services().roles.select(view.query))
    admin_role = current_performer().admin_role
    name = admin_role.role.name if admin_role else ""
    read_only_reason = services().roles.read_only_reason
    return render_list(
        "roles.html", view, shown=shown, admin_role=name, read_only_reason=read_only_reason
    )


@bp.get("/roles/add")
@allow(Access.ADMIN)
def add_role() -> Response:
    """Show the form for a new role."""
    roles, domains = services().roles, services().rules.domains
    return render_page(
        "add_role.html",
        refused=refused_form(),
        read_only_reason=roles.read_only_reason,
        name_hint=messages.name_hint(roles.writable_domains, domains),
    )


@bp.post("/roles/add")
@allow(Access.ADMIN)
@form_of("add_role")
def create_role() -> Response:
    """Create a role."""
    created = services().roles.create(current_performer(), request.form.get("name", ""))
    notice = f"Role created. {role_name_warning(created)}".strip()
    return redirect_to("show_role", notice, name=created)
