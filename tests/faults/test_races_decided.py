"""What changes between a decision and its change is seen: nothing is done on what is no longer so.

The interference comes exactly there: just before the store applies what was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from mi_ldap.settings import Settings
from mi_ldap.store import Step, UserStore
from tests.service import Answer, LocalCaller, local
from tests.soundness import Picture, look_at
from tests.subtree import Subtree

PASSWORD = "correct horse"


class Interrupted:
    """A store before whose next change something else happens, once."""

    def __init__(self, store: UserStore) -> None:
        self._store = store
        self.before_change: Callable[[], object] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def apply(self, *steps: Step) -> None:
        act, self.before_change = self.before_change, None
        if act:
            act()
        self._store.apply(*steps)


@dataclass(frozen=True, slots=True)
class Stage:
    """Two services in this process: what `one` decides on, `two` or another tool changes.

    There are the admins `root`, `stranger` (made by root) and `ward` (made by the stranger), and
    `alice`, who is none.
    """

    one: LocalCaller
    two: LocalCaller
    store: Interrupted
    place: Subtree
    tokens: dict[str, str]

    def do(self, who: str, method: str, path: str, body: object = None) -> Answer:
        """A request to `one`."""
        return self.one(method, path, body, token=self.tokens[who])

    def meanwhile(self, who: str, method: str, path: str, body: object = None) -> None:
        """Just before the next change, a request to `two`, which must succeed."""

        def ask() -> None:
            answer = self.two(method, path, body, token=self.tokens[who])
            assert answer.status == 200, answer

        self.store.before_change = ask

    def meanwhile_by_tool(self, act: Callable[[], object]) -> None:
        self.store.before_change = act

    def look(self) -> Picture:
        assert self.store.before_change is None, "nothing was changed at all"
        return look_at(self.place)


@pytest.fixture
def stage(subtree: Subtree, tmp_path: Path) -> Iterator[Stage]:
    stores: list[Interrupted] = []

    def interrupted(store: UserStore) -> UserStore:
        stores.append(Interrupted(store))
        return cast(UserStore, stores[-1])

    settings = [settings_of(subtree, tmp_path / name) for name in "ab"]
    with local(settings[0], interrupted) as one, local(settings[1]) as two:
        tokens = {"root": one.login("root", PASSWORD)}
        for maker, name, is_admin in (
            ("root", "stranger", True),
            ("stranger", "ward", True),
            ("root", "alice", False),
        ):
            body = {"userId": name, "password": PASSWORD, "isAdmin": is_admin}
            assert one("POST", "/users", body, token=tokens[maker]).status == 200
            tokens[name] = one.login(name, PASSWORD)
        yield Stage(one, two, stores[0], subtree, tokens)


def settings_of(subtree: Subtree, folder: Path) -> Settings:
    folder.mkdir()
    key = {"MANAGEMENT_API__JWT_TOKEN_SECURITY_HANDLER__TOKEN_CONFIG__KEY": "one key for both" * 2}
    return subtree.settings(folder, **key)


def promote(name: str) -> dict[str, object]:
    return {"userId": name, "addedRoles": ["admin"]}


def demote(name: str) -> dict[str, object]:
    return {"userId": name, "removedRoles": ["admin"]}


NEW_PASSWORD = {"newPassword": "another horse", "confirmPassword": "another horse"}


def test_a_user_promoted_meanwhile_is_not_deleted_by_a_stranger(stage: Stage) -> None:
    stage.meanwhile("root", "PUT", "/roles", promote("alice"))
    answer = stage.do("stranger", "DELETE", "/users/alice")
    assert (answer.status, "Only the creator" in answer.json["Error"]) == (403, True), answer
    assert "alice" in stage.look().admins


def test_a_user_promoted_meanwhile_by_another_tool_is_not_deleted(stage: Stage) -> None:
    picture = look_at(stage.place)
    admin_dn, alice_dn = picture.roles["admin"].dn, picture.users["alice"].dn
    stage.meanwhile_by_tool(lambda: stage.place.tool.add_values(admin_dn, member=alice_dn))
    assert stage.do("stranger", "DELETE", "/users/alice").status == 403
    assert "alice" in stage.look().admins


def test_a_user_promoted_meanwhile_keeps_its_password(stage: Stage) -> None:
    stage.meanwhile("root", "PUT", "/roles", promote("alice"))
    assert stage.do("stranger", "PATCH", "/users/alice", NEW_PASSWORD).status == 403
    assert stage.one.login("alice", PASSWORD)
    stage.look()


def test_a_user_promoted_meanwhile_by_another_tool_keeps_its_password(stage: Stage) -> None:
    picture = look_at(stage.place)
    admin_dn, alice_dn = picture.roles["admin"].dn, picture.users["alice"].dn
    stage.meanwhile_by_tool(lambda: stage.place.tool.add_values(admin_dn, member=alice_dn))
    assert stage.do("stranger", "PATCH", "/users/alice", NEW_PASSWORD).status == 403
    assert stage.one.login("alice", PASSWORD)
    stage.look()


def test_an_admin_demoted_meanwhile_promotes_nobody(stage: Stage) -> None:
    stage.meanwhile("root", "PUT", "/roles", demote("stranger"))
    assert stage.do("stranger", "PUT", "/roles", promote("alice")).status == 403
    assert set(stage.look().admins) == {"root", "ward"}


def test_an_admin_demoted_meanwhile_by_another_tool_promotes_nobody(stage: Stage) -> None:
    before = look_at(stage.place)
    admin_dn, stranger_dn = before.roles["admin"].dn, before.users["stranger"].dn

    def demote_it_whole() -> None:
        stage.place.tool.delete_values(admin_dn, member=stranger_dn)
        stage.place.tool.replace(stranger_dn, miLdapCustodian=[])
        stage.place.tool.replace(before.users["ward"].dn, miLdapCustodian=before.users["root"].id)

    stage.meanwhile_by_tool(demote_it_whole)
    assert stage.do("stranger", "PUT", "/roles", promote("alice")).status == 403
    assert set(stage.look().admins) == {"root", "ward"}


def test_an_admin_demoted_meanwhile_makes_no_admin(stage: Stage) -> None:
    stage.meanwhile("root", "PUT", "/roles", demote("stranger"))
    body = {"userId": "bob", "password": PASSWORD, "isAdmin": True}
    assert stage.do("stranger", "POST", "/users", body).status == 403
    after = stage.look()
    assert set(after.admins) == {"root", "ward"}
    assert "bob" not in after.users


def test_an_admin_deleted_meanwhile_makes_no_admin(stage: Stage) -> None:
    stage.meanwhile("root", "DELETE", "/users/stranger")
    body = {"userId": "bob", "password": PASSWORD, "isAdmin": True}
    assert stage.do("stranger", "POST", "/users", body).status in {401, 403, 404}
    assert set(stage.look().users) == {"root", "ward", "alice"}


def test_a_custodian_who_lost_its_charge_meanwhile_cannot_remove_it(stage: Stage) -> None:
    """The ward is demoted by its custodian and promoted again by somebody else."""

    def change_hands() -> None:
        demoted = stage.two("PUT", "/roles", demote("ward"), token=stage.tokens["stranger"])
        promoted = stage.two("PUT", "/roles", promote("ward"), token=stage.tokens["root"])
        assert (demoted.status, promoted.status) == (200, 200)

    stage.meanwhile_by_tool(change_hands)
    assert stage.do("stranger", "DELETE", "/users/ward").status == 403
    assert "ward" in stage.look().admins


def test_a_charge_won_meanwhile_is_passed_on_too(stage: Stage) -> None:
    stage.meanwhile("stranger", "PUT", "/roles", promote("alice"))
    assert stage.do("root", "DELETE", "/users/stranger").status == 200
    after = stage.look()
    root = after.users["root"].id
    assert {after.users[name].custodian for name in ("alice", "ward")} == {root}


def test_the_other_admins_gone_meanwhile_make_the_last_one_stay(stage: Stage) -> None:
    def leave_one() -> None:
        for who, name in (("stranger", "ward"), ("root", "stranger")):
            answer = stage.two("DELETE", f"/users/{name}", token=stage.tokens[who])
            assert answer.status == 200, answer

    stage.meanwhile_by_tool(leave_one)
    answer = stage.do("root", "PUT", "/roles", demote("root"))
    assert (answer.status, "last admin" in answer.json["Error"]) == (403, True), answer
    assert set(stage.look().admins) == {"root"}


def test_a_user_made_again_under_its_name_meanwhile_is_another(stage: Stage) -> None:
    before = look_at(stage.place).users["alice"]

    def make_again() -> None:
        stage.place.tool.delete(before.dn)
        stage.place.add_user("alice", PASSWORD)

    stage.meanwhile_by_tool(make_again)
    assert stage.do("root", "DELETE", "/users/alice").status == 404
    assert stage.look().users["alice"].id != before.id


def test_a_role_gone_meanwhile_is_no_half_change(stage: Stage) -> None:
    for role in ("dev", "ops"):
        assert stage.do("root", "POST", "/roles", {"role": role}).status == 200
    stage.meanwhile("root", "DELETE", "/roles/ops")
    both = {"userId": "alice", "addedRoles": ["dev", "ops"]}
    answer = stage.do("root", "PUT", "/roles", both)
    assert answer.status in {404, 409}, answer
    assert stage.look().roles_of("alice") == set()


def test_a_role_given_meanwhile_is_given(stage: Stage) -> None:
    for role in ("dev", "ops"):
        assert stage.do("root", "POST", "/roles", {"role": role}).status == 200
    stage.meanwhile("root", "PUT", "/roles", {"userId": "alice", "addedRoles": ["ops"]})
    both = {"userId": "alice", "addedRoles": ["dev", "ops"]}
    assert stage.do("root", "PUT", "/roles", both).status == 200
    assert stage.look().roles_of("alice") == {"dev", "ops"}


def test_a_role_given_meanwhile_goes_with_the_user(stage: Stage) -> None:
    assert stage.do("root", "POST", "/roles", {"role": "dev"}).status == 200
    stage.meanwhile("root", "PUT", "/roles", {"userId": "alice", "addedRoles": ["dev"]})
    assert stage.do("root", "DELETE", "/users/alice").status == 200
    after = stage.look()
    assert "alice" not in after.users
    assert after.roles["dev"].all("member") == [""]
