"""With exactly the rights of `config/ldif` the service's account does its work and no more.

The contract of the store runs with them too, in `test_store_kinds.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ldap3 import BASE, MODIFY_ADD, MODIFY_REPLACE

from tests.api.client import PASSWORD, Api
from tests.hosts.tls import VerifyingTls, opened
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP
from tests.subtree import Subtree
from tests.table.directories import SERVERS, api_on, place_on

SUCCESS, INSUFFICIENT_RIGHTS = 0, 50
OPENLDAP_HISTORY, DS389_HISTORY = "pwdHistory", "passwordHistory"
SECRETS = {
    OPENLDAP.name: ["userPassword", OPENLDAP_HISTORY],
    DS389.name: ["userPassword", DS389_HISTORY, "unhashed#user#password"],
    ACTIVE_DIRECTORY.name: [
        *("unicodePwd", "ntPwdHistory", "lmPwdHistory", "dBCSPwd", "supplementalCredentials"),
        *("userPassword", "msDS-KeyCredentialLink"),
    ],
}
OWN_MARKS = ["miLdapCustodian", "miLdapEpoch", "miLdapRevision", "miLdapFirstAdmin"]
MARKS = {
    OPENLDAP.name: OWN_MARKS,
    DS389.name: OWN_MARKS,
    ACTIVE_DIRECTORY.name: ["adminDescription", "adminDisplayName"],
}
# What would open or close an account, lift its policy, or lend rights.
ADMINISTRATORS = {
    OPENLDAP.name: {
        "pwdAccountLockedTime": "000001010000Z",
        "pwdReset": "TRUE",
        "pwdPolicySubentry": "cn=none,dc=example,dc=org",
        "authzTo": "dn.regex:.*",
    },
    DS389.name: {
        "nsAccountLock": "true",
        "pwdPolicySubentry": "cn=none,dc=example,dc=org",
        "nsRoleDN": "cn=none,dc=example,dc=org",
        "aci": '(version 3.0; acl "all"; allow (all) userdn="ldap:///anyone";)',
    },
    ACTIVE_DIRECTORY.name: {
        "servicePrincipalName": "host/dc.example.test",
        "accountExpires": "0",
        "msDS-AllowedToDelegateTo": "ldap/dc.example.test",
        "description": "mine",
    },
}


@pytest.fixture(params=SERVERS, ids=lambda kind: kind.name)
def place(request: pytest.FixtureRequest, hosts: Hosts) -> Iterator[Subtree]:
    with place_on(hosts, request.param) as made:
        yield made


@pytest.fixture
def admin(place: Subtree, tmp_path: Path) -> Iterator[Api]:
    with api_on(place, tmp_path / "state") as api:
        yield api.logged_in("admin")


@contextmanager
def connected(place: Subtree, dn: str, password: str) -> Iterator[Any]:
    assert place.host.ca_file
    with opened(place.host.url, VerifyingTls(place.host.ca_file), dn, password) as connection:
        assert connection.bind(), connection.result
        yield connection


@pytest.fixture
def service(place: Subtree) -> Iterator[Any]:
    with connected(place, *place.host.account) as connection:
        yield connection


@pytest.fixture
def history(place: Subtree) -> Iterator[None]:
    """The server keeps the hashes of old passwords; Samba of the tests always does."""
    settings = {
        OPENLDAP.name: (f"cn=people,ou=policies,{place.host.base}", {"pwdInHistory": "3"}),
        DS389.name: ("cn=config", {"passwordHistory": "on", "passwordInHistory": "3"}),
    }
    dn, wanted = settings.get(place.kind.name, ("", {}))
    if dn:
        place.tool.replace(dn, **wanted)
    yield
    if dn:
        off = {"passwordHistory": "off"} if place.kind == DS389 else {"pwdInHistory": "0"}
        place.tool.replace(dn, **off)


def replace(connection: Any, dn: str, attribute: str, value: str) -> int:
    connection.modify(dn, {attribute: [(MODIFY_REPLACE, [value])]})
    code: int = connection.result["result"]
    return code


def seen(connection: Any, dn: str, *attributes: str) -> dict[str, list[bytes]]:
    """By their names in lower case, those that have values."""
    connection.search(dn, "(objectClass=*)", BASE, attributes=[*attributes, "*", "+"])
    (entry,) = [each for each in connection.response if each["type"] == "searchResEntry"]
    return {name.lower(): values for name, values in entry["raw_attributes"].items() if values}


def make_user_with_a_past(admin: Api, name: str) -> None:
    """Somebody who has had three passwords."""
    admin.add_user(name)
    for password in ("the second one", "the third one"):
        body = {"newPassword": password, "confirmPassword": password}
        admin.do("PATCH", f"/users/{name}", body)


@pytest.mark.usefixtures("history")
def test_no_password_is_seen_neither_the_new_one_nor_an_old_one(
    place: Subtree, admin: Api, service: Any
) -> None:
    make_user_with_a_past(admin, "bob")
    kind, dn = place.kind, place.user_dn("bob")
    if kind != ACTIVE_DIRECTORY:  # which shows them to nobody
        kept = {DS389.name: DS389_HISTORY}.get(kind.name, OPENLDAP_HISTORY)
        assert place.tool.read(dn, kept, "userPassword").keys() == {kept, "userPassword"}
    found = seen(service, dn, *SECRETS[kind.name])
    assert found
    assert not found.keys() & {name.lower() for name in SECRETS[kind.name]}
    for name in SECRETS[kind.name]:
        service.search(place.user_base, f"({name}=*)", attributes=["1.1"])
        assert not service.response, name


def test_nothing_is_written_elsewhere(place: Subtree, service: Any) -> None:
    base, account_dn = place.host.base, place.host.account[0]
    folders = [f"ou={name},{base}" for name in ("people", "groups", "services")]
    for dn in (base, account_dn, *folders):
        assert replace(service, dn, "description", "mine") == INSUFFICIENT_RIGHTS, dn
        assert not service.delete(dn)
    for dn in (base, folders[2]):
        assert not service.add(f"ou=mine,{dn}", ["organizationalUnit"])
        assert service.result["result"] == INSUFFICIENT_RIGHTS
    for mark in MARKS[place.kind.name]:
        assert replace(service, account_dn, mark, "mine") != SUCCESS


def test_nobody_is_moved_away(place: Subtree, service: Any) -> None:
    dn = place.add_user("bob")
    rdn = dn.partition(",")[0]
    service.modify_dn(dn, rdn, new_superior=f"ou=services,{place.host.base}")
    assert service.result["result"] == INSUFFICIENT_RIGHTS


def test_no_account_is_closed_and_no_rights_are_lent(place: Subtree, service: Any) -> None:
    dn = place.add_user("bob")
    for attribute, value in ADMINISTRATORS[place.kind.name].items():
        assert replace(service, dn, attribute, value) == INSUFFICIENT_RIGHTS, attribute


def test_users_move_none_of_the_marks(place: Subtree, admin: Api) -> None:
    admin.add_user("bob", isAdmin=True)
    role_dn = place.group_dn("admin")
    with connected(place, place.user_dn("bob"), PASSWORD) as bob:
        for dn in (place.user_dn("bob"), place.user_dn("admin"), role_dn):
            for mark in MARKS[place.kind.name]:
                for how in (MODIFY_REPLACE, MODIFY_ADD):
                    bob.modify(dn, {mark: [(how, ["mine"])]})
                    assert bob.result["result"] == INSUFFICIENT_RIGHTS, (dn, mark)
        bob.modify(role_dn, {"member": [(MODIFY_REPLACE, [place.user_dn("bob")])]})
        assert bob.result["result"] == INSUFFICIENT_RIGHTS


def test_who_sees_the_marks(place: Subtree, admin: Api) -> None:
    """Their values prove nothing to anybody: Active Directory shows them to all accounts."""
    admin.add_user("bob", isAdmin=True)
    marks = {name.lower() for name in MARKS[place.kind.name]}
    with connected(place, place.user_dn("admin"), PASSWORD) as user:
        found = seen_if_any(user, place.user_dn("bob"), *marks).keys() & marks
    assert found == (marks if place.kind == ACTIVE_DIRECTORY else set())


def seen_if_any(connection: Any, dn: str, *attributes: str) -> dict[str, list[bytes]]:
    connection.search(dn, "(objectClass=*)", BASE, attributes=["1.1"])
    return seen(connection, dn, *attributes) if connection.response else {}


UNSAFE_IN_ACTIVE_DIRECTORY = {
    "info": "x",
    "telephoneNumber": "1",
    "streetAddress": "x",
    "url": "x",
    "wWWHomePage": "x",
}


@pytest.mark.parametrize("place", [ACTIVE_DIRECTORY], indirect=True, ids=["AD"])
def test_what_people_write_of_themselves_in_active_directory(place: Subtree, admin: Api) -> None:
    """As `docs/directories/active-directory.md` says of what custody may not be kept in."""
    admin.add_user("bob")
    dn = place.user_dn("bob")
    with connected(place, dn, PASSWORD) as bob:
        for attribute, value in UNSAFE_IN_ACTIVE_DIRECTORY.items():
            assert replace(bob, dn, attribute, value) == SUCCESS, attribute
        assert replace(bob, dn, "assistant", dn) == SUCCESS
        for attribute, value in (("description", "x"), ("manager", dn), ("seeAlso", dn)):
            assert replace(bob, dn, attribute, value) == INSUFFICIENT_RIGHTS, attribute


@pytest.fixture
def changes_demanded(place: Subtree) -> Iterator[None]:
    policy_dn = f"cn=people,ou=policies,{place.host.base}"
    place.tool.replace(policy_dn, pwdMustChange="TRUE")
    yield
    place.tool.replace(policy_dn, pwdMustChange="FALSE")


@pytest.mark.usefixtures("changes_demanded")
@pytest.mark.parametrize("place", [OPENLDAP], indirect=True, ids=["OpenLDAP"])
def test_a_password_that_must_be_changed_still_can_be(place: Subtree, admin: Api) -> None:
    """The overlay removes pwdReset in the name of who may not write it."""
    admin.add_user("bob")
    place.tool.replace(place.user_dn("bob"), pwdReset="TRUE")
    bob = admin.stranger().logged_in("bob")
    assert bob("GET", "/server").status_code == 403
    passwords = {"newPassword": "a new one", "confirmPassword": "a new one"}
    bob.do("PATCH", "/users/bob", {**passwords, "oldPassword": PASSWORD})
    assert place.tool.read(place.user_dn("bob"), "pwdReset") == {"pwdReset": []}
    assert bob.logged_in("bob", "a new one")("GET", "/server").status_code == 200
