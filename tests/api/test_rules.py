"""`GET /management/rules`: what clients may check beforehand."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.api.client import PASSWORD, Api, Family
from tests.api.conftest import MakeApi, api_over
from tests.memory_store import MemoryStore
from tests.world import make_world


def test_the_rules_are_those_of_the_settings(light_api_of: MakeApi) -> None:
    settings = {
        "SUPER_ADMIN__ADMIN_ROLE": "bosses",
        "USER_STORE__ALLOW_ANY_NAME": "true",
        "USER_STORE__USERNAME_JAVA_REGEX": "[a-z]{3,30}",
        "USER_STORE__PASSWORD_JAVA_REGEX": r"\S{5,30}|correct horse",
    }
    admin = light_api_of(**settings).logged_in("admin")
    assert admin.get("/rules") == {
        "adminRole": "bosses",
        "allowAnyName": True,
        "userNameRegex": "[a-z]{3,30}",
        "passwordRegex": r"\S{5,30}|correct horse",
    }


def test_domains_and_those_that_are_read_only(tmp_path: Path) -> None:
    other = MemoryStore()
    world = make_world(tmp_path, (), {"WSO2.COM": other, "OTHER.ORG": MemoryStore()})
    world.add_first_admin()
    world.store.writable = other.writable = False
    with ExitStack() as opened:
        rules = api_over(world.services, opened).logged_in("admin").get("/rules")
    assert rules["domains"] == ["WSO2.COM", "OTHER.ORG"]
    assert rules["readOnlyDomains"] == ["PRIMARY", "WSO2.COM"]


def test_the_least_length_of_a_password_is_the_directorys(admin: Api) -> None:
    told = admin.get("/rules").get("passwordMinLength")
    if told is not None:
        short = {"userId": "short", "password": "x7!Qa"[: told - 1]}
        assert admin("POST", "/users", short).status_code == 400


def test_whoever_is_logged_in_may_read_the_rules(family: Family) -> None:
    assert family.bob.get("/rules")["adminRole"] == "admin"
    assert family.stranger("GET", "/rules").status_code == 401
    assert family.bob("POST", "/rules", {"password": PASSWORD}).status_code == 404
