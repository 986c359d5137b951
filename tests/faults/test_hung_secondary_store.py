"""A secondary user store that hangs while many clients ask for lists holds up no other store."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mi_ldap.sql import DatabaseConfig
from mi_ldap.sql.schema import create_tables
from tests.checks.databases import SCHEMES
from tests.service import Service, running
from tests.sql.servers import DatabaseServer, MariaDb, PostgreSql
from tests.stopwatch import seconds
from tests.until import until

CLIENTS = 24  # three times the threads of the worker
LOAD_S = 8.0  # some times as long as a failed store is left alone, and a try of it lasts
ADMIN = "admin:admin"
CONFIG = """
[user_store]
type = "database"
[[datasource]]
id = "WSO2CarbonDB"
url = "sqlite:///{primary}"
[[secondary_user_store]]
domain = "wso2.com"
type = "database"
url = "{scheme}://127.0.0.1:{server.port}/{server.config.database}"
username = "{server.config.username}"
password = "{server.config.password}"
"""


@pytest.fixture(params=[PostgreSql, MariaDb], ids=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with request.param() as server:
        create_tables(server.config)
        yield server


@pytest.fixture
def service(server: DatabaseServer, tmp_path: Path) -> Iterator[Service]:
    """A service of one worker with eight threads, and a secondary store on the server."""
    primary = tmp_path / "primary.sqlite"
    create_tables(DatabaseConfig("sqlite", (), str(primary)))
    config = tmp_path / "mi-ldap.toml"
    scheme = SCHEMES[server.dialect]
    config.write_text(CONFIG.format(primary=primary, scheme=scheme, server=server), "utf-8")
    env = {
        "MI_LDAP_CONFIG": str(config),
        "MI_LDAP_STATE_DIR": str(tmp_path / "state"),
        "MI_LDAP_SERVER__WORKERS": "1",
        "MI_LDAP_SERVER__THREADS": "8",
    }
    with running(env) as service:
        yield service


def test_users_of_other_stores_log_in_while_clients_list(
    service: Service, server: DatabaseServer
) -> None:
    with service.caller() as call:
        token = call.login("admin", "admin")

    def list_users(over: threading.Event) -> Counter[tuple[int, str | None]]:
        answers: Counter[tuple[int, str | None]] = Counter()
        with service.caller() as call:
            while not over.is_set():
                answer = call("GET", "/users", token=token)
                answers[answer.status, answer.headers.get("X-Result-Truncated")] += 1
        return answers

    server.freeze()
    try:
        with service.caller() as call:
            until(lambda: seconds(lambda: call("GET", "/users", token=token)) < 0.5)
        over, ends_at = threading.Event(), time.monotonic() + LOAD_S
        with ThreadPoolExecutor(CLIENTS) as pool, service.caller() as call:
            listing = [pool.submit(list_users, over) for _ in range(CLIENTS)]
            try:
                while time.monotonic() < ends_at:
                    assert call("GET", "/login", basic=ADMIN).status == 200
                    assert call("GET", "/users/admin", token=token).status == 200
            finally:
                over.set()
            for each in listing:
                assert set(each.result()) == {(200, "true")}
    finally:
        server.thaw()
