"""One's own account, and one's own password: `/console/account`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from mi_ldap import model
from mi_ldap.services.container import Services
from mi_ldap.services.users import NewPassword
from mi_ldap.web import tokens
from mi_ldap.web.console.answers import page
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import handle_form, refused_form
from mi_ldap.web.guards import current_performer

_CHANGED = "Password changed. Log in with the new password."


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""

    @console.get("/account")
    def account() -> Response:
        performer = current_performer()
        # A password that must be changed first opens nothing else.
        is_open = not performer.must_change_password
        shown = services.users.show(performer.name, performer.admin_role) if is_open else None
        closed = services.users.read_only_reason
        return page("account.html", shown=shown, errors=refused_form().errors, closed=closed)

    @console.post("/account/password")
    def set_own_password() -> Response:
        wanted = NewPassword(request.form.get("new", ""), request.form.get("old", ""))
        performer = current_performer()

        def change() -> Response:
            model.must_agree(wanted.new, request.form.get("confirmed", ""))
            services.users.set_password(performer, performer.name, wanted)
            return tokens.drop_cookie(redirect_to("login", _CHANGED))

        return handle_form(change)
