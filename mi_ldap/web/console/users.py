"""The list of users, and the form for a new one: `/console/users`."""

from __future__ import annotations

from flask import Response, request

from mi_ldap import model
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.services.queries import Query, Selection
from mi_ldap.services.users import NewUser
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import handle_form, refused_form
from mi_ldap.web.console.listing import ListView, page_of
from mi_ldap.web.console.responses import page, render_list, status_and_retry
from mi_ldap.web.context import services
from mi_ldap.web.guards import current_performer


@bp.get("/users")
@allow(Access.ADMIN)
def list_users() -> Response:
    """Show a page of the list of users."""
    view = ListView.of_request("list_users")
    try:
        selection = services().users.select(view.query)
    except DirectoryUnavailable as error:
        return _unlisted(view, error)
    return render_list(
        "users.html",
        view,
        shown=page_of(view, selection),
        roles=services().roles.select(Query()).names,
        creators=creators(),
        first_admin=first_admin_name(),
        closed=services().users.read_only_reason,
    )


def _unlisted(view: ListView, error: DirectoryUnavailable) -> Response:
    """Return the page without the list: a directory that cannot list in time can still search."""
    shown = page_of(view, Selection((), 0, complete=True))
    trouble = str(error)
    response = render_list("users.html", view, shown=shown, roles=(), creators={}, trouble=trouble)
    return status_and_retry(response, error)


@bp.get("/users/add")
@allow(Access.ADMIN)
def add_user() -> Response:
    """Show the form for a new user."""
    return page("add_user.html", refused=refused_form(), closed=services().users.read_only_reason)


@bp.post("/users/add")
@allow(Access.ADMIN)
def create_user() -> Response:
    """Create a user."""
    return handle_form(_create_user)


def _create_user() -> Response:
    form = request.form
    password, is_admin = form.get("new", ""), form.get("is_admin") == "yes"
    model.must_agree(password, form.get("confirmed", ""))
    wanted = NewUser(form.get("name", ""), password, is_admin)
    created = services().users.create(current_performer(), wanted)
    return redirect_to("show_user", "User created.", name=created)


def creators() -> dict[str, str]:
    """Return the name of each admin's custodian, or `""`, by the admin's name."""
    admin_role = current_performer().admin_role
    return services().admins.creators(admin_role) if admin_role else {}


def first_admin_name() -> str:
    """Return the name of the first admin; `""` where it is not known."""
    admin_role = current_performer().admin_role
    if admin_role is None or not admin_role.first_admin_id:
        return ""
    first = services().store.view().user(admin_role.first_admin_id)
    return first.name if first else ""
