"""What the servers of the tests share: ports, and a process that is ended for certain."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import trustme
from ldap3 import MODIFY_REPLACE
from ldap3.core.exceptions import LDAPException

from tests.hosts.tls import Certificates, VerifyingTls, opened

LOOPBACK = "127.0.0.1"
Values = str | Sequence[str]
_PR_SET_PDEATHSIG = 1
# slapd reserves memory for as many connections as it may have open files.
_OPEN_FILES = 4096
_START_S, _STOP_S, _POLL_S = 30.0, 10.0, 0.005
# Where the kernel takes no ports from for outgoing connections: what is free now stays free.
_PORTS = range(10_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().choice(_PORTS)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def dies_with_parent() -> Callable[[], None]:
    """For `preexec_fn`: the child is killed when the thread that starts it ends."""
    prctl, parent_pid = ctypes.CDLL(None).prctl, os.getpid()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # it ended before prctl could tell
            os._exit(1)

    return prepare


class DirectoryHost(ABC):
    """A directory server in a folder, made by `prepare` before its first start.

    `start` after `stop` or `kill` finds the same port and the data that was there.
    """

    def __init__(self, folder: Path, base: str, authority: trustme.CA | None = None) -> None:
        self.folder = folder
        self.base = base
        self.port, self.tls_port = free_ports(2)
        self.certificates = Certificates(folder / "tls", authority or trustme.CA())
        self.tls = VerifyingTls(self.ca_file)
        self._process: subprocess.Popen[bytes] | None = None
        self._last_sign = -1
        self._is_prepared = False

    manager_dn: str
    manager_password: str
    service_dn: str
    service_password: str

    @abstractmethod
    def prepare(self) -> None:
        """Makes the server's files, and may start it to fill it over LDAP."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The server in the foreground."""

    @property
    def url(self) -> str:
        return f"ldap://{LOOPBACK}:{self.port}"

    @property
    def ldaps_url(self) -> str:
        return f"ldaps://{LOOPBACK}:{self.tls_port}"

    @property
    def ca_file(self) -> Path:
        return self.certificates.ca_file

    @property
    def user_base(self) -> str:
        return f"ou=people,{self.base}"

    @property
    def group_base(self) -> str:
        return f"ou=groups,{self.base}"

    @property
    def service(self) -> tuple[str, str]:
        """DN and password of the service's account."""
        return self.service_dn, self.service_password

    @property
    def manager(self) -> tuple[str, str]:
        """DN and password of the account that may do everything."""
        return self.manager_dn, self.manager_password

    @property
    def log_file(self) -> Path:
        return self.folder / "output.log"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when the server answers."""
        if not self._is_prepared:
            self._is_prepared = True
            self.prepare()
        if not self.is_running():
            self.launch()

    def launch(self) -> None:
        self._last_sign, held = os.pipe()
        with self.log_file.open("ab") as log:
            self._process = self.spawn(log.fileno(), pass_fds=[held])
        os.close(held)
        if not self._comes_up():
            said = _last_line(self.log_file.read_text(errors="replace"))
            raise RuntimeError(f"{type(self).__name__} did not start: {said}; see {self.log_file}")

    def _comes_up(self) -> bool:
        come_up = wait_for(lambda: not self.is_running() or self.answers(), _START_S)
        return come_up and self.is_running()

    def spawn(self, log: int, *, pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=pass_fds,
            preexec_fn=dies_with_parent(),  # noqa: PLW1509
        )

    def stop(self) -> None:
        """Ends it as an administrator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self.is_running():
            os.killpg(self._process.pid, how)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        self._wait_for_the_last()

    def _wait_for_the_last(self) -> None:
        """A pipe that all its processes hold is at its end when the last of them is."""
        os.read(self._last_sign, 1)
        os.close(self._last_sign)

    def answers(self) -> bool:
        """Whether the manager can log in."""
        return self.takes(*self.manager)

    def takes(self, dn: str, password: str) -> bool:
        """Whether that account can log in."""
        with opened(self.ldaps_url, self.tls, dn, password) as connection:
            try:
                return bool(connection.bind())
            except LDAPException:
                return False

    def configure(self, dn: str = "cn=config", /, **attributes: Values) -> None:
        """Replaces attributes as the manager, `_` in a name standing for `-`; `[]` removes."""
        changes = {
            name.replace("_", "-"): [(MODIFY_REPLACE, [given] if isinstance(given, str) else given)]
            for name, given in attributes.items()
        }
        with self.connected(*self.manager) as manager:
            assert manager.modify(dn, changes), manager.result

    @contextmanager
    def connected(self, dn: str | None = None, password: str | None = None) -> Iterator[Any]:
        """A verified TLS connection as that account, or anonymous; the bind must succeed."""
        with opened(self.ldaps_url, self.tls, dn, password) as connection:
            assert connection.bind(), connection.result
            yield connection


def wait_for(condition: Callable[[], bool], longest_s: float) -> bool:
    """Whether the condition came true within that time."""
    ends_at = time.monotonic() + longest_s
    while not condition():
        if time.monotonic() > ends_at:
            return False
        time.sleep(_POLL_S)
    return True


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "nothing")


def run(*command: str | Path, given: str = "", env: dict[str, str] | None = None) -> str:
    """What a command says; its failure fails the test with what it said."""
    done = subprocess.run(
        command, input=given, capture_output=True, encoding="utf-8", env=env, check=False
    )
    said = done.stderr + done.stdout
    assert done.returncode == 0, f"{command[0]} failed ({done.returncode}): {said[-2000:]}"
    return done.stdout
