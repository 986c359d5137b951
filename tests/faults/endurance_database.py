"""Mixed writes on a database while processes are killed, the database and the service too.

    .venv/bin/python -m tests.faults.endurance_database mariadb --writes 10000 --kills 100

As `tests.faults.endurance`, but a worker, the whole service and the database server are killed in
turn; the latter two are started again at once. At the end the rows are examined as well: custody,
and whether anything is left of a change that was cut off.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from mi_ldap.sql.schema import create_tables
from tests.faults.endurance import compare, count_audit_lines, working
from tests.faults.endurance_client import ADMIN, PASSWORD, Client, Report
from tests.faults.test_processes import children, is_alive
from tests.service import Caller, Environment, Service, free_port, mortal
from tests.sql.servers import DatabaseServer, MariaDb, PostgreSql
from tests.sql.stores import Place
from tests.until import until

SERVERS: dict[str, type[DatabaseServer]] = {"postgresql": PostgreSql, "mariadb": MariaDb}
_TOML = """
[[datasource]]
id = "WSO2CarbonDB"
url = "jdbc:{dialect}://127.0.0.1:{port}/userdb"
username = "mi"
password = "{password}"

[user_store]
type = "database"

[bootstrap]
users = ["{admin}"]
"""
START_S = 120.0  # a long run goes on while the machine is busy with something else
_NOT_IN_THE_LOG = (PASSWORD, "Traceback", "INSERT INTO", "SELECT ", "UPDATE ", "DELETE FROM")

_LONE_ADMINS = """
SELECT U.UM_USER_NAME FROM UM_USER U
JOIN UM_USER_ROLE M ON M.UM_USER_ID = U.UM_ID
JOIN UM_ROLE R ON R.UM_ID = M.UM_ROLE_ID AND R.UM_ROLE_NAME = 'admin'
WHERE U.UM_USER_NAME <> :first AND NOT EXISTS (
    SELECT 1 FROM UM_USER_ATTRIBUTE A
    JOIN UM_USER C ON C.UM_USER_ID = A.UM_ATTR_VALUE
    JOIN UM_USER_ROLE CM ON CM.UM_USER_ID = C.UM_ID AND CM.UM_ROLE_ID = R.UM_ID
    WHERE A.UM_USER_ID = U.UM_ID AND A.UM_PROFILE_ID = 'mi_ldap' AND A.UM_ATTR_NAME = 'custodian')
"""
_ADMINS = """
SELECT COUNT(*) FROM UM_USER_ROLE M JOIN UM_ROLE R ON R.UM_ID = M.UM_ROLE_ID
WHERE R.UM_ROLE_NAME = 'admin'
"""
_REPEATED_ATTRIBUTES = """
SELECT UM_USER_ID, UM_ATTR_NAME FROM UM_USER_ATTRIBUTE
GROUP BY UM_USER_ID, UM_ATTR_NAME HAVING COUNT(*) > 1
"""
_REPEATED_NAMES = "SELECT UM_USER_NAME FROM UM_USER GROUP BY UM_USER_NAME HAVING COUNT(*) > 1"


@dataclass
class DatabaseReport(Report):
    """What came of it.

    Attributes:
        broken_rules: rows that the rules of custody, or the tables, do not allow.
        log_lines: lines of the log with what must not be there.
        admins: how many there are at the end.
    """

    broken_rules: list[str] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)
    admins: int = 0

    def __str__(self) -> str:
        return (
            f"{super().__str__()}; {self.admins} admins, broken rules {self.broken_rules[:5]}, "
            f"log {self.log_lines[:3]}"
        )


class Machine:
    """A service on one port that can be killed with all its processes, and started again."""

    def __init__(self, environment: Environment) -> None:
        self._environment = {**environment, "MI_LDAP_SERVER__PORT": str(free_port())}
        self._stack = ExitStack()
        self._service: Service | None = None
        self.log = ""

    def start(self) -> None:
        self._service = self._stack.enter_context(mortal(self._environment, START_S))

    def caller(self, timeout_s: float = 30.0) -> Caller:
        return Caller(int(self._environment["MI_LDAP_SERVER__PORT"]), timeout_s)

    def kill_worker(self) -> None:
        workers = [pid for each in children(self._pid) for pid in children(each)]
        for pid in workers[:1]:
            os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the supervisor; its children end when they notice it."""
        below = children(self._pid)
        below += [pid for each in below for pid in children(each)]
        os.kill(self._pid, signal.SIGKILL)
        until(lambda: not any(map(is_alive, below)))
        self.close()

    def close(self) -> None:
        """End the service, if it runs, and keep what it has logged."""
        self._stack.close()
        if self._service:
            self.log += self._service.log.read_text("utf-8", errors="replace")
        self._service = None

    @property
    def _pid(self) -> int:
        assert self._service is not None
        return self._service.process.pid


