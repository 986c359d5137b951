"""An OpenLDAP of the tests' own, as somebody else may have set one up."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import trustme

from tests.hosts import openldap_config
from tests.hosts.installed import program
from tests.hosts.process import DirectoryHost, run, wait_for

_LDIF = Path(__file__).parents[2] / "config/ldif"
_RIGHTS_BASE = "dc=example,dc=org"
_RIGHTS_LIMITS = "size=unlimited size.prtotal=unlimited"
_CONVERGES_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What there is in the directory.

    Attributes:
        nis: posixAccount and posixGroup are known.
        verify_client: as olcTLSVerifyClient, `"try"` for client certificates; the one of the
            client NAME logs in as `cn=NAME,ou=services` by SASL EXTERNAL.
        size_limit: for everybody but the service and the manager.
        service_limits: in place of those of rights.ldif, as `"size.soft=5 size.hard=5"`.
        schemas: further ones of OpenLDAP's own, as `"dyngroup"`.
        modules: further ones, whose overlays are added by `config_changes`.
        syncprov: whether changes can be polled where nothing is replicated, too.
        content: LDIF of what is in the directory, in place of a few folders and the accounts.
        config_changes: LDIF that changes cn=config, after the rights were added.
    """

    member_of: bool = True
    refint: bool = True
    ppolicy: bool = True
    unique: bool = True
    nis: bool = True
    own_schema: bool = True
    verify_client: str = "never"
    size_limit: int = 500
    service_limits: str = ""
    schemas: Sequence[str] = ()
    modules: Sequence[str] = ()
    syncprov: bool = False
    content: str = ""
    config_changes: str = ""


class OpenLdap(DirectoryHost):
    """slapd with the rights of rights.ldif and rights-ppolicy.ldif for the service's account.

    By its `ldapi_url` who runs the tests logs in as the service, by SASL EXTERNAL. The manager may
    change cn=config too. Where there is a policy, `policy_dn` is the one of all people.
    """

    def __init__(
        self,
        folder: Path,
        setup: Setup | None = None,
        *,
        base: str = _RIGHTS_BASE,
        authority: trustme.CA | None = None,
    ) -> None:
        super().__init__(folder, base, authority)
        self.setup = setup or Setup()
        self.manager_dn = f"cn=manager,{base}"
        self.manager_password = secrets.token_urlsafe(16)
        self.service_dn = f"cn=mi-ldap,ou=services,{base}"
        self.service_password = secrets.token_urlsafe(16)
        self.policy_dn = f"cn=people,ou=policies,{base}"
        self.providers: Sequence[OpenLdap] = ()

    @property
    def ldapi_url(self) -> str:
        return f"ldapi://{quote(str(self.folder / 'ldapi'), safe='')}"

    def command(self) -> Sequence[str | Path]:
        urls = f"{self.url} {self.ldaps_url} {self.ldapi_url}"
        return [program("slapd"), "-d", "none", "-F", self.folder / "config", "-h", urls]

    def prepare(self) -> None:
        for name in ("config", "data"):
            (self.folder / name).mkdir(parents=True)
        self._use("slapadd", 0, openldap_config.config(self))
        # The second of a pair gets it from the first.
        if not self.providers or self.providers[0] is self:
            self._use("slapadd", 1, self.setup.content or openldap_config.tree(self))
        self._use("slapmodify", 0, self._rights())
        if self.setup.ppolicy:
            self._use("slapmodify", 0, self._shipped("rights-ppolicy.ldif"))
        if self.setup.config_changes:
            self._use("slapmodify", 0, self.setup.config_changes)

    def _use(self, tool: str, database: int, ldif: str) -> None:
        """One of slapd's tools that work while it doesn't run."""
        run(program(tool), "-n", str(database), "-F", self.folder / "config", given=ldif)

    def _rights(self) -> str:
        """As rights.ldif gives them, but for what there is nothing of here."""
        rights = self._shipped("rights.ldif")
        rights = rights.replace(f"cn=mi-ldap,ou=services,{self.base}", self.service_dn)
        if not self.setup.own_schema:
            rights = re.sub(r"olcAccess: \S+ attrs=miLdap(.*\n )+.*\n", "", rights)
        if self.setup.service_limits:
            rights = rights.replace(_RIGHTS_LIMITS, self.setup.service_limits)
        return rights

    def _shipped(self, name: str) -> str:
        return (_LDIF / name).read_text().replace(_RIGHTS_BASE, self.base)


@contextmanager
def replicating_pair(
    folder: Path, setup: Setup | None = None
) -> Iterator[tuple[OpenLdap, OpenLdap]]:
    """Two that take changes and tell each other, with the same accounts and the same CA."""
    first = OpenLdap(folder / "first", setup)
    second = OpenLdap(folder / "second", setup, authority=first.certificates.authority)
    second.manager_password = first.manager_password
    second.service_password = first.service_password
    first.providers = second.providers = (first, second)
    with ExitStack() as closing:
        for server in (first, second):
            closing.enter_context(server)
        assert wait_for(lambda: second.takes(*second.service), _CONVERGES_S)
        yield first, second
