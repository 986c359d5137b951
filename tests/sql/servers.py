"""PostgreSQL and MariaDB of the tests' own, from Debian's packages, each in a folder.

Neither runs as root: where the tests do, the server runs as the account of its package.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pymysql
import trustme

from mi_ldap.sql import DatabaseConfig
from mi_ldap.sql import mysql as mysql_driver
from mi_ldap.sql import postgresql as postgresql_driver
from mi_ldap.sql.engine import Database
from tests.hosts.installed import missing, program
from tests.hosts.process import LOOPBACK, dies_with_parent, free_ports, wait_for
from tests.hosts.tls import Certificates

_START_S, _STOP_S = 60.0, 20.0
_POSTGRESQL = Path("/usr/lib/postgresql")
DATABASE = "userdb"


class DatabaseServer(ABC):
    """A server with one empty database, to which the accounts `mi` and `tool` have all rights."""

    package_account: str
    offers_tls = True
    dialect: Any

    def __init__(self, authority: trustme.CA | None = None) -> None:
        # Not below the folder of a test, which only root may enter.
        self.folder = Path(tempfile.mkdtemp(prefix=f"mi-ldap-{self.dialect}-"))
        (self.port,) = free_ports(1)
        self.password = secrets.token_urlsafe(12)
        self.certificates = Certificates(self.folder / "tls", authority or trustme.CA())
        self.has_tables = False
        self.second_database: str | None = None
        self._databases = 0
        self.tools = Database(self.tool)
        self._process: subprocess.Popen[bytes] | None = None
        self._is_prepared = False

    @property
    def config(self) -> DatabaseConfig:
        """How the service reaches the database."""
        return DatabaseConfig(
            self.dialect, ((LOOPBACK, self.port),), DATABASE, "mi", self.password, pool_size=8
        )

    @property
    def tool(self) -> DatabaseConfig:
        """How a tool reaches it that may do everything."""
        return replace(self.config, username="tool")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.tools.close()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def prepare(self) -> None:
        """Make the server's files."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The server in the foreground."""

    @abstractmethod
    def make_accounts(self) -> None:
        """Make the database and the accounts, when the server runs for the first time."""

    @abstractmethod
    def run_sql(self, *statements: str) -> None:
        """Execute statements as the tool, each on its own."""

    def new_database(self) -> str:
        """Make one more empty database of `mi`; return its name."""
        self._databases += 1
        name = f"userdb{self._databases}"
        self.make_database(name)
        return name

    @abstractmethod
    def make_database(self, name: str) -> None:
        """Make an empty database of `mi`."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server takes connections."""

    def start(self) -> None:
        """Return when the server answers."""
        is_new = not self._is_prepared
        if is_new:
            self._is_prepared = True
            self._own(self.folder)
            self.prepare()
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                preexec_fn=dies_with_parent(),  # noqa: PLW1509
                **self._account(),
            )
        if not wait_for(lambda: not self.is_running() or self.answers(), _START_S):
            raise RuntimeError(self._log())
        if not self.is_running():
            raise RuntimeError(self._log())
        if is_new:
            self.make_accounts()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it as an administrator does."""
        self._end(signal.SIGINT if self.dialect == "postgresql" else signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        pid = self._process.pid
        # A thread that runs at this moment stops a little later.
        assert wait_for(lambda: all(_is_stopped(task) for task in _tasks(pid)), _STOP_S)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
        # PostgreSQL's processes are sessions of their own. Those of connections may end meanwhile.
        for pid in _descendants(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        children = _descendants(self._process.pid)
        if self.is_running():
            os.kill(self._process.pid, how)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        for pid in children:  # a test that failed may have frozen them
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        # Those of a killed PostgreSQL end when they notice it; the next start needs them gone.
        assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), _STOP_S)

    def use(self, *command: str | Path) -> None:
        """Run a tool of the server as the account that the server has."""
        done = subprocess.run(
            command, capture_output=True, check=False, cwd=self.folder, **self._account()
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def _own(self, folder: Path) -> None:
        """Give the files to the server's account."""
        account = self._account()
        for path in [folder, *folder.rglob("*")] if account else []:
            shutil.chown(path, account["user"], account["group"])

    def _account(self) -> dict[str, Any]:
        if os.getuid() != 0:
            return {}
        try:
            found = pwd.getpwnam(self.package_account)
        except KeyError:
            missing(f"the account {self.package_account} does not exist")
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}

    def _log(self) -> str:
        return (self.folder / "output.log").read_text(errors="replace")[-3000:]


