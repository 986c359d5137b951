"""The list of users, and the form for a new one: `/console/users`."""

from __future__ import annotations

from flask import Response, request

from mi_ldap import name_rules
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.services.queries import Query, Selection
from mi_ldap.services.users import NewUser
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console import messages
from mi_ldap.web.console.admins import creators, first_admin_name
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import form_of, refused_form
from mi_ldap.web.console.listing import ListView, page_of
from mi_ldap.web.console.responses import render_list, render_page, status_and_retry
from mi_ldap.web.context import current_performer, services


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
        read_only_reason=services().users.read_only_reason,
    )


def _unlisted(view: ListView, error: DirectoryUnavailable) -> Response:
    """Return the page without the list, with its error and its search form."""
    # A directory that cannot list all users in time may still find some of them.
    shown = page_of(view, Selection((), 0, complete=True))
    list_error = str(error)
    response = render_list(
        "users.html", view, shown=shown, roles=(), creators={}, list_error=list_error
    )
    return status_and_retry(response, error)


@bp.get("/users/add")
@allow(Access.ADMIN)
def add_user() -> Response:
    """Show the form for a new user."""
    users, domains = services().users, services().rules.domains
    return render_page(
        "add_user.html",
        refused=refused_form(),
        read_only_reason=users.read_only_reason,
        name_hint=messages.name_hint(users.writable_domains, domains),
        # Only users of the primary store are admins.
        may_be_admin="" in users.writable_domains,
    )


@bp.post("/users/add")
@allow(Access.ADMIN)
@form_of("add_user")
def create_user() -> Response:
    """Create a user."""
    form = request.form
    password, is_admin = form.get("new", ""), form.get("is_admin") == "yes"
    name_rules.ensure_confirmed(password, form.get("confirmed", ""))
    wanted = NewUser(form.get("name", ""), password, is_admin)
    created = services().users.create(current_performer(), wanted)
    return redirect_to("show_user", "User created.", name=created)
