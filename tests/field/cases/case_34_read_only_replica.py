"""A replica that takes no changes, used with `read_write_ldap`."""

from __future__ import annotations

from tests.api.client import PASSWORD
from tests.field.case import Case
from tests.field.place import Field

READ_ONLY = """
dn: olcDatabase={1}mdb,cn=config
changetype: modify
replace: olcReadOnly
olcReadOnly: TRUE
"""


def refused(field: Field) -> None:
    """Every change is 403, at once and for good."""
    for api in field.apis:
        admin = field.admin(api)
        for method, path, body in (
            ("POST", "/users", {"userId": "new", "password": PASSWORD}),
            ("DELETE", "/users/bob", None),
            ("POST", "/roles", {"role": "new"}),
            ("PUT", "/roles", {"userId": "alice", "addedRoles": ["devs"]}),
            ("DELETE", "/roles/devs", None),
        ):
            answer = admin(method, path, body)
            assert answer.status_code == 403, (method, path, answer.text)
            assert "read only" in answer.text


_SENTENCE = "The directory takes no changes: 403."

CASE = Case(
    name="34-read-only-replica",
    title="A read-only copy with `read_write_ldap`",
    admins=("alice",),
    others=("bob",),
    config_changes=READ_ONLY,
    findings=(("replicas", "warn", "does not accept changes"),),
    checks=dict.fromkeys(("custody", "assign/revoke", "delete"), refused),
    refused=dict.fromkeys(("custody", "assign/revoke", "delete"), _SENTENCE),
)