class PostgreSql(DatabaseServer):
    package_account = "postgres"
    dialect = "postgresql"

    def prepare(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        self._own(password_file)
        self.use(
            *(_postgresql("initdb"), "-D", self.folder / "data", "-U", "tool", "-A"),
            *("scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--no-sync"),
            "--locale=C.UTF-8",
        )

    def command(self) -> Sequence[str | Path]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",  # what the kernel has survives the death of a process
            "ssl": "on" if self.offers_tls else "off",
            "ssl_cert_file": self.certificates.cert_file,
            "ssl_key_file": self.certificates.key_file,
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [_postgresql("postgres"), "-D", self.folder / "data", *options]

    def make_accounts(self) -> None:
        self.run_sql(f"CREATE ROLE mi LOGIN PASSWORD '{self.password}'")
        self.make_database(DATABASE)

    def make_database(self, name: str) -> None:
        self.run_sql(f"CREATE DATABASE {name} OWNER mi")

    def run_sql(self, *statements: str) -> None:
        with self._connected() as connection:
            for statement in statements:
                connection.execute(statement)

    def answers(self) -> bool:
        try:
            self._connected().close()
        except postgresql_driver.ERRORS:
            return False
        return True

    def _connected(self) -> Any:
        config = replace(self.tool, database="postgres")
        return postgresql_driver.connect(config, LOOPBACK, self.port, 2)


class MariaDb(DatabaseServer):
    package_account = "mysql"
    dialect = "mysql"

    def prepare(self) -> None:
        (self.folder / "init.sql").write_text(
            f"CREATE DATABASE IF NOT EXISTS {DATABASE};\n"
            f"CREATE USER IF NOT EXISTS tool@'%' IDENTIFIED BY '{self.password}';\n"
            "GRANT ALL ON *.* TO tool@'%' WITH GRANT OPTION;\n"
            f"CREATE USER IF NOT EXISTS mi@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON {DATABASE}.* TO mi@'%';\n"
        )
        self._own(self.folder)
        self.use(
            *(program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data"),
            *(
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                self._temporary_files(),
            ),
        )

    def command(self) -> Sequence[str | Path]:
        files = self.certificates
        tls = [
            f"--ssl-ca={files.ca_file}",
            f"--ssl-cert={files.cert_file}",
            f"--ssl-key={files.key_file}",
        ]
        return [
            program("mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--init-file={self.folder}/init.sql",
            f"--port={self.port}",
            f"--bind-address={LOOPBACK}",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
            self._temporary_files(),
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=2",  # what the kernel has survives the process
            "--character-set-server=utf8mb4",
            *(tls if self.offers_tls else ["--skip-ssl"]),
        ]

    def _temporary_files(self) -> str:
        # A MariaDB that starts deletes the temporary tables of every other one in the same folder.
        return f"--tmpdir={self.folder}"

    def make_accounts(self) -> None:
        """Nothing: init.sql has made them."""

    def make_database(self, name: str) -> None:
        self.run_sql(f"CREATE DATABASE {name}", f"GRANT ALL ON {name}.* TO mi@'%'")

    def run_sql(self, *statements: str) -> None:
        with mysql_driver.connect(self.tool, LOOPBACK, self.port, 2) as connection:
            for statement in statements:
                connection.cursor().execute(statement)

    def answers(self) -> bool:
        try:
            mysql_driver.connect(self.tool, LOOPBACK, self.port, 2).close()
        except (*mysql_driver.ERRORS, pymysql.Error):
            return False
        return True


def _postgresql(name: str) -> Path:
    """Return the program in its newest version; Debian has them in a folder for each."""
    found = sorted(_POSTGRESQL.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return found[-1] if found else Path(program(name))


def _tasks(pid: int) -> list[Path]:
    """Return the threads of a process and of its descendants."""
    found = [Path(f"/proc/{each}/task") for each in (pid, *_descendants(pid))]
    return [task for folder in found if folder.exists() for task in folder.iterdir()]


def _is_stopped(task: Path) -> bool:
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"


def _descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    children = [int(child) for child in listed.stdout.split()]
    return [*children, *(each for child in children for each in _descendants(child))]
