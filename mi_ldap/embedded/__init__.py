"""A private OpenLDAP below a folder: for first steps, for the tests, and for docker compose.

    <folder>/             0700, so that only its owner reaches the socket
        ldapi             the socket on which slapd listens
        data/             the database (mdb); the only part to back up
        service.password  of `cn=mi-ldap,ou=services,<suffix>`, the account of mi_ldap
        manager.password  of `cn=manager,<suffix>`, for people: `ldapsearch -y manager.password`
        slapd.d/          the configuration, written from `config/ldif/` at every start
        slapd.log         the output of slapd since its start
        lock              locked by slapd while it runs

If a password file is deleted, the next start creates it with a new password.
"""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from mi_ldap.addresses import host_in_url
from mi_ldap.deadline import deadline
from mi_ldap.embedded.configuration import Installation, check_suffix, find_installation
from mi_ldap.embedded.folder import SlapdFolder, read_secret
from mi_ldap.embedded.slapd_process import (
    can_listen,
    is_listening,
    last_line,
    spawn_slapd,
    wait_for,
)
from mi_ldap.errors import ConfigurationError, DirectoryUnavailable
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.connection_pool import Account, Address, Connector
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.servers import AccountRefused

_START_WAIT_S = 30.0
_ANSWER_WAIT_S = 10.0
_STOP_WAIT_S = 5.0

# Longest path of a socket, in bytes: Linux's `sun_path` has 107, and ldap3 adds a slash.
MAX_SOCKET_PATH: Final = 106


