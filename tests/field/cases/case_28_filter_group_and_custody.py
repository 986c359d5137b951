"""The list filter asks for membership in a group that is a role too: who loses it disappears."""

from __future__ import annotations

from dataclasses import replace

from tests.field.case import PLAIN, Case
from tests.field.place import Field
from tests.subtree import Tool
from tests.table.scenarios import status

BASE = "dc=example,dc=org"
USERS_ROLE = "mi-users"


def add_users_role(tool: Tool) -> None:
    """While the server runs, so that the overlay fills `memberOf`."""
    members = [f"uid={name},ou=people,{BASE}" for name in ("alice", "bob", "carl")]
    dn = f"cn={USERS_ROLE},ou=groups,{BASE}"
    tool.add(dn, ["groupOfNames"], cn=USERS_ROLE, member=members)


def custody(field: Field) -> None:
    """A stranger does not remove an admin by way of the role that the filter asks for."""
    alice, bob = field.admin(), field.logged_in("bob")
    take_it = {"userId": "bob", "removedRoles": [USERS_ROLE]}
    for stranger in (alice, field.admin(field.with_memory)):
        answer = stranger("PUT", "/roles", take_it)
        assert answer.status_code == 403
        assert "Only the creator of admin user 'bob' can remove it." in answer.text
        assert status(stranger, "DELETE", f"/roles/{USERS_ROLE}") == 403
        assert status(stranger, "DELETE", "/users/bob") == 403
    assert bob.user("bob")["isAdmin"] is True


def assign_and_revoke(field: Field) -> None:
    """It is taken from ordinary users; from an admin by its custodian, as a removal."""
    for number, api in enumerate(field.apis):
        admin = field.admin(api)
        admin.add_role(f"dev{number}")
        admin.give("carl", f"dev{number}")
        admin.give("carl", "admin")
        assert admin.user("carl")["createdBy"] == "alice"
        admin.do("PUT", "/roles", {"userId": "carl", "removedRoles": [USERS_ROLE]})
        assert not admin.exists("carl")
        members = field.tool.read(f"cn=admin,ou=groups,{BASE}", "member")["member"]
        assert members == [f"uid={name},ou=people,{BASE}" for name in ("alice", "bob")]
        carl_dn = f"uid=carl,ou=people,{BASE}"
        field.tool.add_values(f"cn={USERS_ROLE},ou=groups,{BASE}", member=carl_dn)
        assert admin.user("carl")["isAdmin"] is False


def last_admin_stays(field: Field) -> None:
    """The last admin does not take the role from herself, nor is it deleted."""
    field.logged_in("bob").do("PUT", "/roles", {"userId": "bob", "removedRoles": ["admin"]})
    for api in field.apis:
        alice = field.admin(api)
        answer = alice("PUT", "/roles", {"userId": "alice", "removedRoles": [USERS_ROLE]})
        assert answer.status_code == 403
        assert "last admin" in answer.text
        assert status(alice, "DELETE", f"/roles/{USERS_ROLE}") == 403
        assert alice.user("alice")["isAdmin"] is True


def create_is_refused(field: Field) -> None:
    """A new user has no role yet, so that the filter does not find it: nothing is left of it."""
    for api in field.apis:
        body = {"userId": "new", "password": "a new password"}
        answer = field.admin(api)("POST", "/users", body)
        assert answer.status_code == 400
        assert "filters do not find it" in answer.text
        assert not field.tool.exists(f"uid=new,ou=people,{BASE}")


CASE = Case(
    name="28-filter-group-and-custody",
    title="The user filter asks for membership in a role",
    setup=replace(PLAIN, member_of=True),
    after_start=add_users_role,
    admins=("alice", "bob"),
    others=("carl",),
    memory=False,
    checks={
        "custody": custody,
        "assign/revoke": assign_and_revoke,
        "delete": create_is_refused,
        "last admin": last_admin_stays,
    },
    findings=(("admins", "warn", "mi-users"),),
    refused={"delete": "A new user does not match the filter, so that it is not created (400)."},
)
