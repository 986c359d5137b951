"""The audit log (§8)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import ELSEWHERE, PASSWORD, Api, Family
from tests.api.conftest import MakeApi

KEYS = [
    "performedBy",
    "action",
    "type",
    "info",
    "at",
    "outcome",
    "reason",
    "client",
    "requestId",
]
NEW = {"newPassword": "another one", "confirmPassword": "another one"}


def told_by(api: Api, *requests: tuple[str, str, object]) -> list[tuple[Any, ...]]:
    """The lines that these requests leave."""
    before = len(api.lines)
    for method, path, body in requests:
        api(method, path, body)
    return [
        (line["performedBy"], line["action"], line["type"], json.loads(line["info"]))
        for line in api.lines[before:]
    ]


def test_every_event_leaves_one_line(family: Family) -> None:
    assert told_by(
        family.admin,
        ("POST", "/users", {"userId": "dora", "password": PASSWORD, "isAdmin": "False"}),
        ("POST", "/users", {"userId": "emil", "password": PASSWORD, "isAdmin": True}),
        ("PATCH", "/users/DORA", NEW),
        ("POST", "/roles", {"role": "dev"}),
        ("PUT", "/roles", {"userId": "DORA", "addedRoles": ["DEV"]}),
        ("PUT", "/roles", {"userId": "dora", "removedRoles": ["dev"]}),
        ("DELETE", "/roles/dev", None),
        ("DELETE", "/users/dora", None),
        ("DELETE", "/users/carl", None),
        ("GET", "/logout", None),
    ) == [
        ("admin", "created", "user", {"userId": "dora", "isAdmin": False}),
        ("admin", "created", "user", {"userId": "emil", "isAdmin": True}),
        ("admin", "updated", "user", {"userId": "dora"}),
        ("admin", "created", "role", {"role": "dev"}),
        ("admin", "updated", "role", {"userId": "dora", "addedRoles": ["dev"], "removedRoles": []}),
        ("admin", "updated", "role", {"userId": "dora", "addedRoles": [], "removedRoles": ["dev"]}),
        ("admin", "deleted", "role", {"role": "dev"}),
        ("admin", "deleted", "user", {"userId": "dora"}),
        ("admin", "refused", "admin", {"userId": "carl"}),
        ("admin", "logout", "session", {}),
    ]


def test_custody_that_passes_on_is_told(family: Family) -> None:
    assert told_by(family.admin, ("DELETE", "/users/boss", None)) == [
        ("admin", "deleted", "user", {"userId": "boss"}),
        ("admin", "inherited", "admin", {"userId": "carl", "custodian": "admin"}),
    ]


def test_reading_and_mistakes_leave_no_line(family: Family) -> None:
    assert (
        told_by(
            family.admin,
            ("GET", "/users", None),
            ("GET", "/users/nobody", None),
            ("GET", "/server", None),
            ("POST", "/users", "{"),
            ("POST", "/users", {"userId": "bob", "password": PASSWORD}),
            ("DELETE", "/users/nobody", None),
            ("DELETE", "/roles/nothing", None),
            ("PUT", "/roles", {"userId": "bob", "addedRoles": ["nothing"]}),
            ("DELETE", "/users/admin", None),
        )
        == []
    )


def test_a_line_has_mis_keys_first_and_in_order(light_admin: Api) -> None:
    answer = light_admin.elsewhere()("POST", "/roles", {"role": "dev"})
    line = light_admin.lines[-1]
    assert list(line) == KEYS
    assert isinstance(line["info"], str)
    assert line["client"] == ELSEWHERE
    assert line["requestId"] == answer.headers["X-Request-Id"]
    assert (line["outcome"], line["reason"]) == ("done", "")


def test_what_was_undone_is_told_under_the_same_request(light_admin: Api) -> None:
    light_admin("POST", "/users", {"userId": "dora", "password": "abc"})
    done, undone = light_admin.lines[-2:]
    assert (done["outcome"], undone["outcome"]) == ("done", "undone")
    assert done["requestId"] == undone["requestId"]
    assert "too short" in undone["reason"]


def test_logins_are_told_with_their_reason(light_admin: Api) -> None:
    before = len(light_admin.lines)
    light_admin.login("ADMIN")
    light_admin.login("admin", "guessed secret")
    light_admin.login("ghost")
    *lines, unknown = light_admin.lines[before:]
    assert unknown["performedBy"].startswith("unknown:")
    assert "ghost" not in str(unknown)
    assert [
        [line[key] for key in ("performedBy", "action", "type", "outcome", "reason")]
        for line in lines
    ] == [
        ["admin", "login", "session", "done", ""],
        ["admin", "login", "session", "refused", "credentials"],
    ]


def test_no_secret_is_ever_written(family: Family, capfd: pytest.CaptureFixture[str]) -> None:
    family.stranger.login("bob", "guessed secret")
    family.bob("PATCH", "/users/bob", {**NEW, "oldPassword": "guessed secret"})
    family.bob("PATCH", "/users/bob", {**NEW, "oldPassword": PASSWORD})
    family.admin("POST", "/users", {"userId": "dora", "password": "chosen secret"})
    family.admin("PATCH", "/users/dora", NEW)
    written = json.dumps(family.admin.lines) + "".join(capfd.readouterr())
    for secret in ("guessed secret", PASSWORD, "another one", "chosen secret", family.bob.token):
        assert secret not in written


def test_a_name_cannot_forge_a_line(light_admin: Api) -> None:
    before = len(light_admin.lines)
    light_admin("POST", "/users", {"userId": 'x"} {"performedBy"', "password": PASSWORD})
    (line,) = light_admin.lines[before:]
    assert json.loads(line["info"])["userId"] == 'x"} {"performedBy"'


def test_it_goes_on_after_a_rotation(light_admin: Api) -> None:
    file = light_admin.services.settings.state_dir / "audit.log"
    light_admin.add_role("before")
    file.rename(file.with_suffix(".1"))
    light_admin.add_role("after")
    assert [json.loads(line["info"]) for line in light_admin.lines] == [{"role": "after"}]


def test_it_may_lie_elsewhere(light_api_of: MakeApi, tmp_path: Path) -> None:
    api = light_api_of(AUDIT__FILE=str(tmp_path / "elsewhere.log"))
    api.logged_in("admin")
    assert len((tmp_path / "elsewhere.log").read_text().splitlines()) == 2
    assert not (tmp_path / "audit.log").exists()


CHANGES: list[tuple[str, str, object]] = [
    ("POST", "/users", {"userId": "dora", "password": PASSWORD, "isAdmin": True}),
    ("DELETE", "/users/bob", None),
    ("DELETE", "/users/boss", None),
    ("PATCH", "/users/bob", NEW),
    ("POST", "/roles", {"role": "new"}),
    ("PUT", "/roles", {"userId": "bob", "addedRoles": ["admin"]}),
    ("PUT", "/roles", {"userId": "boss", "removedRoles": ["admin"]}),
    ("GET", "/logout", None),
]


def test_what_cannot_be_told_is_not_done(family: Family) -> None:
    before = seen_by(family.admin)
    file = family.admin.services.settings.state_dir / "audit.log"
    file.rename(file.with_suffix(".kept"))
    file.mkdir()
    for method, path, body in CHANGES:
        answer = family.admin(method, path, body)
        assert answer.status_code == 503
        assert answer.json == {"Error": "The audit log cannot be written, so nothing was changed."}
    assert family.stranger.login("bob").status_code == 503
    file.rmdir()
    assert seen_by(family.admin) == before
    assert family.stranger.login("bob").status_code == 200


def seen_by(api: Api) -> list[Any]:
    return [api.get("/users"), api.get("/roles"), *(api.user(name) for name in api.names())]