class EmbeddedDirectory:
    """A private slapd. Call `start()` on the main thread, then connect to `url`.

    Args:
        folder: its folder; created if missing. Only one slapd at a time can use it.
        suffix: the DN at its top, such as `"dc=mi"`; it cannot be changed later.
        port: the TCP port on which it listens in addition to its socket; None for no TCP.
        host: the address of that port.
        slapd: the path of slapd; None to search for it.
        service_password_file: in place of `<folder>/service.password`; created if missing.

    Raises:
        ConfigurationError: the suffix cannot be used, or the folder's path is too long.
    """

    def __init__(
        self,
        folder: Path,
        suffix: str = "dc=mi",
        port: int | None = None,
        host: str = "127.0.0.1",
        slapd: Path | None = None,
        service_password_file: Path | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.suffix = check_suffix(suffix)
        self.host, self.port = host, port
        self.user_base = f"ou=people,{suffix}"
        self.group_base = f"ou=groups,{suffix}"
        self.hybrid_base = f"ou=hybrid,{suffix}"
        self._bases = (self.user_base, self.group_base, self.hybrid_base)
        self._slapd = slapd
        self._files = SlapdFolder(self.folder, suffix, service_password_file)
        self.service_dn = self._files.service_dn
        self.manager_dn = self._files.manager_dn
        self.service_password_file = self._files.service_password_file
        self.manager_password_file = self._files.manager_password_file
        self.log_file = self._files.log_file
        self.socket_file = check_socket_path(self._files.socket_file)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of its socket, for processes of its owner: `"ldapi://%2F…%2Fldapi"`."""
        return f"ldapi://{quote(str(self.socket_file), safe='')}"

    @property
    def urls(self) -> list[str]:
        """The addresses of its socket and, if it listens on TCP, of its port."""
        # On TCP only if a port is given: otherwise any user of this machine could guess passwords
        # without the service's throttle, use up slapd's connections, or, after slapd has died,
        # listen on the port and receive the service account's password.
        return [self.url, *([f"ldap://{host_in_url(self.host)}:{self.port}"] if self.port else [])]

    @property
    def data_dir(self) -> Path:
        """The folder of the database."""
        return self._files.data_dir

    def has_data(self) -> bool:
        """Whether there is a database, even if it has no entries."""
        return self._files.has_data()

    def read_service_password(self) -> str:
        return read_secret(self.service_password_file)

    def read_manager_password(self) -> str:
        return read_secret(self.manager_password_file)

    @property
    def pid(self) -> int | None:
        """The process id of slapd; None while it is not running."""
        return self._process.pid if self._process and self.is_running() else None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Create the directory if it is missing, start slapd, and return when it answers.

        Raises:
            ConfigurationError: slapd is missing or does not start, or the folder is in use or has
                another suffix.
            RuntimeError: called on another thread than the main one.
        """
        # The parent-death signal (prctl(2)) comes when the *thread* ends that started slapd.
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("EmbeddedDirectory.start() belongs to the main thread")
        if self.is_running():
            return
        with ExitStack() as undo:
            # Also on Ctrl-C: slapd must not outlive a start that was interrupted.
            undo.callback(self.stop)
            self._start()
            undo.pop_all()

    def stop(self) -> None:
        """Stop slapd and return when it has ended; do nothing if it is not running."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Kill slapd at once."""
        # That does not damage the database: LMDB never overwrites pages that are in use.
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def has_entries(self) -> bool:
        """Whether the running directory has a user or a group; True also if it can't be read."""
        try:
            with deadline(_ANSWER_WAIT_S), closing(self._session()) as session:
                return any(_has_entry_below(session, base) for base in self._bases)
        except (DirectoryUnavailable, LdapError):
            return True

    def wait(self) -> None:
        """Return when slapd has ended."""
        if self._process is not None:
            self._process.wait()

    def _start(self) -> None:
        installation = find_installation(self._slapd)
        try:
            self._files.make()
            with self._files.locked() as lock:
                self._files.prepare(installation)
                self._launch(installation, lock)
        except OSError as error:
            raise ConfigurationError(
                f"The embedded directory in {self.folder} cannot be used:"
                f" {error.strerror} ({error.filename})."
            ) from error

    def _launch(self, installation: Installation, lock: int) -> None:
        """Start slapd and wait until it answers."""
        if self.port and not can_listen(self.host, self.port):
            raise ConfigurationError(
                f"Nothing can listen on {self.host} port {self.port}, it may be taken:"
                " set embedded_directory.port to another, or remove it to listen on no port."
            )
        self._process = spawn_slapd(
            installation.slapd,
            urls=self.urls,
            config_dir=self._files.config_dir,
            log_file=self.log_file,
            lock=lock,
        )
        if wait_for(self._has_ended_or_answers, _START_WAIT_S) and self.is_running():
            # slapd creates the socket world-writable, whatever its umask.
            self.socket_file.chmod(0o600)
            return
        self.stop()
        reason = last_line(self.log_file.read_text(encoding="utf-8", errors="replace"))
        raise ConfigurationError(
            f"The embedded directory does not start: slapd reports {reason!r}; see {self.log_file}."
        )

    def _has_ended_or_answers(self) -> bool:
        if self.pid is None:
            return True
        # slapd writes this file once it listens on all its addresses.
        is_its_own = _read_number(self._files.pid_file) == self.pid
        return is_its_own and is_listening(self.socket_file) and self._accepts_password()

    def _accepts_password(self) -> bool:
        # An empty one would be an anonymous bind, which succeeds (RFC 4513 §5.1.2).
        if not self.read_service_password():
            raise self._wrong_password()
        try:
            with deadline(_ANSWER_WAIT_S):
                self._session().close()
        except AccountRefused as error:
            refused = error.__cause__
            if isinstance(refused, LdapError) and refused.code == ResultCode.INVALID_CREDENTIALS:
                raise self._wrong_password() from error
            return False
        except DirectoryUnavailable:
            return False
        return True

    def _session(self) -> LdapConnection:
        address = Address((self.url,), response_timeout_s=_ANSWER_WAIT_S)
        account = Account(self.service_dn, self.read_service_password())
        return Connector(address, account, lambda operation: None).connect_to(self.url, quiet=True)

    def _wrong_password(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.service_password_file} does not contain the password of the embedded"
            " directory: put it there, or remove the file: the next start creates a new password."
        )


def check_socket_path(path: Path) -> Path:
    """Return the path of a socket if it is not too long.

    Raises:
        ConfigurationError: it has more than `MAX_SOCKET_PATH` bytes.
    """
    length = len(os.fsencode(path))
    if length > MAX_SOCKET_PATH:
        raise ConfigurationError(
            f"The path {path} of the embedded directory's socket has {length} bytes, "
            f"but may have at most {MAX_SOCKET_PATH}: choose a state folder with a shorter path "
            "(MI_LDAP_STATE_DIR)."
        )
    return path


def _has_entry_below(session: LdapConnection, base_dn: str) -> bool:
    try:
        return len(session.some(base_dn, "(objectClass=*)", ["1.1"], 2)) > 1  # one is the base
    except LdapError as refused:
        if refused.code == ResultCode.NO_SUCH_OBJECT:
            return False
        raise


def _read_number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
