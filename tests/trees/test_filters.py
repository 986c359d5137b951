"""What is no user is nobody, whatever stands in the groups; and what lies on other servers."""

from __future__ import annotations

from tests.api.client import PASSWORD, Api
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP, PLAIN_OPENLDAP, RFC_2307
from tests.machines import MakeApi
from tests.subtree import Subtree
from tests.trees.kinds import on
from tests.trees.listener import listener

NEW = {"newPassword": "another one", "confirmPassword": "another one"}
NO_SERVICES = "(&(objectClass=inetOrgPerson)(!(employeeType=service)))"


def assert_nobody(admin: Api, name: str) -> None:
    """No operation knows a user of that name."""
    assert admin.login(name).status_code == 401
    for method, path, body in [
        ("GET", f"/users/{name}", None),
        ("DELETE", f"/users/{name}", None),
        ("PATCH", f"/users/{name}", NEW),
        ("PUT", "/roles", {"userId": name, "addedRoles": ["admin"]}),
    ]:
        assert admin(method, path, body).status_code == 404, (method, path)
    assert name not in admin.names()
    assert name not in admin.get("/roles/Internal/everyone")["users"]


@on(OPENLDAP, PLAIN_OPENLDAP, RFC_2307, DS389)
def test_who_is_not_listed_is_nobody_even_among_the_admins(api_of: MakeApi, place: Subtree) -> None:
    admin = api_of(USER_STORE__USER_NAME_LIST_FILTER=NO_SERVICES).logged_in("admin")
    robot_dn = place.add_user("robot", PASSWORD, employeeType="service")
    admin.add_role("dev")
    for role in ("dev", "admin"):
        place.add_member(role, robot_dn)
    assert_nobody(admin, "robot")
    assert admin.get("/roles/dev")["users"] == []
    assert admin.get("/roles/admin")["users"] == ["admin"]
    answer = admin("PUT", "/roles", {"userId": "admin", "removedRoles": ["admin"]})
    assert "last admin" in answer.text


@on(OPENLDAP, PLAIN_OPENLDAP, RFC_2307, DS389)
def test_who_becomes_a_service_is_out_at_once(api_of: MakeApi, place: Subtree) -> None:
    admin = api_of(USER_STORE__USER_NAME_LIST_FILTER=NO_SERVICES).logged_in("admin")
    admin.add_user("bob", isAdmin=True)
    bob = admin.logged_in("bob")
    place.tool.replace(place.user_dn("bob"), employeeType="service")
    assert bob("GET", "/server").status_code == 401
    assert_nobody(admin, "bob")
    place.tool.replace(place.user_dn("bob"), employeeType="person")
    assert admin.user("bob")["createdBy"] == "admin"


@on(OPENLDAP, PLAIN_OPENLDAP, RFC_2307, DS389)
def test_a_service_s_name_is_not_given_to_a_user(api_of: MakeApi, place: Subtree) -> None:
    admin = api_of(USER_STORE__USER_NAME_LIST_FILTER=NO_SERVICES).logged_in("admin")
    dn = place.add_user("robot", PASSWORD, employeeType="service")
    answer = admin("POST", "/users", {"userId": "robot", "password": PASSWORD})
    assert answer.status_code == 400
    assert place.tool.read(dn, "employeeType")["employeeType"] == ["service"]


@on(OPENLDAP, PLAIN_OPENLDAP, DS389)
def test_operational_entries_are_nobody(admin: Api, place: Subtree) -> None:
    for name, classes in [
        ("robot", ["organizationalRole", "simpleSecurityObject"]),
        ("printer", ["device"]),
    ]:
        more = {"userPassword": PASSWORD} if len(classes) > 1 else {}
        dn = place.tool.add(f"cn={name},{place.user_base}", classes, cn=name, **more)
        place.add_member("admin", dn)
        assert_nobody(admin, name)
    assert admin.get("/roles/admin")["users"] == ["admin"]
    answer = admin("PUT", "/roles", {"userId": "admin", "removedRoles": ["admin"]})
    assert "last admin" in answer.text


@on(ACTIVE_DIRECTORY)
def test_computers_contacts_and_service_accounts_are_no_users(admin: Api, place: Subtree) -> None:
    workstation = {"sAMAccountName": "PC1$", "userAccountControl": "4096"}
    managed = {"sAMAccountName": "gmsa1$", "msDS-ManagedPasswordInterval": "30"}
    dns = [
        place.tool.add(f"CN=PC1,{place.user_base}", ["computer"], **workstation),
        place.tool.add(f"CN=card,{place.user_base}", ["contact"]),
        place.tool.add(
            f"CN=gmsa1,{place.user_base}", ["msDS-GroupManagedServiceAccount"], **managed
        ),
    ]
    for dn in dns:
        place.add_member("admin", dn)
    for name in ("PC1$", "PC1", "card", "gmsa1$", "gmsa1"):
        assert_nobody(admin, name)
    assert admin.names() == admin.get("/roles/admin")["users"] == ["admin"]


@on(ACTIVE_DIRECTORY)
def test_a_domain_is_searched_from_its_root(api_of: MakeApi, place: Subtree) -> None:
    """It answers with references to its other partitions too, which nobody follows."""
    place.add_group("admin", place.add_user("chief", PASSWORD))
    api = api_of(
        USER_STORE__USER_SEARCH_BASE=place.host.base,
        USER_STORE__GROUP_SEARCH_BASE=place.host.base,
        USER_STORE__GROUP_NAME_LIST_FILTER="(&(objectClass=group)(!(isCriticalSystemObject=TRUE)))",
    )
    chief = api.logged_in("chief")
    names = chief.names()
    assert {"Administrator", "chief", "mi-ldap"} <= set(names)
    assert not [name for name in names if name.endswith("$")]
    assert chief.user("chief")["isAdmin"] is True
    assert chief.get("/roles/admin")["users"] == ["chief"]
    chief.do("PATCH", "/users/chief", {**NEW, "oldPassword": PASSWORD})


# Other servers


@on(OPENLDAP, PLAIN_OPENLDAP)
def test_references_below_the_bases_are_passed_over(admin: Api, place: Subtree) -> None:
    admin.add_user("bob")
    admin.add_role("dev", "bob")
    with listener() as (url, callers):
        for base_dn in (place.user_base, place.group_base):
            elsewhere = f"{url}/ou=elsewhere,dc=other"
            classes = ["referral", "extensibleObject"]
            place.tool.add(f"ou=elsewhere,{base_dn}", classes, ou="elsewhere", ref=elsewhere)
        try:
            assert admin.names() == ["admin", "bob"]
            assert admin.roles() == ["admin", "dev", "Internal/everyone"]
            assert admin.get("/roles/dev")["users"] == ["bob"]
            admin.add_user("carl", isAdmin=True)
            assert admin.logged_in("carl").user("carl")["createdBy"] == "admin"
            admin.do("DELETE", "/users/carl")
        finally:
            for base_dn in (place.user_base, place.group_base):
                remove_reference(place, f"ou=elsewhere,{base_dn}")
    assert callers == []


def remove_reference(place: Subtree, dn: str) -> None:
    """With ManageDsaIT (RFC 3296 §3), or the server names the other one."""
    control = ("2.16.840.1.113730.3.4.2", True, None)
    connection = place.tool._connection
    assert connection.delete(dn, controls=[control]), connection.result
