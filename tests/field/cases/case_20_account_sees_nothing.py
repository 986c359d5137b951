"""The service's account sees the bases, and nothing below: that is not an empty directory."""

from __future__ import annotations

from tests.field.case import Case
from tests.field.place import Field, password_of

HIDE = """
dn: olcDatabase={1}mdb,cn=config
changetype: modify
add: olcAccess
olcAccess: {0}to dn.children="ou=people,dc=example,dc=org"
  by dn.exact="cn=mi-ldap,ou=services,dc=example,dc=org" none by * break
-
add: olcAccess
olcAccess: {0}to dn.children="ou=groups,dc=example,dc=org"
  by dn.exact="cn=mi-ldap,ou=services,dc=example,dc=org" none by * break
"""


def unavailable(field: Field) -> None:
    """Nobody becomes the first admin of what looks empty; `/ready` says what is wrong."""
    for api in field.apis:
        for name in (*field.case.admins, "admin"):
            answer = api.login(name, password_of(name))
            assert answer.status_code == 503, answer.text
            assert "can't see the entries" in answer.text
        ready = api.ask("GET", "/ready")
        assert ready.status_code == 503
        assert "can't see the entries" in ready.text


_COLUMNS = ("login", "list", "admins", "custody", "assign/revoke", "delete")
_SENTENCE = "Nobody can log in or act: 503 says that the account sees nothing."

CASE = Case(
    name="20-id-hidden-by-acl",
    title="The service's account sees nothing below the bases",
    admins=("alice",),
    config_changes=HIDE,
    memory=None,
    checks=dict.fromkeys(_COLUMNS, unavailable),
    refused=dict.fromkeys(_COLUMNS, _SENTENCE),
    findings=(("admins", "fail", "can't see the entries"),),
)
