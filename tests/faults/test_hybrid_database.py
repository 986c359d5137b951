"""The database of hybrid roles beside a directory: down, frozen, unreadable, and at the start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.sql.schema import create_tables
from tests.api.client import PASSWORD, Api
from tests.checks.databases import SCHEMES
from tests.directory.readers import readable_place
from tests.service import Caller, running
from tests.sql.servers import PostgreSql
from tests.stopwatch import within
from tests.subtree import Subtree
from tests.table.directories import api_on
from tests.until import until

ADMIN_ROLE = "Internal/admin"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subtree]:
    def fill(made: Subtree) -> None:
        alice = made.add_user("alice", PASSWORD)
        made.add_group("admin", alice)

    with readable_place("openldap", tmp_path_factory.mktemp("host"), fill) as found:
        yield found


@pytest.fixture
def database() -> Iterator[PostgreSql]:
    """A PostgreSQL of the test's own, to be mistreated."""
    with PostgreSql() as made:
        create_tables(made.config, only_hybrid=True)
        yield made


def keys(database: PostgreSql, admin_role: str) -> dict[str, str]:
    config = database.config
    return {
        "USER_STORE__TYPE": "read_only_ldap",
        "SUPER_ADMIN__ADMIN_ROLE": admin_role,
        "DATASOURCE__URL": f"{SCHEMES['postgresql']}://127.0.0.1:{database.port}/{config.database}",
        "DATASOURCE__USERNAME": config.username,
        "DATASOURCE__PASSWORD": config.password,
    }


def ready(api: Api) -> tuple[int, object]:
    """The status of `GET /ready`, and what it says is unavailable; it answers in time."""
    with within(1):  # An orchestrator waits for one second by default.
        answer = api.ask("GET", "/ready")
    return answer.status_code, (answer.json or {}).get("unavailable")


def test_hybrid_roles_that_cannot_be_read_are_named(
    place: Subtree, database: PostgreSql, tmp_path: Path
) -> None:
    with api_on(place, tmp_path / "state", **keys(database, "admin")) as api:
        alice = api.logged_in("alice")
        assert alice("POST", "/roles", {"role": "Internal/testers"}).status_code == 200
        assert ready(api) == (200, None)
        database.freeze()
        assert ready(api) == (200, ["hybrid-roles"])
        database.thaw()
        until(lambda: ready(api) == (200, None))
        database.kill()
        assert ready(api) == (200, ["hybrid-roles"])
        roles = alice("GET", "/roles")
        assert (roles.status_code, roles.headers["X-Result-Truncated"]) == (200, "true")
        assert alice("GET", "/roles/Internal/testers").status_code == 503
        database.start()
        until(lambda: ready(api) == (200, None))
        # The owner of a table may be refused, too.
        revoke = "REVOKE SELECT ON UM_HYBRID_USER_ROLE FROM mi"
        database.tools.write(lambda connection: connection.exec_driver_sql(revoke))
        assert ready(api) == (200, ["hybrid-roles"])


def test_a_service_is_not_ready_while_its_admins_cannot_be_read(
    place: Subtree, database: PostgreSql, tmp_path: Path
) -> None:
    with api_on(place, tmp_path / "state", **keys(database, ADMIN_ROLE)) as api:
        assert ready(api) == (200, None)
        alice = api.logged_in("alice")
        database.kill()
        answer = api.ask("GET", "/ready")
        assert answer.status_code == 503
        assert alice("GET", "/users").status_code == 503
        database.start()
        until(lambda: ready(api) == (200, None))
        assert alice("GET", "/users").status_code == 200


def is_ready(call: Caller) -> bool:
    answer = call.ask("GET", "/ready")
    return answer.status == 200 and "unavailable" not in answer.json


def environment(place: Subtree, state: Path, **more: str) -> dict[str, str]:
    own = {"STATE_DIR": str(state), "SERVER__WORKERS": "1", **more}
    return {**place.environment, **{f"MI_LDAP_{key}": value for key, value in own.items()}}


@pytest.mark.parametrize("admin_role", ["admin", ADMIN_ROLE])
def test_a_service_starts_while_the_database_is_down(
    place: Subtree, database: PostgreSql, tmp_path: Path, admin_role: str
) -> None:
    database.kill()
    env = environment(place, tmp_path / "state", **keys(database, admin_role))
    with running(env) as service, service.caller() as call:
        until(lambda: "mi-ldap doctor" in service.log.read_text("utf-8") or admin_role == "admin")
        until(lambda: "hybrid_roles_unusable" in service.log.read_text("utf-8"))
        log = service.log.read_text("utf-8")
        assert "directory_unusable" not in log
        assert (f"The admin role {ADMIN_ROLE} cannot be read." in log) == (admin_role == ADMIN_ROLE)
        database.start()
        until(lambda: is_ready(call))
        token = call.login("alice", PASSWORD)
        assert call("GET", "/users/alice", token=token).json["isAdmin"] is True


def test_lost_admins_are_a_loud_line_with_the_file(place: Subtree, tmp_path: Path) -> None:
    state = tmp_path / "state"
    own = {"USER_STORE__TYPE": "read_only_ldap", "SUPER_ADMIN__ADMIN_ROLE": ADMIN_ROLE}
    env = environment(place, state, **own)
    with running(env) as service, service.caller() as call:
        call.login("alice", PASSWORD)
    for each in state.glob("hybrid-roles.sqlite*"):
        each.unlink()
    with running(env) as service:
        until(lambda: "admin_role_lost" in service.log.read_text("utf-8"))
        assert f"restore the file {state}/hybrid-roles.sqlite" in service.log.read_text("utf-8")
