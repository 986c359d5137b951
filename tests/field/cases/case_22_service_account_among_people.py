"""The service's own account lies below the user base, as one user among others."""

from __future__ import annotations

from tests.field.case import Case
from tests.field.checks import assign_and_revoke, delete
from tests.field.place import Field, password_of
from tests.table.scenarios import NEW, status

OWN = "svc"


def own_account_is_not_deleted(field: Field) -> None:
    delete(field)
    for api in field.apis:
        answer = field.admin(api)("DELETE", f"/users/{OWN}")
        assert answer.status_code == 403
        assert "the service's own account" in answer.text
    _still_works(field)


def own_account_is_not_changed(field: Field) -> None:
    """Neither by an admin nor by itself, whoever holds its password."""
    assign_and_revoke(field)
    for api in field.apis:
        admin, own = field.admin(api), field.logged_in(OWN, api)
        assert status(admin, "PATCH", f"/users/{OWN}", NEW) == 403
        with_old = {**NEW, "oldPassword": password_of(OWN)}
        assert status(own, "PATCH", f"/users/{OWN}", with_old) == 403
        assert status(admin, "PATCH", f"/users/{OWN}", with_old) == 403
        for change in ("addedRoles", "removedRoles"):
            body = {"userId": OWN, change: ["admin"]}
            assert status(admin, "PUT", "/roles", body) == 403
    _still_works(field)


def _still_works(field: Field) -> None:
    assert field.server.takes(*field.server.service)
    for api in field.apis:
        assert field.admin(api).user(OWN)["isAdmin"] is False


CASE = Case(
    name="22-service-account-among-people",
    title="The service's own account lies among the users",
    admins=("alice",),
    others=("bob", OWN),
    checks={
        "delete": own_account_is_not_deleted,
        "assign/revoke": own_account_is_not_changed,
    },
    findings=(("admins", "warn", "svc"),),
)
