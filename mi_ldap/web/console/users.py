"""The users, and a new one: `/console/users`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from mi_ldap import model
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.services.container import Services
from mi_ldap.services.queries import Query, Selection
from mi_ldap.services.users import NewUser
from mi_ldap.web.console import words
from mi_ldap.web.console.answers import page, render_list, status_and_retry
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import handle_form, refused_form
from mi_ldap.web.console.listing import View, page_of
from mi_ldap.web.guards import current_performer


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""

    @console.get("/users")
    def users() -> Response:
        view = View.of_request("users")
        try:
            selection = services.users.select(view.query)
        except DirectoryUnavailable as error:
            return status_and_retry(_too_many(view, error), error)
        return render_list(
            "users.html",
            view,
            shown=page_of(view, selection),
            roles=services.roles.select(Query()).names,
            creators=creators(services),
            first_admin=first_admin_name(services),
            closed=services.users.read_only_reason,
        )

    @console.get("/users/add")
    def add_user() -> Response:
        return page("add_user.html", refused=refused_form(), closed=services.users.read_only_reason)

    @console.post("/users/add")
    def create_user() -> Response:
        sent, is_admin = request.form, request.form.get("is_admin") == "yes"
        wanted = NewUser(sent.get("name", ""), sent.get("new", ""), is_admin)

        def create() -> Response:
            model.must_agree(wanted.password, sent.get("confirmed", ""))
            created = services.users.create(current_performer(), wanted)
            return redirect_to("user", "User created.", name=created)

        return handle_form(create)


def _too_many(view: View, error: DirectoryUnavailable) -> Response:
    """The directory answers, but not with so many names in time: the search still helps."""
    nobody = page_of(view, Selection((), 0, complete=True))
    trouble = words.sentence(str(error))
    return render_list("users.html", view, shown=nobody, roles=(), creators={}, trouble=trouble)


def creators(services: Services) -> dict[str, str]:
    """Return the name of each admin's custodian, or `""`, by the admin's name."""
    admin_role = current_performer().admin_role
    return services.admins.creators(admin_role) if admin_role else {}


def first_admin_name(services: Services) -> str:
    """Return the name of the first admin; `""` where it is not known."""
    admin_role = current_performer().admin_role
    if admin_role is None or not admin_role.first_admin_id:
        return ""
    first = services.store.view().user(admin_role.first_admin_id)
    return first.name if first else ""
