"""The roles, and a new one: `/console/roles`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from mi_ldap.model import role_name_warning
from mi_ldap.services.container import Services
from mi_ldap.web.console.answers import page, render_list
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import handle_form, refused_form
from mi_ldap.web.console.listing import View, page_of
from mi_ldap.web.guards import current_performer


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""

    @console.get("/roles")
    def roles() -> Response:
        view = View.of_request("roles")
        shown = page_of(view, services.roles.select(view.query))
        admin_role = current_performer().admin_role
        return render_list(
            "roles.html",
            view,
            shown=shown,
            admin_role=admin_role.role.name if admin_role else "",
            closed=services.roles.read_only_reason,
        )

    @console.get("/roles/add")
    def add_role() -> Response:
        return page("add_role.html", refused=refused_form(), closed=services.roles.read_only_reason)

    @console.post("/roles/add")
    def create_role() -> Response:
        def create() -> Response:
            created = services.roles.create(current_performer(), request.form.get("name", ""))
            notice = f"Role created. {role_name_warning(created)}".strip()
            return redirect_to("role", notice, name=created)

        return handle_form(create)
