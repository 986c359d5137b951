"""The service's account may not read `entryUUID`: nobody can be told from others."""

from __future__ import annotations

from tests.field.case import Case
from tests.field.place import Field, password_of

HIDE = """
dn: olcDatabase={{1}}mdb,cn=config
changetype: modify
add: olcAccess
olcAccess: {{0}}to {what}attrs={attribute} by * none
"""


def unavailable(field: Field) -> None:
    """Logins say why they cannot be answered, and so does `/ready`."""
    for api in field.apis:
        for name in (*field.case.admins, *field.case.others):
            for password in (password_of(name), "wrong"):
                answer = api.login(name, password)
                assert answer.status_code == 503
                assert "entryUUID" in answer.text
        ready = api.ask("GET", "/ready")
        assert ready.status_code == 503
        assert "entryUUID" in ready.text


_SENTENCE = "Nobody can log in or act: 503 names the attribute that the account may not read."

CASE = Case(
    name="20-id-hidden-by-acl",
    title="`entryUUID` is hidden from the service's account",
    admins=("alice", "bob"),
    others=("carl",),
    config_changes=HIDE.format(what="", attribute="entryUUID"),
    memory=False,
    findings=(
        ("rights", "fail", "entryUUID of 3 of 3 users, entryUUID of 2 of 2 groups"),
        ("admins", "fail", "entryUUID"),
    ),
    checks=dict.fromkeys(
        ("login", "list", "admins", "custody", "assign/revoke", "delete"), unavailable
    ),
    refused=dict.fromkeys(
        ("login", "list", "admins", "custody", "assign/revoke", "delete"), _SENTENCE
    ),
)
