"""Hybrid roles as groups of a directory, whose members are users of every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.model import EntryId, Role
from mi_ldap.store import DeleteUser, Step
from mi_ldap.web import create_app
from tests.api.client import PASSWORD, Api
from tests.hosts.ldif import changes_in
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY, DS389, PLAIN_OPENLDAP, Kind
from tests.sql.stores import sqlite_place
from tests.subtree import Subtree, Tool, hybrid_base_in
from tests.table.directories import KINDS, api_on, place_on

ROLE = "Internal/testers"
CONFIG = Path(__file__).parents[2] / "config"
SECONDARY = (
    '[[secondary_user_store]]\ndomain = "WSO2.COM"\ntype = "database"\nurl = "sqlite:///{}"\n'
)
NO_SCHEMA_OF_OURS = (ACTIVE_DIRECTORY.name,)


@dataclass(frozen=True)
class Place:
    """A place in a directory, with a folder for hybrid roles."""

    subtree: Subtree
    base: str

    @property
    def takes_others(self) -> bool:
        """Whether users of other stores can have hybrid roles."""
        return self.subtree.kind.name not in NO_SCHEMA_OF_OURS

    def group(self, *attributes: str) -> dict[str, list[str]]:
        return self.subtree.tool.read(f"cn={ROLE},{self.base}", *attributes)

    def members(self) -> list[str]:
        found = self.group(self.subtree.kind.member)[self.subtree.kind.member]
        return [each for each in found if each]


@contextmanager
def with_base(subtree: Subtree) -> Iterator[Place]:
    with hybrid_base_in(subtree) as base:
        yield Place(subtree, base)


@pytest.fixture(params=["embedded", *KINDS], ids=lambda each: getattr(each, "name", each))
def place(request: pytest.FixtureRequest, hosts: Hosts) -> Iterator[Place]:
    if request.param == "embedded":
        with with_base(request.getfixturevalue("subtree")) as made:
            yield made
        return
    with place_on(hosts, request.param) as subtree, with_base(subtree) as made:
        yield made


@pytest.fixture
def admin(place: Place, tmp_path: Path) -> Iterator[Api]:
    """The first admin of a service with a secondary store, which is a database."""
    with sqlite_place(tmp_path) as database:
        config = tmp_path / "mi-ldap.toml"
        config.write_text(SECONDARY.format(database.config.database), encoding="utf-8")
        given = {"USER_STORE__HYBRID_ROLE_BASE": place.base, "CONFIG": str(config)}
        with api_on(place.subtree, tmp_path, **given) as api:
            yield api.logged_in("admin")


def change(admin: Api, name: str, added: str = "", removed: str = "") -> int:
    body = {
        "userId": name,
        "addedRoles": added.split(",") if added else [],
        "removedRoles": removed.split(",") if removed else [],
    }
    return admin("PUT", "/roles", body).status_code


def test_users_of_every_store_have_hybrid_roles(place: Place, admin: Api) -> None:
    for name in ("bob", "WSO2.COM/bob"):
        admin.add_user(name)
    for name in (ROLE, "dev"):
        assert admin("POST", "/roles", {"role": name}).status_code == 200
    assert admin("POST", "/roles", {"role": ROLE.upper()}).status_code == 400
    assert place.subtree.tool.exists(f"cn={ROLE},{place.base}")
    assert admin.roles() == ["admin", "dev", "Internal/everyone", ROLE]
    assert change(admin, "bob", added=f"{ROLE},dev") == 200
    assert admin.user("bob")["roles"] == ["Internal/everyone", "dev", ROLE]
    members = ["bob"]
    assert change(admin, "WSO2.COM/bob", added=ROLE) == (200 if place.takes_others else 400)
    if place.takes_others:
        members = ["bob", "WSO2.COM/bob"]
        assert admin.user("WSO2.COM/bob")["roles"] == ["Internal/everyone", ROLE]
    assert admin.get(f"/roles/{ROLE}")["users"] == members
    assert admin.names(f"?role={ROLE}") == members
    assert change(admin, "bob", removed=f"{ROLE},dev") == 200
    assert admin.user("bob")["roles"] == ["Internal/everyone"]
    assert place.members() == []
    assert admin.get(f"/roles/{ROLE}")["users"] == members[1:]
    if place.takes_others:
        assert change(admin, "WSO2.COM/bob", removed=ROLE) == 200
        assert place.group("miLdapMember")["miLdapMember"] == []
    assert admin("DELETE", f"/roles/{ROLE}").status_code == 200
    assert admin("GET", f"/roles/{ROLE}").status_code == 404
    assert not place.subtree.tool.exists(f"cn={ROLE},{place.base}")


def test_everyone_is_no_group(admin: Api) -> None:
    assert admin("POST", "/roles", {"role": "Internal/everyone"}).status_code == 400
    for added, removed in (("Internal/everyone", ""), ("", "internal/Everyone")):
        assert change(admin, "admin", added, removed) == 403
    assert admin("DELETE", "/roles/Internal/everyone").status_code == 403


def test_deleted_users_leave_their_hybrid_roles(place: Place, admin: Api) -> None:
    names = ["bob", *(["WSO2.COM/bob"] if place.takes_others else [])]
    admin.add_role(ROLE)
    for name in names:
        admin.add_user(name)
        assert change(admin, name, added=ROLE) == 200
        assert admin("DELETE", f"/users/{name}").status_code == 200
        admin.add_user(name)
        assert admin.user(name)["roles"] == ["Internal/everyone"]
    assert admin.get(f"/roles/{ROLE}")["users"] == []
    assert place.members() == []


def test_a_role_that_is_assigned_while_its_user_is_deleted(
    place: Place, admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.add_user("bob")
    admin.add_role(ROLE)
    kind = place.subtree.kind
    value = kind.member_of_dn(place.subtree.user_dn("bob"))

    def add_member(steps: tuple[Step, ...]) -> None:
        if any(isinstance(step, DeleteUser) for step in steps):
            place.subtree.tool.add_values(f"cn={ROLE},{place.base}", **{kind.member: value})

    with monkeypatch.context() as patched:
        before_changes(patched, add_member)
        assert admin("DELETE", "/users/bob").status_code == 200
    assert place.members() == []


def test_an_account_of_the_same_name_is_another_user(place: Place, admin: Api) -> None:
    """Also where the directory keeps the members that another tool has deleted."""
    admin.add_role(ROLE)
    subtree = place.subtree
    for create in (lambda: subtree.add_user("eve", PASSWORD), lambda: admin.add_user("eve")):
        create()
        assert change(admin, "eve", added=ROLE) == 200
        subtree.tool.delete(subtree.user_dn("eve"))
        assert admin.get(f"/roles/{ROLE}")["users"] == []
        create()
        assert admin.user("eve")["roles"] == ["Internal/everyone"]
        assert admin.get(f"/roles/{ROLE}")["users"] == []
        assert change(admin, "eve", added=ROLE) == 200
        assert admin.user("eve")["roles"] == ["Internal/everyone", ROLE]
        assert admin.get(f"/roles/{ROLE}")["users"] == ["eve"]
        assert change(admin, "eve", removed=ROLE) == 200
        assert place.members() == []
        subtree.tool.delete(subtree.user_dn("eve"))


def test_members_that_another_tool_adds(place: Place, admin: Api) -> None:
    admin.add_role(ROLE)
    subtree = place.subtree
    dn = subtree.add_user("eve", PASSWORD)
    value = subtree.kind.member_of_dn(dn)

    def add_member() -> None:
        subtree.tool.add_values(f"cn={ROLE},{place.base}", **{subtree.kind.member: value})

    subtree.tool.rename(f"cn={ROLE},{place.base}", f"cn={ROLE.lower()}")
    assert admin.get(f"/roles/{ROLE}")["role"] == ROLE.lower()
    assert change(admin, "admin", added=ROLE) == 200
    assert change(admin, "admin", removed=ROLE.lower()) == 200
    subtree.tool.rename(f"cn={ROLE.lower()},{place.base}", f"cn={ROLE}")
    add_member()
    shown = {"userId": "eve", "isAdmin": False, "roles": ["Internal/everyone", ROLE]}
    assert admin.user("eve") == shown
    assert admin.get(f"/roles/{ROLE}")["users"] == ["eve"]
    admin.services.store.clean_up()
    assert admin.user("eve") == shown
    subtree.tool.delete(dn)
    admin.services.store.clean_up()
    subtree.add_user("eve", PASSWORD)
    assert admin.user("eve")["roles"] == ["Internal/everyone"]
    # The other tool makes the new one a member, too.
    if value in place.members():
        subtree.tool.delete_values(f"cn={ROLE},{place.base}", **{subtree.kind.member: value})
    admin.services.store.clean_up()
    add_member()
    assert admin.user("eve") == shown
    # What that tool removes is no member any more.
    subtree.tool.delete_values(f"cn={ROLE},{place.base}", **{subtree.kind.member: value})
    assert admin.user("eve")["roles"] == ["Internal/everyone"]
    assert admin.get(f"/roles/{ROLE}")["users"] == []


def test_renamed_users_keep_their_roles_where_the_directory_renames_members(
    place: Place, admin: Api
) -> None:
    if not place.subtree.kind.keeps_members_clean:
        return
    admin.add_role(ROLE)
    subtree, kind = place.subtree, place.subtree.kind
    subtree.add_user("bob", PASSWORD)
    assert change(admin, "bob", added=ROLE) == 200
    subtree.tool.rename(subtree.user_dn("bob"), f"{kind.naming}=robert")
    if kind.login != kind.naming:
        subtree.tool.replace(subtree.user_dn("robert"), **{kind.login: "robert"})
    assert admin.get(f"/roles/{ROLE}")["users"] == ["robert"]
    admin.services.store.clean_up()
    subtree.add_user("bob", PASSWORD)
    assert admin.user("bob")["roles"] == ["Internal/everyone"]
    assert change(admin, "robert", removed=ROLE) == 200
    assert admin.get(f"/roles/{ROLE}")["users"] == []


def test_of_two_assignments_at_once_one_is_stored(place: Place, admin: Api) -> None:
    admin.add_role(ROLE)
    names = ["bob", *(["WSO2.COM/bob"] if place.takes_others else [])]
    for name in names:
        admin.add_user(name)
    app = create_app(admin.services)

    def assign(name: str) -> int:
        try:
            return change(replace(admin, client=app.test_client()), name, added=ROLE)
        finally:
            admin.services.state.close()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert [*pool.map(assign, [name for name in names for _ in range(2)])] == [200] * (
                2 * len(names)
            )
            assert len(place.members()) == 1
            if place.takes_others:
                assert len(place.group("miLdapMember")["miLdapMember"]) == 2
            assert admin.get(f"/roles/{ROLE}")["users"] == names
            for name in names:
                assert change(admin, name, removed=ROLE) == 200


Before = Callable[[tuple[Step, ...]], Any]


def before_changes(monkeypatch: pytest.MonkeyPatch, act: Before) -> None:
    """Let something happen before the primary store carries out a change."""
    apply = DirectoryStore.apply

    def delayed(store: DirectoryStore, *steps: Step) -> None:
        act(steps)
        apply(store, *steps)

    monkeypatch.setattr(DirectoryStore, "apply", delayed)


def test_what_the_user_store_refuses_changes_no_hybrid_role(
    place: Place, admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.add_user("bob")
    for name in (ROLE, "dev", "Internal/other"):
        admin.add_role(name)
    assert change(admin, "bob", added="Internal/other") == 200

    def fail(_: object) -> None:
        raise DirectoryUnavailable

    with monkeypatch.context() as patched:
        before_changes(patched, fail)
        assert change(admin, "bob", added=f"{ROLE},dev", removed="Internal/other") == 503
        assert admin("DELETE", "/users/bob").status_code == 503
    assert admin.user("bob")["roles"] == ["Internal/everyone", "Internal/other"]
    assert admin.get(f"/roles/{ROLE}")["users"] == []
    assert place.members() == []
    # The directory itself refuses: the role is gone.
    dn = place.subtree.group_dn("dev")

    def delete_role(_: object) -> None:
        if place.subtree.tool.exists(dn):
            place.subtree.tool.delete(dn)

    with monkeypatch.context() as patched:
        before_changes(patched, delete_role)
        assert change(admin, "bob", added=f"{ROLE},dev", removed="Internal/other") == 404
    assert admin.user("bob")["roles"] == ["Internal/everyone", "Internal/other"]
    assert place.members() == []


def test_groups_beside_the_folder_stay_roles(place: Place, admin: Api) -> None:
    """As before there was a folder for hybrid roles."""
    subtree = place.subtree
    for name in ("bob", "WSO2.COM/bob"):
        admin.add_user(name)
    subtree.add_group("Internal/old", subtree.user_dn("bob"))
    assert admin.user("bob")["roles"] == ["Internal/everyone", "Internal/old"]
    assert admin("POST", "/roles", {"role": "Internal/old"}).status_code == 400
    assert change(admin, "WSO2.COM/bob", added="Internal/old") == 400
    assert change(admin, "bob", removed="Internal/old") == 200
    assert change(admin, "admin", added="Internal/old") == 200
    assert admin.get("/roles/Internal/old")["users"] == ["admin"]
    assert admin("DELETE", "/roles/Internal/old").status_code == 200
    assert not subtree.tool.exists(subtree.group_dn("Internal/old"))


def test_a_folder_within_that_of_groups(place: Place, tmp_path: Path) -> None:
    """No role is shown twice, and nobody becomes an admin by a hybrid role."""
    subtree = place.subtree
    given = {
        "USER_STORE__HYBRID_ROLE_BASE": place.base,
        "USER_STORE__GROUP_SEARCH_BASE": f"{subtree.group_base}#{place.base}",
    }
    with api_on(subtree, tmp_path, **given) as api:
        admin = api.logged_in("admin")
        admin.add_user("bob")
        admin.add_role(ROLE, "bob")
        assert admin.roles() == ["admin", "Internal/everyone", ROLE]
        assert admin.user("bob")["roles"] == ["Internal/everyone", ROLE]
        assert admin.get(f"/roles/{ROLE}")["users"] == ["bob"]
        hybrid = admin.services.hybrid
        assert hybrid
        locator = f"WSO2.COM/cn=dev,{place.base}"
        other = Role(EntryId("WSO2.COM/1"), "WSO2.COM/dev", locator, "", domain="WSO2.COM")
        assert not hybrid.contains(other)
        if not subtree.kind.by_name:
            subtree.add_member("admin", f"cn={ROLE},{place.base}")
            assert change(admin, "bob", removed=ROLE) == 403
            assert admin("DELETE", f"/roles/{ROLE}").status_code == 403


def test_without_a_folder_there_is_no_place(place: Place, tmp_path: Path) -> None:
    subtree = place.subtree
    with api_on(subtree, tmp_path) as api:
        admin = api.logged_in("admin")
        answer = admin("POST", "/roles", {"role": ROLE})
        assert (answer.status_code, "user_store.hybrid_role_base" in answer.text) == (403, True)
        admin.add_user("bob")
        subtree.add_group("Internal/old", subtree.user_dn("bob"))
        assert admin.roles() == ["admin", "Internal/everyone", "Internal/old"]
        assert admin.user("bob")["roles"] == ["Internal/everyone", "Internal/old"]
        assert change(admin, "bob", removed="Internal/old") == 200
        assert change(admin, "admin", added="Internal/old") == 200
        assert admin("DELETE", "/roles/Internal/old").status_code == 200
    base = f"ou=missing,{subtree.group_base}"
    with api_on(subtree, tmp_path, USER_STORE__HYBRID_ROLE_BASE=base) as api:
        answer = api.logged_in("admin")("POST", "/roles", {"role": ROLE})
        assert answer.status_code in (403, 503)
        ready = api.ask("GET", "/ready")
        assert (ready.status_code, "user_store.hybrid_role_base" in ready.text) == (503, True)


def test_who_is_a_user_by_a_hybrid_role(subtree: Subtree, tmp_path: Path) -> None:
    """Whoever revokes that role from an admin would remove the admin."""
    with with_base(subtree) as place:
        dn = f"cn={ROLE},{place.base}"
        users = [subtree.add_user(name, PASSWORD) for name in ("admin", "boss", "carl")]
        subtree.tool.add(dn, ["groupOfNames"], member=users)
        given = {
            "USER_STORE__HYBRID_ROLE_BASE": place.base,
            "USER_STORE__MEMBER_OF_ATTRIBUTE": "memberOf",
            "USER_STORE__USER_NAME_LIST_FILTER": f"(&(objectClass=inetOrgPerson)(memberOf={dn}))",
        }
        with api_on(subtree, tmp_path, **given) as api:
            admin = api.logged_in("admin")
            for name in ("boss", "carl"):
                assert change(admin, name, added="admin") == 200
            boss = api.logged_in("boss")
            assert change(boss, "carl", removed=ROLE) == 403
            assert boss("DELETE", f"/roles/{ROLE}").status_code == 403
            assert admin.names() == ["admin", "boss", "carl"]
            assert change(admin, "carl", removed=ROLE) == 200
            assert admin.names() == ["admin", "boss"]
            assert admin.get("/roles/admin")["users"] == ["admin", "boss"]


@pytest.mark.parametrize(
    ("kind", "rights"),
    [(PLAIN_OPENLDAP, "rights-hybrid.ldif"), (DS389, "rights-hybrid-389ds.ldif")],
    ids=["openldap", "389ds"],
)
def test_the_shipped_rights(hosts: Hosts, tmp_path: Path, kind: Kind, rights: str) -> None:
    """The service works in the folder that the LDIF creates, and nobody else sees its members."""
    with hosts.place(kind) as subtree:
        shipped = (CONFIG / "ldif" / rights).read_text(encoding="utf-8")
        for dn, values in changes_in(shipped.replace("dc=example,dc=org", subtree.host.base)):
            if classes := values.pop("objectClass", None):
                subtree.tool.add(dn, classes, **values)
            else:
                for name, given in values.items():
                    subtree.tool.add_values(dn, **{name: given})
        base = f"ou=hybrid,{subtree.host.base}"
        with api_on(subtree, tmp_path, USER_STORE__HYBRID_ROLE_BASE=base) as api:
            admin = api.logged_in("admin")
            admin.add_user("bob")
            admin.add_role(ROLE, "bob")
            assert api.ask("GET", "/ready").status_code == 200
            assert admin.get(f"/roles/{ROLE}")["users"] == ["bob"]
            bob = Tool(
                subtree.host.url, subtree.user_dn("bob"), PASSWORD, ca_file=subtree.host.ca_file
            )
            with closing(bob):
                found = bob.read_below(base, "miLdapMember")
            assert not any(each.get("miLdapMember") for each in found.values())
            assert change(admin, "bob", removed=ROLE) == 200
            assert admin("DELETE", f"/roles/{ROLE}").status_code == 200
