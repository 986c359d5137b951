"""Custody: an admin can only be removed by its creator (§3.1)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from tests.api.client import PASSWORD, Api, Family
from tests.api.conftest import MakeApi
from tests.api.stores import where_width_is_folded

NEW = {"newPassword": "another one", "confirmPassword": "another one"}

Act = Callable[[Api, str], TestResponse]


def delete(api: Api, name: str) -> TestResponse:
    return api("DELETE", f"/users/{name}")


def demote(api: Api, name: str) -> TestResponse:
    return api("PUT", "/roles", {"userId": name, "removedRoles": ["admin"]})


def reset(api: Api, name: str) -> TestResponse:
    return api("PATCH", f"/users/{name}", NEW)


ACTS: list[Act] = [delete, demote, reset]
REMOVALS: list[Act] = [delete, demote]


def is_admin(api: Api, name: str) -> bool:
    shown = api("GET", f"/users/{name}")
    return shown.status_code == 200 and shown.json["isAdmin"]  # type: ignore[index]


def was_done(family: Family, act: Act, name: str) -> bool:
    if act is reset:
        return family.stranger.login(name, "another one").status_code == 200
    return not is_admin(family.admin, name)


@pytest.mark.parametrize("act", ACTS)
def test_the_custodian_may(family: Family, act: Act) -> None:
    assert act(family.boss, "carl").status == "200 OK"
    assert was_done(family, act, "carl")


def test_another_admin_may_not_and_is_told_whose_it_is(family: Family) -> None:
    for act in ACTS:
        for typed in ("carl", "CARL", "PRIMARY/carl"):
            answer = act(family.admin, typed if act is demote else quote(typed, safe=""))
            to_do = "change its password" if act is reset else "remove it"
            sentence = f"Only the creator of admin user 'carl' can {to_do}. That is boss."
            assert answer.status_code == 403
            assert answer.json == {"Error": sentence}
            assert answer.status == ("403 Forbidden" if act is reset else f"403 {sentence}")
        assert not was_done(family, act, "carl")


def test_the_first_admin_is_nobodys_and_the_refusal_names_the_way_out(family: Family) -> None:
    for act in ACTS:
        answer = act(family.boss, "admin")
        assert answer.status_code == 403
        assert "recover-admin --adopt" in answer.text
        assert not was_done(family, act, "admin")


def test_who_is_no_admin_is_refused_by_role(family: Family) -> None:
    for act in ACTS:
        answer = act(family.bob, "carl")
        assert answer.status == "403 Forbidden"
        assert answer.text.startswith('{"Error":"403 Forbidden. ')
        assert not was_done(family, act, "carl")


def test_giving_the_role_to_one_who_holds_it_changes_nothing(family: Family) -> None:
    family.admin.give("carl", "admin")
    assert family.admin.user("carl")["createdBy"] == "boss"
    assert family.carl("GET", "/users").status_code == 200


def test_who_gives_the_role_later_is_the_custodian(family: Family) -> None:
    family.carl.give("bob", "admin")
    assert family.admin.user("bob")["createdBy"] == "carl"
    assert delete(family.admin, "bob").status_code == 403
    assert delete(family.carl, "bob").status_code == 200


def test_a_promotion_keeps_the_token_and_a_demotion_ends_it(family: Family) -> None:
    family.admin.give("bob", "admin")
    assert family.bob("GET", "/users").status_code == 200
    demote(family.admin, "bob")
    assert family.bob("GET", "/server").status == "401 Unauthorized"
    assert "createdBy" not in family.admin.user("bob")


@pytest.mark.parametrize("act", REMOVALS)
def test_a_removed_custodians_charges_pass_to_its_own(family: Family, act: Act) -> None:
    assert act(family.admin, "boss").status_code == 200
    assert family.admin.user("carl")["createdBy"] == "admin"
    assert delete(family.admin, "carl").status_code == 200


def test_who_resigns_passes_its_charges_on(family: Family) -> None:
    assert demote(family.boss, "boss").status_code == 200
    assert family.admin.user("carl")["createdBy"] == "admin"
    assert family.boss("GET", "/users").status_code == 401


def test_where_no_custodian_is_left_there_is_none(family: Family) -> None:
    assert demote(family.admin, "admin").status_code == 200
    assert "createdBy" not in family.boss.user("boss")
    assert family.boss.user("carl")["createdBy"] == "boss"
    assert delete(family.carl, "boss").status_code == 403


def test_a_custodian_made_again_under_its_name_is_a_stranger(family: Family) -> None:
    delete(family.admin, "boss")
    family.carl.add_user("boss", isAdmin=True)
    boss = family.stranger.logged_in("boss")
    assert delete(boss, "carl").status_code == 403
    assert family.admin.user("boss")["createdBy"] == "carl"


def test_nobody_deletes_oneself_under_any_spelling(family: Family) -> None:
    for typed in ("boss", "BOSS", "%20boss", "PRIMARY%2Fboss", "boss/"):
        assert_refused_to_itself(family.boss, typed)
    assert is_admin(family.admin, "boss")


@where_width_is_folded
def test_nobody_deletes_oneself_in_full_width(family: Family) -> None:
    assert_refused_to_itself(family.boss, "ｂoss")


def assert_refused_to_itself(performer: Api, typed: str) -> None:
    answer = delete(performer, typed)
    assert answer.status_code == 403
    assert answer.json == {
        "Error": "Attempt to delete the logged in user. Operation not allowed. "
        "Please login from another user."
    }


def test_the_last_admin_stays(admin: Api) -> None:
    answer = demote(admin, "admin")
    assert answer.status_code == 403
    assert "last admin" in answer.text
    assert is_admin(admin, "admin")
    admin.add_user("boss", isAdmin=True)
    assert demote(admin, "admin").status_code == 200


def test_an_admins_own_password_needs_the_old_one(family: Family) -> None:
    assert reset(family.boss, "boss").status_code == 403
    assert family.boss("PATCH", "/users/boss", {**NEW, "oldPassword": PASSWORD}).status_code == 200


def test_any_admin_may_act_on_a_plain_user(family: Family) -> None:
    for act in (reset, demote, delete):
        assert act(family.carl, "bob").status_code == 200


@pytest.mark.parametrize("allowed", [True, False])
def test_the_super_admin_may_where_the_settings_say_so(api_of: MakeApi, allowed: bool) -> None:
    api = api_of(SUPER_ADMIN__USERNAME="Admin", SUPER_ADMIN__CAN_REMOVE_ADMINS=str(allowed).lower())
    admin = api.logged_in("admin")
    admin.add_user("boss", isAdmin=True)
    api.logged_in("boss").add_user("carl", isAdmin=True)
    for act in (reset, demote, delete):
        expected = 200 if allowed or (act is delete and allowed) else 403
        assert act(admin, "carl").status_code == expected
    assert admin.exists("carl") != allowed


def test_every_refusal_leaves_a_line(family: Family) -> None:
    for act in ACTS:
        before = len(family.admin.lines)
        error = act(family.admin, "carl").json["Error"]  # type: ignore[index]
        (line,) = family.admin.lines[before:]
        assert line["performedBy"] == "admin"
        assert (line["action"], line["type"], line["outcome"]) == ("refused", "admin", "refused")
        assert (line["info"], line["reason"]) == ('{"userId":"carl"}', error)
