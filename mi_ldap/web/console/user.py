"""One user, and what can be done to it: `/console/user?name=…`.

The name is in the query, where any name is what it is: in a path `/` and `..` would mean more.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request

from mi_ldap import model
from mi_ldap.queries import Query
from mi_ldap.roles import RoleChange
from mi_ldap.users import NewPassword
from mi_ldap.web.console.answers import moved, page, tried
from mi_ldap.web.guards import current_performer
from mi_ldap.wiring import Services


def add_views(console: Blueprint, services: Services) -> None:
    """The views over the services."""

    @console.get("/user")
    def user() -> Response:
        return _user_page(services, {})

    @console.post("/user/give")
    def give() -> Response:
        return _changed(services, RoleChange(_name(), added=(_role(),)), "given")

    @console.post("/user/take")
    def take() -> Response:
        return _changed(services, RoleChange(_name(), removed=(_role(),)), "taken")

    @console.post("/user/password")
    def set_password() -> Response:
        return _set_password(services)

    @console.get("/user/remove")
    def ask_to_remove() -> Response:
        performer, name = current_performer(), _name()
        shown = services.users.show(name, performer.admin_role)
        verdict = services.users.verdict(performer, name)
        return page("remove_user.html", shown=shown, refusal=verdict.remove)

    @console.post("/user/remove")
    def remove_user() -> Response:
        def remove() -> Response:
            services.users.remove(current_performer(), _name())
            return moved("users", "removed")

        return _tried(services, "remove", remove)


def _tried(services: Services, form: str, act: Callable[[], Response]) -> Response:
    return tried(act, lambda errors: _user_page(services, {form: errors}))


def _user_page(services: Services, errors: dict[str, dict[str, str]]) -> Response:
    """The page, with what went wrong at one of its forms."""
    performer, name = current_performer(), _name()
    holdings = services.roles.holdings(performer, name)
    held = {each.name for each in holdings} | {model.EVERYONE}
    return page(
        "user.html",
        shown=services.users.show(name, performer.admin_role),
        verdict=services.users.verdict(performer, name),
        holdings=holdings,
        roles_closed=services.roles.closed,
        others=[each for each in services.roles.select(Query()).names if each not in held],
        errors=errors,
    )


def _changed(services: Services, wanted: RoleChange, done: str) -> Response:
    def change() -> Response:
        services.roles.change(current_performer(), wanted)
        return moved("user", done, name=wanted.user_name)

    return _tried(services, "roles", change)


def _set_password(services: Services) -> Response:
    name, new = _name(), request.form.get("new", "")

    def change() -> Response:
        model.must_agree(new, request.form.get("confirmed", ""))
        services.users.set_password(current_performer(), name, NewPassword(new, None))
        return moved("user", "password", name=name)

    return _tried(services, "password", change)


def _name() -> str:
    return request.args.get("name", "")


def _role() -> str:
    return request.form.get("role", "")
