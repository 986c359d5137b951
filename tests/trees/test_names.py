"""People as directories name them: by full names, by several names, by letters of many kinds."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.client import PASSWORD, Api
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP, PLAIN_OPENLDAP, RFC_2307, UNIQUE_NAMES
from tests.machines import MakeApi
from tests.subtree import Subtree
from tests.trees.kinds import ALL, GROUPS_OF_MEMBERS, on

BY_DN = (OPENLDAP, PLAIN_OPENLDAP, UNIQUE_NAMES, GROUPS_OF_MEMBERS, DS389)
NEW = {"newPassword": "another one", "confirmPassword": "another one"}
EVERYONE = "Internal/everyone"


def add_named(place: Subtree, rdn: str, name: str, **more: list[str]) -> str:
    """A user whose DN begins with `rdn`, and who logs in as `name`; returns its DN."""
    kind = place.kind
    given = {**kind.person_of(name, PASSWORD), **more}
    if kind is ACTIVE_DIRECTORY:
        given.pop("cn", None)
    return place.tool.add(f"{rdn},{place.user_base}", kind.user_classes, **given)


RDNS = [
    r"cn=Last\, First",
    r"cn=Last\2C First",
    r"cn=plus\+minus\=\"quoted\"",
    "cn=two  spaces",
    r"cn=\ at both ends\ ",
    r"cn=\#1 \<of\> all\;",
    r"cn=back\\slash",
    "cn=Müller Straße",
    "cn=Mu\u0308ller",
    "cn=日本 太郎",
]


@on(*ALL)
def test_people_are_managed_whatever_their_dn(admin: Api, place: Subtree) -> None:
    names = [f"p{number}" for number in range(len(RDNS))]
    # Each in a folder of its own: two are two spellings of one name.
    dns = {}
    for name, rdn in zip(names, RDNS, strict=True):
        folder = place.tool.add(f"ou={name},{place.user_base}", ["organizationalUnit"], ou=name)
        dns[name] = add_named(place, f"{rdn},{folder.partition(',')[0]}", name)
    admin.add_role("dev", *names)
    assert admin.get("/roles/dev")["users"] == names
    for name in names:
        admin.give(name, "admin")
    assert admin.get("/roles/admin")["users"] == ["admin", *names]
    for name in names:
        assert admin.user(name)["roles"] == [EVERYONE, "admin", "dev"], dns[name]
        assert admin.logged_in(name).user(name)["createdBy"] == "admin"
    admin.do("PUT", "/roles", {"userId": "p0", "removedRoles": ["admin", "dev"]})
    admin.do("PATCH", "/users/p1", NEW)
    assert admin.login("p1", "another one").status_code == 200
    for name in names:
        admin.do("DELETE", f"/users/{name}")
    assert admin.get("/roles/dev")["users"] == []
    assert admin.names() == ["admin"]


SPELLINGS = [
    r"CN=last\, first,{base}",
    r"cn=Last\2c First,{base}",
    r"cn=\4cast\, First,{upper}",
]


@on(*BY_DN, ACTIVE_DIRECTORY)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_member_is_known_in_any_spelling(admin: Api, place: Subtree, spelling: str) -> None:
    member = spelling.format(base=place.user_base, upper=place.user_base.upper())
    assert_known_by(admin, place, member)


# Samba takes no such spaces, and to 389 a space that is written so is another one.
@on(OPENLDAP, PLAIN_OPENLDAP, UNIQUE_NAMES, GROUPS_OF_MEMBERS)
@pytest.mark.parametrize("own", [r"cn = Last\, First ", r"cn=Last\2C\20First"])
def test_a_member_is_known_in_any_spelling_of_its_spaces(
    admin: Api, place: Subtree, own: str
) -> None:
    assert_known_by(admin, place, f"{own},{place.user_base.replace(',', ' , ')}")


def assert_known_by(admin: Api, place: Subtree, member: str) -> None:
    """The groups that name `alice` so are hers, and are taken from her."""
    add_named(place, r"cn=Last\, First", "alice")
    place.add_group("dev", member)
    place.add_member("admin", member)
    assert admin.get("/roles/dev")["users"] == ["alice"]
    assert admin.user("alice") == {
        "userId": "alice",
        "isAdmin": True,
        "roles": [EVERYONE, "admin", "dev"],
    }
    alice = admin.logged_in("alice")
    assert admin("DELETE", "/users/alice").status_code == 403
    alice.do("PUT", "/roles", {"userId": "alice", "removedRoles": ["dev", "admin"]})
    assert admin.user("alice")["roles"] == [EVERYONE]
    admin.do("DELETE", "/users/alice")


@on(*BY_DN, RFC_2307)
def test_of_several_values_the_name_is_the_one_in_the_dn(admin: Api, place: Subtree) -> None:
    add_named(place, "cn=a+uid=bea", "bea", uid=["zoe", "bea", "ann"], cn=["a", "Bea A."])
    assert admin.names() == ["admin", "bea"]
    admin.add_role("dev", "zoe")
    for name in ("ann", "bea", "ZOE"):
        assert admin.user(name) == {"userId": "bea", "isAdmin": False, "roles": [EVERYONE, "dev"]}
        assert admin.logged_in(name)("GET", "/server").status_code == 200
    admin.give("bea", "admin")
    bea = admin.logged_in("zoe")
    for name in ("ann", "bea", "zoe"):
        answer = bea("DELETE", f"/users/{name}")
        assert "Attempt to delete the logged in user" in answer.text
    admin.do("DELETE", "/users/ann")
    assert admin.get("/roles/dev")["users"] == []


@on(*BY_DN)
def test_a_dn_of_two_pairs_is_the_same_in_either_order(admin: Api, place: Subtree) -> None:
    add_named(place, "cn=a+uid=bea", "bea")
    for role in ("dev", "admin"):
        member = {place.kind.member: f"UID=bea + CN=A,{place.user_base}"}
        if role == "dev":
            place.add_group("dev")
        place.tool.add_values(place.group_dn(role), **member)
    assert admin.get("/roles/dev")["users"] == ["bea"]
    assert admin.user("bea")["isAdmin"] is True
    admin.logged_in("bea").do("PUT", "/roles", {"userId": "bea", "removedRoles": ["admin", "dev"]})
    assert admin.user("bea")["roles"] == [EVERYONE]


COMPOSED, DECOMPOSED = "jos\u00e9", "jose\u0301"


@on(*ALL)
def test_one_letter_in_two_forms_is_what_the_server_makes_of_it(admin: Api, place: Subtree) -> None:
    admin.add_user(COMPOSED)
    same = admin.exists(DECOMPOSED)
    answer = admin("POST", "/users", {"userId": DECOMPOSED, "password": PASSWORD})
    assert answer.status_code == (400 if same or place.kind.by_name else 200), answer.text
    if place.kind.by_name:
        return  # memberUid holds ASCII only
    admin.add_role("dev", COMPOSED)
    assert admin.get("/roles/dev")["users"] == [COMPOSED]
    admin.give(COMPOSED, "admin")
    assert admin.get("/roles/admin")["users"] == ["admin", COMPOSED]
    if not same:
        other = admin.user(DECOMPOSED)
        assert (other["isAdmin"], other["roles"]) == (False, [EVERYONE])
        admin.do("DELETE", f"/users/{quote(DECOMPOSED)}")
    assert admin.user(COMPOSED)["isAdmin"] is True


@on(*ALL)
def test_spaces_at_the_ends_are_no_part_of_a_name(admin: Api, place: Subtree) -> None:
    admin.add_user("bob")
    admin.add_role("dev", "bob ")
    assert admin.user(" bob ")["userId"] == "bob"
    answer = admin("POST", "/users", {"userId": "bob ", "password": PASSWORD})
    assert "already exists" in answer.text
    assert admin.get("/roles/dev")["users"] == ["bob"]


# Several ways to log in

BY_MAIL = "(&(objectClass=inetOrgPerson)(|(uid=?)(mail=?)))"
BY_ANY = (
    "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName=?)(userPrincipalName=?)(mail=?)))"
)


@pytest.fixture
def by_mail(api_of: MakeApi, place: Subtree) -> Api:
    """`alice` has a mail address too; `admin` answers for `boss`, who has one as well."""
    is_ad = place.kind is ACTIVE_DIRECTORY
    admin = api_of(
        USER_STORE__USER_NAME_SEARCH_FILTER=BY_ANY if is_ad else BY_MAIL,
        MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME="3",
    ).logged_in("admin")
    for name in ("alice", "boss"):
        more = {"userPrincipalName": f"{name}@example.test"} if is_ad else {}
        place.add_user(name, PASSWORD, mail=f"{name}@example.org", **more)
    admin.give("boss@example.org", "admin")
    return admin


MAILING = on(OPENLDAP, PLAIN_OPENLDAP, RFC_2307, DS389, ACTIVE_DIRECTORY)


@MAILING
def test_whoever_logs_in_by_mail_is_the_user_of_that_name(by_mail: Api, place: Subtree) -> None:
    by_mail.give("alice", "admin")
    typed = ["alice@example.org", "Alice@Example.ORG", "alice"]
    if place.kind is ACTIVE_DIRECTORY:
        typed.append("alice@example.test")
    for name in typed:
        alice = by_mail.logged_in(name)
        assert alice("GET", "/server").status_code == 200
        assert alice.user(name)["userId"] == "alice"
        for own in typed:
            answer = alice("DELETE", f"/users/{quote(own)}")
            assert "Attempt to delete the logged in user" in answer.text
    by_mail.do("POST", "/roles", {"role": "dev"})
    alice.give("alice@example.org", "dev")
    performers = {line["performedBy"] for line in by_mail.lines}
    assert performers == {"admin", "alice"}


@MAILING
def test_custody_holds_whatever_name_is_typed(by_mail: Api) -> None:
    by_mail.give("alice", "admin")
    alice = by_mail.logged_in("alice")
    for name in ("boss", "boss@example.org"):
        for method, path, body in [
            ("DELETE", f"/users/{name}", None),
            ("PATCH", f"/users/{name}", NEW),
            ("PUT", "/roles", {"userId": name, "removedRoles": ["admin"]}),
        ]:
            answer = alice(method, path, body)
            assert answer.status_code == 403
            assert "Only the creator of admin user 'boss'" in answer.text
    assert by_mail.do("DELETE", "/users/boss@example.org")["status"] == "Deleted"
    assert not by_mail.exists("boss")


@MAILING
def test_a_mail_address_that_is_another_s_name_is_nobody_s(by_mail: Api, place: Subtree) -> None:
    place.add_user("mallory", PASSWORD, mail="boss")
    for method, path, body in [
        ("GET", "/users/boss", None),
        ("DELETE", "/users/boss", None),
        ("PUT", "/roles", {"userId": "boss", "removedRoles": ["admin"]}),
        ("PATCH", "/users/boss", NEW),
        ("POST", "/users", {"userId": "boss", "password": PASSWORD}),
    ]:
        answer = by_mail(method, path, body)
        assert answer.status_code == 400
        assert "More than one user" in answer.text
    assert by_mail.login("boss").status_code == 401
    # The address is boss's own still, and mallory is mallory.
    assert by_mail.user("boss@example.org")["isAdmin"] is True
    assert by_mail.user("mallory")["isAdmin"] is False


@on(OPENLDAP, PLAIN_OPENLDAP, RFC_2307, DS389)
def test_nobody_is_made_under_the_mail_address_of_somebody(by_mail: Api) -> None:
    body = {"userId": "alice@example.org", "password": PASSWORD}
    answer = by_mail("POST", "/users", body)
    assert answer.status_code == 400
    assert "already exists" in answer.text
    assert by_mail.names() == ["admin", "alice", "boss"]
