"""A private OpenLDAP below a folder: for first steps, for the tests, and for docker compose.

    <folder>/             0700
        data/             the database (mdb); all that must be kept
        service.password  of `cn=mi-ldap,ou=services,<suffix>`, the account of mi_ldap
        manager.password  of `cn=manager,<suffix>`, for people: `ldapsearch -y manager.password`
        slapd.d/          the configuration, made anew from `config/ldif/` at every start
        port              the one that was free the last time
        slapd.log         what slapd has to say since its start
        lock              held by slapd itself, for as long as it runs

A password file that is removed is made anew at the next start, with a new password.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, urlsplit

from ldap3 import NONE, Connection, Server
from ldap3.core.exceptions import LDAPException

from mi_ldap.directory.slapd_config import Installation, check_suffix, find_installation
from mi_ldap.directory.slapd_folder import SlapdFolder, read_secret
from mi_ldap.directory.slapd_process import (
    find_free_port,
    is_free,
    is_listening,
    last_line,
    spawn_slapd,
    wait_for,
)
from mi_ldap.errors import ConfigurationError

_START_WAIT_S = 10.0
_STOP_WAIT_S = 5.0
_PORTS_TRIED = 5
_SUCCESS, _INVALID_CREDENTIALS = 0, 49
_REACHED_BY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class EmbeddedDirectory:
    """An OpenLDAP of our own; `start()` it on the main thread, then speak to `url`.

    Args:
        folder: where it lives; made if missing. One slapd at a time may use it.
        suffix: the top of the tree, such as `"dc=mi"`; fixed when the directory is made.
        port: 0 for a free one, used again at the next start while it is free.
        host: the one address it listens on.
        slapd: the program, or None to find it.
        service_password_file: in place of `<folder>/service.password`; made if missing.
    """

    def __init__(
        self,
        folder: Path,
        suffix: str = "dc=mi",
        port: int = 0,
        host: str = "127.0.0.1",
        slapd: Path | None = None,
        service_password_file: Path | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.suffix = check_suffix(suffix)
        self.host = host
        self.user_base = f"ou=people,{suffix}"
        self.group_base = f"ou=groups,{suffix}"
        self._is_port_settled = port != 0
        self._slapd = slapd
        self._files = SlapdFolder(self.folder, suffix, service_password_file)
        self.service_dn = self._files.service_dn
        self.manager_dn = self._files.manager_dn
        self.service_password_file = self._files.service_password_file
        self.manager_password_file = self._files.manager_password_file
        self.log_file = self._files.log_file
        self.port = port or _read_number(self._files.port_file) or 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where a client on this machine finds it: `"ldap://127.0.0.1:<port>"`.

        The port is known once it was started, also by another process.
        """
        return _url(_REACHED_BY.get(self.host, self.host), self.port)

    @property
    def service_password(self) -> str:
        return read_secret(self.service_password_file)

    @property
    def manager_password(self) -> str:
        return read_secret(self.manager_password_file)

    @property
    def pid(self) -> int | None:
        """slapd's process id; None while it doesn't run."""
        return self._process.pid if self._process and self.is_running() else None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Make the directory if it is missing, run slapd, and return when it answers.

        Raises:
            ConfigurationError: slapd is missing, the folder is in use or of another suffix, or
                slapd doesn't come up.
            RuntimeError: called on another thread than the main one; slapd ends with the thread
                that starts it.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("EmbeddedDirectory.start() belongs to the main thread")
        if self.is_running():
            return
        with ExitStack() as undo:
            undo.callback(self.stop)
            self._start()
            undo.pop_all()

    def stop(self) -> None:
        """End slapd and return when it is gone; does nothing when it doesn't run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

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
        """Run slapd; on a port of our own choice again, when somebody else was quicker there."""
        for _ in range(1 if self._is_port_settled else _PORTS_TRIED):
            self.port = self._choose_port()
            self._process = spawn_slapd(
                installation.slapd,
                url=_url(self.host, self.port),
                config_dir=self._files.config_dir,
                log_file=self.log_file,
                lock=lock,
            )
            if wait_for(self._has_ended_or_answers, _START_WAIT_S) and self.is_running():
                self._files.port_file.write_text(str(self.port), encoding="ascii")
                self._is_port_settled = True  # whoever has the url keeps it
                return
            self.stop()
        said = last_line(self.log_file.read_text(encoding="utf-8", errors="replace"))
        raise ConfigurationError(
            f"The embedded directory doesn't start: slapd says {said!r}, more in {self.log_file}."
        )

    def _choose_port(self) -> int:
        if self.port and is_free(self.host, self.port):
            return self.port
        if not self._is_port_settled:
            return find_free_port(self.host)
        raise ConfigurationError(
            f"Nothing can listen on {self.host} port {self.port}, it may be taken:"
            " set embedded_directory.port to another, or to 0 for any that is free."
        )

    def _has_ended_or_answers(self) -> bool:
        if self.pid is None:
            return True
        # slapd writes this file once the port is its own: nobody else is told the password.
        is_its_own = _read_number(self._files.pid_file) == self.pid
        return is_its_own and is_listening(self.url) and self._takes_password()

    def _takes_password(self) -> bool:
        result = _try_login(self.url, self.service_dn, self.service_password)
        if result == _INVALID_CREDENTIALS:
            raise ConfigurationError(
                f"{self.service_password_file} doesn't hold the password of the embedded"
                " directory: put it there, or remove the file to have a new one made."
            )
        return result == _SUCCESS


def _try_login(url: str, dn: str, password: str) -> int | None:
    """The LDAP result code of a bind; None where nobody answers."""
    server = Server(url, get_info=NONE, connect_timeout=1)
    connection = Connection(server, dn, password, receive_timeout=int(_START_WAIT_S))
    try:
        connection.bind()
        code: int = connection.result["result"]
        return code
    except LDAPException:
        return None
    finally:
        connection.unbind()


def _url(host: str, port: int) -> str:
    return f"ldap://[{host}]:{port}" if ":" in host else f"ldap://{host}:{port}"


def _read_number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command: folder, url, suffix, slapd, service_password_file."""
    parser = argparse.ArgumentParser(prog="python -m mi_ldap.directory.embedded")
    parser.add_argument("--folder", type=Path, required=True, help="where it lives")
    parser.add_argument(
        "--url", type=_ldap_url, default="ldap://127.0.0.1:0", help="where it listens"
    )
    parser.add_argument("--suffix", default="dc=mi", help="the top of the tree")
    parser.add_argument("--slapd", type=Path, help="the program, where it is not found")
    parser.add_argument(
        "--service-password-file", type=Path, help="the service account's; made if missing"
    )
    return parser.parse_args(arguments)


def _ldap_url(text: str) -> SplitResult:
    url = urlsplit(text)
    if url.scheme != "ldap" or not url.hostname or url.port is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form ldap://0.0.0.0:389")
    return url


def main() -> int:
    """Run an embedded directory until SIGTERM or SIGINT; for docker compose."""
    options = parse_arguments()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    directory = EmbeddedDirectory(
        options.folder,
        suffix=options.suffix,
        port=options.url.port or 0,
        host=options.url.hostname,
        slapd=options.slapd,
        service_password_file=options.service_password_file,
    )
    with directory:
        print(f"{directory.suffix} is at {directory.url}", flush=True)
        directory.wait()
    print(f"slapd has ended by itself, see {directory.log_file}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConfigurationError as error:
        sys.exit(str(error))
