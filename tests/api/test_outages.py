"""What is needed to answer cannot be reached: 503, and neither accepted nor refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import AdminRoleUnclear, Conflict
from mi_ldap.settings import load_settings
from mi_ldap.state import database
from mi_ldap.wiring import services
from tests.api.client import PASSWORD, Api
from tests.api.conftest import MakeApi, api_over
from tests.memory_store import MemoryStore
from tests.stopwatch import within

NEW = {"newPassword": "another one", "confirmPassword": "another one"}

REQUESTS: list[tuple[str, str, object]] = [
    ("GET", "/server", None),
    ("GET", "/users", None),
    ("GET", "/users/admin", None),
    ("POST", "/users", {"userId": "dora", "password": PASSWORD}),
    ("DELETE", "/users/bob", None),
    ("PATCH", "/users/bob", NEW),
    ("PATCH", "/users/admin", {**NEW, "oldPassword": PASSWORD}),
    ("GET", "/roles", None),
    ("POST", "/roles", {"role": "dev"}),
    ("PUT", "/roles", {"userId": "bob", "addedRoles": ["admin"]}),
    ("DELETE", "/roles/dev", None),
    ("GET", "/logout", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_without_the_store_nothing_is_answered(
    light_admin: Api, memory: MemoryStore, method: str, path: str, body: object
) -> None:
    memory.is_down = True
    answer = light_admin(method, path, body)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "directory" in answer.text


def test_a_login_without_the_store_is_no_wrong_password(
    light_admin: Api, memory: MemoryStore
) -> None:
    memory.is_down = True
    for password in (PASSWORD, "wrong"):
        assert light_admin.login("admin", password).status == "503 Service Unavailable"


@pytest.fixture
def stoppable(tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    with EmbeddedDirectory(tmp_path / "directory") as directory:
        yield directory


def test_a_directory_that_stops_and_comes_back(
    stoppable: EmbeddedDirectory, tmp_path: Path, opened: ExitStack
) -> None:
    made = services(load_settings({"MI_LDAP_STATE_DIR": str(tmp_path)}), stoppable)
    api = api_over(made, opened)
    admin = api.logged_in("admin")
    admin.add_user("bob")
    stoppable.stop()
    with within(2):
        for method, path, body in REQUESTS:
            assert admin(method, path, body).status_code == 503
        assert api.login("admin").status_code == 503
        assert api.ask("GET", "/ready").status_code == 503
    stoppable.start()
    assert admin.names() == ["admin", "bob"]
    assert api.login("admin").status_code == 200


def test_a_directory_that_is_not_there_at_the_start(tmp_path: Path, opened: ExitStack) -> None:
    environ = {
        "MI_LDAP_STATE_DIR": str(tmp_path),
        "MI_LDAP_USER_STORE__CONNECTION_URL": "ldap://127.0.0.1:1",
        "MI_LDAP_USER_STORE__CONNECTION_NAME": "cn=x",
        "MI_LDAP_USER_STORE__CONNECTION_PASSWORD": "x",
        "MI_LDAP_USER_STORE__BASE_DN": "dc=x",
    }
    api = api_over(services(load_settings(environ)), opened)
    assert api.ask("GET", "/health").status_code == 200
    assert api.ask("GET", "/ready").status_code == 503
    assert api.login("admin").status_code == 503
    assert api("GET", "").status_code == 200


# The token store


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.05)


@pytest.mark.usefixtures("impatient")
def test_a_logout_that_cannot_be_kept_is_no_logout(light_admin: Api) -> None:
    file = light_admin.services.settings.state_dir / "state.sqlite"
    light_admin.services.state.close()
    locker = sqlite3.connect(file, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    answer = light_admin("GET", "/logout")
    assert answer.status == "503 Service Unavailable"
    assert light_admin("GET", "/server").status_code == 200
    locker.execute("ROLLBACK")
    locker.close()
    assert light_admin("GET", "/logout").status_code == 200
    assert light_admin("GET", "/server").status_code == 401


def test_while_revocations_cannot_be_read_no_token_is_good_or_bad(light_admin: Api) -> None:
    with light_admin.services.state.connection() as connection:
        connection.execute("ALTER TABLE revoked RENAME TO hidden")
    assert light_admin("GET", "/server").status == "503 Service Unavailable"
    with light_admin.services.state.connection() as connection:
        connection.execute("ALTER TABLE hidden RENAME TO revoked")
    assert light_admin("GET", "/server").status_code == 200


def test_failures_that_the_state_file_cannot_count_are_counted_in_memory(light_admin: Api) -> None:
    with light_admin.services.state.connection() as connection:
        connection.execute("DROP TABLE login_attempts")
    limit = light_admin.services.settings.management_api.throttle.failures_per_name
    statuses = [light_admin.login("admin", "wrong").status_code for _ in range(limit + 1)]
    assert statuses == [401] * limit + [429]
    assert light_admin.login("admin", PASSWORD).status_code == 429


# What cannot be told for certain


def test_while_the_admin_role_is_unclear_admin_requests_are_503(
    light_admin: Api, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    light_admin.add_user("bob")

    def unclear() -> None:
        raise AdminRoleUnclear

    monkeypatch.setattr(memory, "admin_role", unclear)
    for method, path, body in REQUESTS[1:4]:
        answer = light_admin(method, path, body)
        assert answer.status == "503 Service Unavailable"
        assert "admin role" in answer.text
    assert light_admin("GET", "/server").status_code == 200


def test_changes_without_end_are_a_conflict(
    light_api_of: MakeApi, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = light_api_of(SERVER__REQUEST_DEADLINE_S="0.1").logged_in("admin")
    admin.add_user("bob")

    def conflict(*_: object) -> None:
        raise Conflict

    monkeypatch.setattr(memory, "apply", conflict)
    with within(0.1):
        assert admin("DELETE", "/users/bob").status_code == 409
    assert admin.exists("bob")


def test_what_nobody_foresaw_is_told_without_a_trace(
    light_admin: Api, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object = None) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(memory, "user_names", broken)
    headers = {"Authorization": f"Bearer {light_admin.token}", "X-Request-Id": "r1"}
    answer = light_admin.client.get("/management/users", headers=headers)
    assert answer.status == "500 Internal Server Error"
    assert answer.json == {"Error": "The service failed. See its log under the request id."}
    assert answer.headers["X-Request-Id"].startswith("r1.")
