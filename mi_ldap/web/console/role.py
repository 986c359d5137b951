"""One role with its members: `/console/role?name=…`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from mi_ldap.model import Names
from mi_ldap.queries import Query
from mi_ldap.roles import RoleChange
from mi_ldap.web.console.answers import listed, moved, page, tried
from mi_ldap.web.console.listing import View, page_of
from mi_ldap.web.console.users import creators
from mi_ldap.web.guards import current_performer
from mi_ldap.wiring import Services


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""

    def role_page(errors: dict[str, str]) -> Response:
        found = services.roles.show(_name())
        view = View.of_request("role", found.name)
        selection = Query(search_key=view.q).select(Names(found.users, found.complete))
        admin_role = current_performer().admin_role
        return listed(
            "role.html",
            view,
            shown=page_of(view, selection),
            is_admin_role=admin_role is not None and found.name == admin_role.role.name,
            creators=creators(services),
            closed=services.roles.closed,
            refusal=services.roles.verdict(current_performer(), found.name),
            errors=errors,
        )

    @console.get("/role")
    def role() -> Response:
        return role_page({})

    @console.post("/role/give")
    def add_member() -> Response:
        user = request.form.get("user", "")

        def give() -> Response:
            services.roles.change(current_performer(), RoleChange(user, added=(_name(),)))
            return moved("role", "given", name=_name())

        return tried(give, role_page)

    @console.get("/role/remove")
    def ask_to_remove_role() -> Response:
        name = _name()
        refusal = services.roles.verdict(current_performer(), name)
        return page("remove_role.html", name=services.roles.show(name).name, refusal=refusal)

    @console.post("/role/remove")
    def remove_role() -> Response:
        def remove() -> Response:
            services.roles.remove(current_performer(), _name())
            return moved("roles", "role-removed")

        return tried(remove, role_page)


def _name() -> str:
    return request.args.get("name", "")
