"""A Samba domain controller of the tests' own: the nearest to Active Directory that runs here.

Unlike Active Directory it imposes no limits on searches: `ad_limits` does.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import trustme

from tests.hosts import domain
from tests.hosts.installed import need_namespaces, program
from tests.hosts.process import LOOPBACK, DirectoryHost, run

_NAMESPACE = Path(__file__).with_name("namespace.py")
_LONG_AGO = 131_000_000_000_000_000  # the year 2016, as Active Directory counts
_SMB_CONF = """
[global]
realm = {realm}
workgroup = {workgroup}
netbios name = DC1
server role = active directory domain controller
server services = ldap
interfaces = 127.0.0.1/8
bind interfaces only = yes
private dir = {folder}/dc/private
state directory = {folder}/dc/state
cache directory = {folder}/dc/cache
lock directory = {folder}/dc
binddns dir = {folder}/dc/bind-dns
pid directory = {folder}/run
ncalrpc dir = {folder}/run/ncalrpc
ntp signd socket directory = {folder}/run
winbindd socket directory = {folder}/run/wb
log file = {folder}/run/log
tls certfile = {certificates.cert_file}
tls keyfile = {certificates.key_file}
tls cafile = {certificates.ca_file}
old password allowed period = 0
"""


class Samba(DirectoryHost):
    """The domain of `domain`, with the service's account and what it was delegated.

    An account logs in by DN, `name@example.test` or `EXAMPLE\\name`, and over TLS only.
    """

    def __init__(self, folder: Path, *, authority: trustme.CA | None = None) -> None:
        super().__init__(folder, domain.BASE, authority)
        self.manager_dn = f"CN=Administrator,CN=Users,{domain.BASE}"
        self.manager_password = domain.MANAGER_PASSWORD
        self.service_dn = domain.SERVICE_DN
        self.service_password = domain.SERVICE_PASSWORD
        self._lent: tuple[tuple[int, int], ...] = ()

    @property
    def user_base(self) -> str:
        return domain.PEOPLE

    @property
    def group_base(self) -> str:
        return domain.GROUPS

    @property
    def smb_conf(self) -> Path:
        return self.folder / "smb.conf"

    def prepare(self) -> None:
        need_namespaces()
        for name in ("run", "run/ncalrpc"):
            (self.folder / name).mkdir(parents=True)
        domain.copy_to(self.folder / "dc")
        self.smb_conf.write_text(
            _SMB_CONF.format(
                folder=self.folder,
                certificates=self.certificates,
                realm=domain.REALM,
                workgroup=domain.WORKGROUP,
            )
        )

    def command(self) -> Sequence[str | Path]:
        sockets = ",".join(f"{descriptor}:{port}" for descriptor, port in self._lent)
        samba = (
            program("samba"),
            "--interactive",
            "--model=single",
            f"--configfile={self.smb_conf}",
        )
        return [sys.executable, "-I", _NAMESPACE, sockets, *samba]

    def spawn(self, log: int, *, pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
        with ExitStack() as closing:
            listening = {
                closing.enter_context(socket.create_server((LOOPBACK, outside))): inside
                for outside, inside in ((self.port, 389), (self.tls_port, 636))
            }
            self._lent = tuple((lent.fileno(), inside) for lent, inside in listening.items())
            return super().spawn(log, pass_fds=[*pass_fds, *(lent.fileno() for lent in listening)])

    def set_password_policy(self, **options: int | str) -> None:
        """As `samba-tool domain passwordsettings set`: `history_length=3`, `min_pwd_age=1`."""
        given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.tool("domain", "passwordsettings", "set", *given)

    def set_lockout(self, threshold: int, *, minutes: int = 30) -> None:
        """After how many failures an account is locked, 0 for never, and for how long."""
        self.set_password_policy(
            account_lockout_threshold=threshold,
            account_lockout_duration=minutes,
            reset_account_lockout_after=minutes,
        )

    def let_password_expire(self, dn: str) -> None:
        """As if it had been set many years ago, in a domain where passwords live for two days."""
        self.set_password_policy(max_pwd_age=2)
        # Past the directory, which takes no such time from anybody.
        database = f"{self.folder}/dc/private/sam.ldb.d/{self.base.upper()}.ldb"
        change = f"dn: {dn}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: {_LONG_AGO}\n"
        run(program("ldbmodify"), "-H", database, given=change)

    def tool(self, *arguments: str) -> str:
        """samba-tool on the files of this domain, also while it runs."""
        where = (f"--configfile={self.smb_conf}", "-H", f"{self.folder}/dc/private/sam.ldb")
        return run(program("samba-tool"), *arguments, *where)
