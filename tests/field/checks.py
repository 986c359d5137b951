"""The general checks, a column of the table each; a case may bring its own."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from tests.api.client import Api
from tests.field.answers import ADMIN_ROLE, all_answers, assert_agreement
from tests.field.case import Check
from tests.field.place import Field
from tests.table.scenarios import attacks_on, status


def login(field: Field) -> None:
    """Everybody logs in with the right password and nobody with another one."""
    for api in field.apis:
        for name in (*field.case.admins, *field.case.others):
            assert field.logged_in(name, api).get("/server")
            assert api.login(name, "wrong").status_code == 401
        assert api.login("no-such-user", "wrong").status_code == 401


def lists(field: Field) -> None:
    """All lists and pages are complete, and the same with memory and without."""
    direct, held = (all_answers(field.admin(api)) for api in field.apis)
    assert direct == held
    assert direct.users == sorted([*field.case.admins, *field.case.others], key=str.casefold)


def admins(field: Field) -> None:
    """Who is an admin is one in every answer, and may act as one."""
    for api in field.apis:
        told = all_answers(field.admin(api))
        assert_agreement(told)
        assert told.admins == sorted(field.case.admins)
        for name in field.case.admins:
            assert status(field.logged_in(name, api), "GET", "/users") == 200, name
        for name in field.case.others:
            assert status(field.logged_in(name, api), "GET", "/users") == 403, name


def custody(field: Field) -> None:
    """Admins are removed by their custodian alone, directly or through a role of theirs."""
    for number, api in enumerate(field.apis):
        admin = field.admin(api)
        boss, carl = f"boss{number}", f"carl{number}"
        admin.add_user(boss, isAdmin=True)
        api.logged_in(boss).add_user(carl, isAdmin=True)
        for name in (carl, *field.case.admins[1:]):
            _assert_untouchable(admin, name)
        api.logged_in(boss).do("DELETE", f"/users/{carl}")
        admin.do("DELETE", f"/users/{boss}")


def assign_and_revoke(field: Field) -> None:
    """What is answered 200 has its effect, in every answer."""
    for api in field.apis:
        admin = field.admin(api)
        role = field.case.role or "field role"
        if not field.case.role:
            admin.add_role(role)
        for name in field.case.others[:1]:
            admin.give(name, role)
            assert_holds(field, name, role, holds=True)
            admin.do("PUT", "/roles", {"userId": name, "removedRoles": [role]})
            assert_holds(field, name, role, holds=False)
        if not field.case.role:
            admin.do("DELETE", f"/roles/{quote(role)}")


def delete(field: Field) -> None:
    """Who is created can log in; who is deleted is gone at once, from every answer."""
    for number, api in enumerate(field.apis):
        admin, name = field.admin(api), f"new{number}"
        admin.add_user(name)
        token = api.logged_in(name)
        admin.do("DELETE", f"/users/{name}")
        assert status(token, "GET", "/server") == 401
        for each in field.apis:
            assert name not in field.admin(each).names()
            assert not field.admin(each).exists(name)
            assert each.login(name).status_code == 401


def doctor(field: Field) -> None:
    """The doctor finds what the case says, and no other fault."""
    faults = [each for each in field.report().findings if each.level in ("warn", "fail")]
    for check, level, pattern in field.case.findings:
        found = [
            each
            for each in faults
            if (each.check, each.level) == (check, level) and re.search(pattern, each.sentence)
        ]
        assert found, f"the doctor does not find {check} {level}: {pattern}; found {faults}"
        faults = [each for each in faults if each not in found]
    assert not faults, faults


COLUMNS: Final[dict[str, Check]] = {
    "login": login,
    "list": lists,
    "admins": admins,
    "custody": custody,
    "assign/revoke": assign_and_revoke,
    "delete": delete,
    "doctor": doctor,
}


def assert_holds(field: Field, name: str, role: str, *, holds: bool) -> None:
    """The user's page and the role's agree that the user holds the role, or does not."""
    for api in field.apis:
        admin = field.admin(api)
        page = admin.get(f"/roles/{quote(role)}")
        assert (role in admin.user(name)["roles"]) is holds
        assert (name in page["users"]) is holds


def _assert_untouchable(stranger: Api, name: str) -> None:
    """400 is for revoking a role that the user has through another role."""
    for method, path, body in attacks_on(name):
        answer = stranger(method, quote(path), body)
        allowed = (403, 400) if method == "PUT" else (403,)
        assert answer.status_code in allowed, (method, path, answer.text)
    assert stranger.user(name)["isAdmin"] is True
    assert ADMIN_ROLE in stranger.user(name)["roles"]
