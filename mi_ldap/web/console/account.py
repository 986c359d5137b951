"""One's own account and password: `/console/account`."""

from __future__ import annotations

from flask import Response, request

from mi_ldap import name_rules
from mi_ldap.services.users import NewPassword
from mi_ldap.web import tokens
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import form_of, refused_form
from mi_ldap.web.console.responses import render_page
from mi_ldap.web.context import current_performer, services


@bp.get("/account")
@allow(Access.SELF)
def show_account() -> Response:
    """Show the account of the logged-in user."""
    performer = current_performer()
    # A user who must change the password first may read nothing else.
    is_open = not performer.must_change_password
    user = services().users.show(performer.name, performer.admin_role) if is_open else None
    read_only_reason = services().users.why_read_only(performer.user)
    return render_page(
        "account.html", user=user, errors=refused_form().errors, read_only_reason=read_only_reason
    )


@bp.post("/account/password")
@allow(Access.SELF)
@form_of("show_account")
def set_own_password() -> Response:
    """Change the password of the logged-in user, which ends the session."""
    performer, new = current_performer(), request.form.get("new", "")
    name_rules.ensure_confirmed(new, request.form.get("confirmed", ""))
    wanted = NewPassword(new, request.form.get("old", ""))
    services().users.set_password(performer, performer.name, wanted)
    notice = "Password changed. Log in with the new password."
    return tokens.delete_cookie(redirect_to("show_login", notice))
