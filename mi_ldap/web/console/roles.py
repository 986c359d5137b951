"""The roles, and a new one: `/console/roles`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from mi_ldap.web.console.answers import listed, moved, page, tried
from mi_ldap.web.console.listing import View, page_of
from mi_ldap.web.guards import current_performer
from mi_ldap.wiring import Services


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""

    @console.get("/roles")
    def roles() -> Response:
        view = View.of_request("roles")
        shown = page_of(view, services.roles.select(view.query))
        admin_role = current_performer().admin_role
        return listed(
            "roles.html",
            view,
            shown=shown,
            admin_role=admin_role.role.name if admin_role else "",
            closed=services.roles.closed,
        )

    def form(name: str, errors: dict[str, str]) -> Response:
        return page("add_role.html", name=name, errors=errors, closed=services.roles.closed)

    @console.get("/roles/add")
    def add_role() -> Response:
        return form("", {})

    @console.post("/roles/add")
    def create_role() -> Response:
        name = request.form.get("name", "")

        def create() -> Response:
            made = services.roles.create(current_performer(), name)
            return moved("role", "role-added", name=made)

        return tried(create, lambda errors: form(name, errors))
