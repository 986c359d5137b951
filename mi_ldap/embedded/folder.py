"""The folder of an embedded directory: its lock, its passwords, its database and configuration."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mi_ldap.embedded.configuration import Installation, render_config, render_tree
from mi_ldap.embedded.slapd_process import run_tool
from mi_ldap.errors import ConfigurationError
from mi_ldap.file_locks import lock, open_lock_file
from mi_ldap.files import read_text, write_private

_LOCK_WAIT_S = 1.0
_HYBRID_MARK = "has-hybrid-base"


class SlapdFolder:
    """The folder of an embedded directory, and its preparation before slapd starts.

    Args:
        path: the folder, absolute.
        suffix: the DN at the top of the directory.
        service_password_file: with the service account's password; None for `service.password`.
    """

    def __init__(self, path: Path, suffix: str, service_password_file: Path | None) -> None:
        self.path = path
        self.suffix = suffix
        self.service_dn = f"cn=mi-ldap,ou=services,{suffix}"
        self.manager_dn = f"cn=manager,{suffix}"
        self.service_password_file = service_password_file or path / "service.password"
        self.manager_password_file = path / "manager.password"
        self.log_file = path / "slapd.log"
        self.pid_file = path / "slapd.pid"
        self.socket_file = path / "ldapi"
        self.config_dir = path / "slapd.d"
        self.data_dir = path / "data"

    def has_data(self) -> bool:
        """Whether there is a database."""
        # For LMDB an empty file is a new database.
        file = self.data_dir / "data.mdb"
        return file.is_file() and file.stat().st_size > 0

    def make(self) -> None:
        """Create the folder, which only its owner can enter."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Lock the folder and yield the descriptor of the lock."""
        # slapd inherits the descriptor, so the lock ends only when slapd has ended, too.
        descriptor = open_lock_file(self.path / "lock")
        try:
            # A slapd whose parent was killed may still be closing its database.
            if not lock(descriptor, _LOCK_WAIT_S):
                raise ConfigurationError(
                    f"The embedded directory in {self.path} is in use by another process:"
                    " stop that one, or choose another state folder (MI_LDAP_STATE_DIR)."
                )
            yield descriptor
        finally:
            os.close(descriptor)

    def prepare(self, installation: Installation) -> None:
        """Create the database if it is missing, and write the configuration, before a start."""
        data_dir = self.data_dir
        if not data_dir.exists():
            self._make_data(installation, data_dir)
        self._check_suffix(data_dir)
        self._write_config(installation, data_dir)
        self._add_hybrid_base(installation, data_dir)
        self._renew_lost_passwords(installation)
        self.pid_file.unlink(missing_ok=True)
        # Opening a FIFO would block until there is a reader.
        if self.log_file.is_fifo():
            self.log_file.unlink()

    def _make_data(self, installation: Installation, data_dir: Path) -> None:
        """Create the database with its first entries."""
        unfinished = _make_empty(data_dir.with_name("data.new"))
        self._write_config(installation, unfinished)
        tree = render_tree(
            self.suffix,
            service_hash=_hash(installation, keep_secret(self.service_password_file)),
            manager_hash=_hash(installation, keep_secret(self.manager_password_file)),
        )
        run_tool(installation.slapd, "slapadd", "-n1", "-q", "-F", self.config_dir, given=tree)
        (unfinished / "suffix").write_text(self.suffix, encoding="ascii")
        (unfinished / _HYBRID_MARK).touch()
        # Only now: after a crash the next start begins again.
        unfinished.rename(data_dir)

    def _check_suffix(self, data_dir: Path) -> None:
        if not self.has_data():
            raise ConfigurationError(
                f"The embedded directory has lost its database ({data_dir}): restore it from a "
                "backup, or move the folder away to begin with an empty one."
            )
        made_with = read_text(data_dir / "suffix")
        if made_with != self.suffix:
            raise ConfigurationError(
                f"The embedded directory in {self.path} was created with the suffix {made_with!r}:"
                " set embedded_directory.suffix to that, or choose another state folder."
            )

    def _write_config(self, installation: Installation, data_dir: Path) -> None:
        config = render_config(installation, self.suffix, data_dir=data_dir, pid_file=self.pid_file)
        _make_empty(self.config_dir)
        run_tool(installation.slapd, "slapadd", "-n0", "-F", self.config_dir, given=config)

    def _add_hybrid_base(self, installation: Installation, data_dir: Path) -> None:
        """Add the folder of hybrid roles to a database of an earlier version."""
        mark = data_dir / _HYBRID_MARK
        if mark.exists():
            return
        entry = f"dn: ou=hybrid,{self.suffix}\nchangetype: add\n"
        entry += "objectClass: organizationalUnit\nou: hybrid\n"
        try:
            run_tool(installation.slapd, "slapmodify", "-n1", "-F", self.config_dir, given=entry)
        except ConfigurationError as error:
            # From a start that was interrupted, or by another tool.
            if "MDB_KEYEXIST" not in str(error):
                raise
        mark.touch()

    def _renew_lost_passwords(self, installation: Installation) -> None:
        accounts = {
            self.service_dn: self.service_password_file,
            self.manager_dn: self.manager_password_file,
        }
        for dn, file in accounts.items():
            if not file.exists():
                new_hash = _hash(installation, keep_secret(file))
                change = f"dn: {dn}\nchangetype: modify\nreplace: userPassword\n"
                change += f"userPassword: {new_hash}\n"
                run_tool(
                    installation.slapd, "slapmodify", "-n1", "-F", self.config_dir, given=change
                )


def _hash(installation: Installation, password: str) -> str:
    # From the input, since other users see the arguments in the list of processes.
    options = ("-o", "module-load=argon2", "-h", "{ARGON2}", "-T", "/dev/stdin")
    return run_tool(installation.slapd, "slappasswd", *options, given=password).strip()


def _make_empty(folder: Path) -> Path:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        # rmtree would open a FIFO, and wait for a writer.
        folder.unlink(missing_ok=True)
    folder.mkdir(mode=0o700)
    return folder


def keep_secret(file: Path) -> str:
    """Return the password in the file; create it with a new one if it is missing."""
    if not file.exists():
        # Without a newline: `ldapsearch -y` takes the whole content for the password.
        write_private(file, secrets.token_urlsafe(32).encode())
    return read_secret(file)


def read_secret(file: Path) -> str:
    """Return the content of the file, without the newline that an editor adds."""
    return read_text(file).rstrip("\r\n")
