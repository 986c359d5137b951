"""One role with its members: `/console/role?name=…`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from mi_ldap.model import EVERYONE, Names
from mi_ldap.services.container import Services
from mi_ldap.services.queries import Query
from mi_ldap.web.console.answers import page, render_list
from mi_ldap.web.console.assignments import assign_role
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import handle_form, refused_form
from mi_ldap.web.console.listing import View, page_of
from mi_ldap.web.console.users import creators, first_admin_name
from mi_ldap.web.guards import current_performer


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""

    @console.get("/role")
    def role() -> Response:
        found = services.roles.show(_name())
        view = View.of_request("role", found.name)
        selection = Query(search_key=view.q).select(Names(found.users, found.complete))
        admin_role = current_performer().admin_role
        return render_list(
            "role.html",
            view,
            shown=page_of(view, selection),
            is_admin_role=admin_role is not None and found.name == admin_role.role.name,
            creators=creators(services),
            first_admin=first_admin_name(services),
            closed=services.roles.read_only_reason,
            refusal=services.roles.why_delete_forbidden(current_performer(), found.name),
            refused=refused_form(),
        )

    @console.post("/role/assign")
    def add_member() -> Response:
        user = request.form.get("user", "")
        return handle_form(
            lambda: assign_role(services, user, _name(), lambda: ("role", {"name": _name()}))
        )

    @console.get("/role/delete")
    def confirm_deletion_of_role() -> Response:
        name = _name()
        found = services.roles.show(name)
        refusal = services.roles.why_delete_forbidden(current_performer(), name)
        members = len(found.users) if found.name != EVERYONE else 0
        return page("delete_role.html", name=found.name, members=members, refusal=refusal)

    @console.post("/role/delete")
    def delete_role() -> Response:
        def delete() -> Response:
            services.roles.delete(current_performer(), _name())
            return redirect_to("roles", "Role deleted.")

        return handle_form(delete)


def _name() -> str:
    return request.args.get("name", "")
