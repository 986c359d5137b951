"""`PATCH /management/users/{id}`: passwords (§4)."""

from __future__ import annotations

import pytest

from tests.api.client import PASSWORD, Api, Family
from tests.api.conftest import MakeApi
from tests.api.stores import where_there_is_a_policy

NEW = "another one"
DONE = {"userId": "bob", "status": "User password updated successfully."}


def body(new: str = NEW, **more: object) -> dict[str, object]:
    return {"newPassword": new, "confirmPassword": new, **more}


def test_an_admin_resets_a_plain_users_without_the_old_one(family: Family) -> None:
    assert family.carl.do("PATCH", "/users/BOB", body()) == DONE
    assert family.stranger.login("bob", NEW).status_code == 200
    assert family.stranger.login("bob").status_code == 401


def test_one_changes_ones_own_by_the_old_one(family: Family) -> None:
    assert family.bob.do("PATCH", "/users/bob", body(oldPassword=PASSWORD)) == DONE
    assert family.stranger.login("bob", NEW).status_code == 200


def test_whoever_knows_the_old_one_may(family: Family) -> None:
    family.bob.do("PATCH", "/users/carl", body(oldPassword=PASSWORD))
    assert family.stranger.login("carl", NEW).status_code == 200


@pytest.mark.parametrize("how", ["reset", "change"])
def test_all_tokens_of_the_user_die(family: Family, how: str) -> None:
    first, second = family.bob, family.stranger.logged_in("bob")
    if how == "reset":
        family.admin.do("PATCH", "/users/bob", body())
    else:
        family.bob.do("PATCH", "/users/bob", body(oldPassword=PASSWORD))
    for token in (first, second):
        answer = token("GET", "/server")
        assert answer.status == "401 Unauthorized"
    assert family.stranger.logged_in("bob", NEW)("GET", "/server").status_code == 200


def test_a_wrong_old_password_is_never_a_401(family: Family) -> None:
    for old in ("wrong", "", " ", PASSWORD.upper()):
        answer = family.bob("PATCH", "/users/bob", body(oldPassword=old))
        assert answer.status == "400 Bad Request"
        assert answer.json == {"Error": "Error processing the request. 'oldPassword' is wrong."}
    assert family.stranger.login("bob").status_code == 200


def test_a_null_old_password_is_none(light_admin: Api) -> None:
    light_admin.add_user("bob")
    assert light_admin.do("PATCH", "/users/bob", body(oldPassword=None)) == DONE


BAD_BODIES: list[tuple[dict[str, object], str]] = [
    ({"newPassword": NEW, "confirmPassword": "other"}, "differ"),
    ({"newPassword": NEW}, "'confirmPassword'"),
    ({"confirmPassword": NEW}, "'newPassword'"),
    ({}, "Missing"),
    ({"newPassword": None, "confirmPassword": None}, "Missing"),
    ({"newPassword": 12345, "confirmPassword": 12345}, "'newPassword' must be a string"),
    ({"newPassword": NEW, "confirmPassword": [NEW]}, "'confirmPassword' must be a string"),
    (body(oldPassword=5), "'oldPassword' must be a string"),
    (body(""), "empty"),
    (body("a\0b"), "control"),
    (body("x" * 1025), "1024 bytes"),
    (body("???"), "UTF-8"),
]


def test_a_bad_body_is_refused_with_its_reason(light_admin: Api) -> None:
    light_admin.add_user("bob")
    for sent, words in BAD_BODIES:
        answer = light_admin("PATCH", "/users/bob", sent)
        assert answer.status == "400 Bad Request"
        assert words in answer.text
    assert light_admin.login("bob").status_code == 200


@where_there_is_a_policy
@pytest.mark.parametrize("old", [None, PASSWORD])
def test_the_policy_speaks_with_its_reason(family: Family, old: str | None) -> None:
    performer = family.admin if old is None else family.bob
    answer = performer("PATCH", "/users/bob", body("abc", oldPassword=old))
    assert answer.status_code == 400
    assert "too short" in answer.text
    assert family.stranger.login("bob").status_code == 200


def test_who_is_no_admin_may_not_reset(family: Family) -> None:
    for name in ("carl", "nobody"):
        answer = family.bob("PATCH", f"/users/{name}", body())
        assert answer.status == "403 Forbidden"
        assert answer.text.startswith('{"Error":"403 Forbidden. ')
    assert family.bob("PATCH", "/users/bob", body()).status_code == 400


def test_who_is_no_admin_cannot_tell_who_is_there(family: Family) -> None:
    answers = {
        (answer.status, answer.text)
        for name in ("carl", "nobody", "admin")
        for answer in [family.bob("PATCH", f"/users/{name}", body(oldPassword="guess"))]
    }
    assert len(answers) == 1


def test_guesses_are_throttled_like_logins(api_of: MakeApi) -> None:
    api = api_of(MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME="3")
    admin = api.logged_in("admin")
    admin.add_user("bob")
    bob = api.elsewhere().logged_in("bob").elsewhere()
    for _ in range(3):
        assert bob("PATCH", "/users/admin", body(oldPassword="guess")).status_code == 400
    assert bob("PATCH", "/users/admin", body(oldPassword=PASSWORD)).status_code == 429
    assert api.elsewhere().login("admin").status_code == 429
    assert api.login("admin").status_code == 200


def test_a_password_is_any_text(family: Family) -> None:
    old = PASSWORD
    for new in ("pässwörd ½", "日本語日本語", "😀😀😀😀😀", "  spaces  ", "a:b/c?d&e=f"):
        bob = family.stranger.logged_in("bob", old)
        bob.do("PATCH", "/users/bob", body(new, oldPassword=old))
        assert family.stranger.login("bob", new + "x").status_code == 401
        old = new
    assert family.stranger.login("bob", old).status_code == 200


def test_no_answer_and_no_line_holds_a_password(family: Family) -> None:
    answers = [
        family.bob("PATCH", "/users/bob", body(oldPassword="guessed secret")).text,
        family.admin("PATCH", "/users/bob", body("short")).text,
        family.admin("PATCH", "/users/bob", body()).text,
        str(family.admin.lines),
    ]
    for text in answers:
        assert not [secret for secret in (NEW, "guessed secret", PASSWORD) if secret in text]