@contextmanager
def _machine(server: DatabaseServer, folder: Path) -> Iterator[Machine]:
    folder.mkdir(parents=True, exist_ok=True)
    toml = folder / "deployment.toml"
    values = {"dialect": server.dialect, "port": server.port, "password": server.password}
    toml.write_text(_TOML.format(admin=ADMIN, **values), "utf-8")
    machine = Machine(
        {
            "MI_LDAP_CONFIG": str(toml),
            "MI_LDAP_STATE_DIR": str(folder / "state"),
            "MI_LDAP_SERVER__WORKERS": "2",
        }
    )
    try:
        machine.start()
        yield machine
    finally:
        machine.close()


def _kill_in_turn(
    machine: Machine,
    server: DatabaseServer,
    report: Report,
    every: int,
    kills: int,
    is_working: Callable[[], bool],
) -> None:
    """Kill something each time `every` more writes were sent.

    In the main thread: a server ends with the thread that has started it.
    """

    def restart_service() -> None:
        machine.kill()
        machine.start()

    def restart_database() -> None:
        server.kill()
        server.start()

    worker = ("worker", machine.kill_worker)
    turn = cycle(
        [("database", restart_database), worker, ("service", restart_service), worker],
    )
    while is_working():
        done = report.kills.total()
        if done < kills and report.writes.total() >= every * (done + 1):
            kind, kill = next(turn)
            kill()
            report.kills[kind] += 1
        time.sleep(0.01)


def run(kind: str, folder: Path, writes: int, kills: int, clients: int = 8) -> DatabaseReport:
    """Write and kill, then compare what is there with what was acknowledged."""
    report = DatabaseReport()
    with SERVERS[kind]() as server:
        create_tables(server.config)
        began = time.monotonic()
        with _machine(server, folder) as machine:
            with machine.caller() as call:
                call.login(ADMIN, PASSWORD)
            everybody = [Client(number, machine, report) for number in range(clients)]
            for client in everybody:
                client.make_roles()
            with working(everybody, report, writes) as is_working:
                _kill_in_turn(machine, server, report, writes // (kills + 1), kills, is_working)
            report.seconds = time.monotonic() - began
            compare(everybody, report)
            for client in everybody:
                client.close()
        _check_rows(Place(server.config, server.tool, server.tools), report)
    _check_log(machine.log, server, report)
    count_audit_lines(folder / "state" / "audit.log", report)
    return report


def _check_rows(place: Place, report: DatabaseReport) -> None:
    (report.admins,) = place.query(_ADMINS)[0]
    if not report.admins:
        report.broken_rules.append("no admin is left")
    for what, query, values in (
        ("admin without a custodian", _LONE_ADMINS, {"first": ADMIN}),
        ("two attributes of one name", _REPEATED_ATTRIBUTES, {}),
        ("two users of one name", _REPEATED_NAMES, {}),
    ):
        report.broken_rules += [f"{what}: {row}" for row in place.query(query, **values)]


def _check_log(log: str, server: DatabaseServer, report: DatabaseReport) -> None:
    forbidden = (*_NOT_IN_THE_LOG, server.password)
    report.log_lines += [line for line in log.splitlines() if any(x in line for x in forbidden)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("database", choices=[*SERVERS])
    options.add_argument("--writes", type=int, default=10_000)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--clients", type=int, default=8)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(run(chosen.database, Path(folder), chosen.writes, chosen.kills, chosen.clients))


if __name__ == "__main__":
    main()
