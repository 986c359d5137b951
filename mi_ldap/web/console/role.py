"""One role with its members: `/console/role?name=…`."""

from __future__ import annotations

from flask import Response, request

from mi_ldap.model import EVERYONE, Names
from mi_ldap.services.queries import Query
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console.assignments import assign_role
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import handle_form, refused_form
from mi_ldap.web.console.listing import ListView, page_of
from mi_ldap.web.console.responses import page, render_list
from mi_ldap.web.console.users import creators, first_admin_name
from mi_ldap.web.context import services
from mi_ldap.web.guards import current_performer


@bp.get("/role")
@allow(Access.ADMIN)
def show_role() -> Response:
    """Show a role with a page of its members."""
    role = services().roles.show(_name())
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
        closed=services().roles.read_only_reason,
        refusal=services().roles.why_delete_forbidden(current_performer(), role.name),
        refused=refused_form(),
    )


@bp.post("/role/assign")
@allow(Access.ADMIN)
def add_member() -> Response:
    """Assign the role to a user, and return to the role."""
    return handle_form(_add_member)


def _add_member() -> Response:
    def next_page() -> tuple[str, dict[str, str]]:
        return "show_role", {"name": _name()}

    return assign_role(request.form.get("user", ""), _name(), next_page)


@bp.get("/role/delete")
@allow(Access.ADMIN)
def confirm_role_deletion() -> Response:
    """Ask before a role is deleted."""
    role = services().roles.show(_name())
    refusal = services().roles.why_delete_forbidden(current_performer(), role.name)
    members = len(role.users) if role.name != EVERYONE else 0
    return page("delete_role.html", name=role.name, members=members, refusal=refusal)


@bp.post("/role/delete")
@allow(Access.ADMIN)
def delete_role() -> Response:
    """Delete a role."""
    return handle_form(_delete_role)


def _delete_role() -> Response:
    services().roles.delete(current_performer(), _name())
    return redirect_to("list_roles", "Role deleted.")


def _name() -> str:
    return request.args.get("name", "")
