"""A 389 Directory Server of the tests' own, made from the package's template without dscreate."""

from __future__ import annotations

import base64
import hashlib
import os
import pwd
import re
import secrets
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import trustme
from ldap3 import MODIFY_ADD

from tests.hosts.installed import program
from tests.hosts.ldif import changes_in
from tests.hosts.process import LOOPBACK, DirectoryHost, run

MEMBER_OF = "MemberOf Plugin"
REFERENTIAL_INTEGRITY = "referential integrity postoperation"
UNIQUENESS = "attribute uniqueness"
_TELLING_CHANGES = ("Retro Changelog Plugin", "Content Synchronization", "USN")

_TEMPLATE = Path("/usr/share/dirsrv/data/template-dse.ldif")
_CONFIG = Path(__file__).parents[2] / "config"
# Those of the package only root and dirsrv may read: what is added to the schema over LDAP, the
# order of letters, whom a client certificate stands for.
_FILES = {
    "schema/99user.ldif": "dn: cn=schema\nobjectClass: top\nobjectClass: ldapSubentry\n",
    "slapd-collations.conf": 'collation "" "" "" 1 3 2.16.840.1.113730.3.3.2.0.1 default\n',
    "certmap.conf": "certmap default default\n",
}
# Without the ids, content synchronization has nothing to tell.
_WITH_IDS = (
    "cn: Retro Changelog Plugin\n",
    "cn: Retro Changelog Plugin\nnsslapd-attribute: nsuniqueid:targetUniqueId\n",
)
_FOLDERS = ("db", "run", "lock", "log", "tmp", "bak", "ldif")
_RIGHTS_BASE = "dc=example,dc=org"

# What the template leaves out. Durable transactions would cost an fsync a change. The last two
# the server adds by itself at its first start, and has entryUUID from its second on: here it is as
# it has been for long.
_BACKEND = """

dn: cn=userroot,cn=ldbm database,cn=plugins,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsBackendInstance
cn: userroot
nsslapd-suffix: {suffix}
nsslapd-directory: {folder}/db/userroot

dn: cn={escaped},cn=mapping tree,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsMappingTree
cn: {suffix}
nsslapd-state: backend
nsslapd-backend: userroot

dn: cn=bdb,cn=config,cn=ldbm database,cn=plugins,cn=config
objectClass: extensibleobject
objectClass: top
cn: bdb
nsslapd-cache-autosize: 0
nsslapd-dbcachesize: 10000000
nsslapd-db-durable-transaction: off

dn: cn=entryuuid,cn=plugins,cn=config
objectClass: top
objectClass: nsSlapdPlugin
cn: entryuuid
nsslapd-pluginPath: libentryuuid-plugin
nsslapd-pluginInitfunc: entryuuid_plugin_init
nsslapd-pluginType: betxnpreoperation
nsslapd-pluginEnabled: on
nsslapd-pluginId: entryuuid
nsslapd-pluginVersion: none
nsslapd-pluginVendor: 389 Project
nsslapd-pluginDescription: entryuuid

dn: cn=entryuuid_syntax,cn=plugins,cn=config
objectClass: top
objectClass: nsSlapdPlugin
cn: entryuuid_syntax
nsslapd-pluginPath: libentryuuid-syntax-plugin
nsslapd-pluginInitfunc: entryuuid_syntax_plugin_init
nsslapd-pluginType: syntax
nsslapd-pluginEnabled: on
nsslapd-pluginId: entryuuid_syntax
nsslapd-pluginVersion: none
nsslapd-pluginVendor: 389 Project
nsslapd-pluginDescription: entryuuid_syntax
"""


class Ds389(DirectoryHost):
    """As in a company: memberOf, referential integrity and unique `uid`s, unless told otherwise.

    Its password policy stands in `cn=config`: `configure(passwordLockout="on")`.
    """

    manager_dn = "cn=Directory Manager"

    def __init__(
        self,
        folder: Path,
        *,
        base: str = _RIGHTS_BASE,
        authority: trustme.CA | None = None,
        member_of: bool = True,
        referential_integrity: bool = True,
        unique: bool = True,
        own_schema: bool = True,
        tells_changes: bool = False,
    ) -> None:
        super().__init__(folder, base, authority)
        self.manager_password = secrets.token_urlsafe(16)
        self.service_dn = f"cn=mi-ldap,ou=services,{base}"
        self.service_password = secrets.token_urlsafe(16)
        self.own_schema = own_schema
        # By this name 389 shares a semaphore with whoever has the same.
        self._conf = folder / f"conf-{secrets.token_hex(8)}"
        wanted = {
            MEMBER_OF: member_of,
            REFERENTIAL_INTEGRITY: referential_integrity,
            UNIQUENESS: unique,
        }
        self.plugins = [name for name, is_wanted in wanted.items() if is_wanted]
        self.plugins += _TELLING_CHANGES if tells_changes else ()

    def command(self) -> Sequence[str | Path]:
        return [program("ns-slapd"), "-D", self._conf, "-i", self.folder / "run/pid", "-d", "0"]

    def launch(self) -> None:
        super().launch()
        # Statistics for an agent that nobody runs; 389 leaves it behind when it is killed.
        Path(f"/dev/shm/sem.{self._conf.name}.stats").unlink(missing_ok=True)

    def prepare(self) -> None:
        program("ns-slapd")
        (self._conf / "schema").mkdir(parents=True)
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True)
        for name, content in _FILES.items():
            (self._conf / name).write_text(content)
        if self.own_schema:
            own = _CONFIG / "schema/mi-ldap-389ds.ldif"
            shutil.copy(own, self._conf / "schema/98mi-ldap.ldif")
        (self._conf / "dse.ldif").write_text(self._dse())
        self._import_certificates()
        self.launch()
        self._fill()

    def _dse(self) -> str:
        template = _TEMPLATE.read_text().replace(*_WITH_IDS)
        for name, value in self._fillings().items():
            template = template.replace(f"%{name}%", value)
        for plugin in self.plugins:
            template = _enabled(template, plugin)
        # An empty line would end cn=config.
        first, _, rest = template.partition("\n\n")
        settings = "".join(f"\n{line}" for line in self._settings())
        escaped = self.base.replace("=", "\\3D").replace(",", "\\2C")
        backend = _BACKEND.format(suffix=self.base, folder=self.folder, escaped=escaped)
        return f"{first.rstrip()}{settings}\n\n{rest.rstrip()}{backend}"

    def _fillings(self) -> dict[str, str]:
        folders = {
            f"{name}_dir": str(self.folder / name)
            for name in ("lock", "tmp", "ldif", "bak", "run", "log", "db")
        }
        return folders | {
            "inst_dir": str(self.folder / "run"),
            "db_home_dir": str(self.folder / "db"),
            "schema_dir": str(self._conf / "schema"),
            "cert_dir": str(self._conf),
            "config_dir": str(self._conf),
            "fqdn": "localhost",
            "ds_port": str(self.port),
            "ds_user": pwd.getpwuid(os.getuid()).pw_name,
            "ds_suffix": self.base,
            "rootdn": self.manager_dn,
            "ds_passwd": _hashed(self.manager_password),
            "db_lib": "bdb",
            "ldapi_enabled": "off",
            "ldapi_autobind": "off",
            "ldapi": str(self.folder / "run/ldapi"),
        }

    def _settings(self) -> Iterable[str]:
        yield f"nsslapd-listenhost: {LOOPBACK}"
        yield f"nsslapd-securelistenhost: {LOOPBACK}"
        yield f"nsslapd-secureport: {self.tls_port}"
        yield "nsslapd-security: on"
        yield "nsslapd-maxdescriptors: 1024"

    def _import_certificates(self) -> None:
        """389 keeps them in a database of NSS."""
        conf, files = self._conf, self.certificates
        password, bundle = conf / "pwdfile.txt", conf / "server.p12"
        certutil = program("certutil")
        password.write_text("nss\n")
        (conf / "pin.txt").write_text("Internal (Software) Token:nss\n")
        run(certutil, "-N", "-d", conf, "-f", password)
        run(
            *("openssl", "pkcs12", "-export", "-name", "Server-Cert", "-passout", "pass:x"),
            *("-in", files.cert_file, "-inkey", files.key_file, "-out", bundle),
        )
        run(program("pk12util"), "-i", bundle, "-d", conf, "-k", password, "-W", "x")
        trusted = ("-n", "CA", "-t", "CT,,", "-a", "-i", files.ca_file)
        run(certutil, "-A", "-d", conf, "-f", password, *trusted)

    def _fill(self) -> None:
        """The folders, the service's account and its rights."""
        domain = {"dc": self.base.partition(",")[0].removeprefix("dc=")}
        with self.connected(*self.manager) as manager:
            assert manager.add(self.base, ["domain"], domain), manager.result
            for name in ("people", "groups", "services"):
                made = manager.add(f"ou={name},{self.base}", ["organizationalUnit"])
                assert made, manager.result
            classes = ["organizationalRole", "simpleSecurityObject"]
            password = {"userPassword": self.service_password}
            assert manager.add(self.service_dn, classes, password), manager.result
            rights = (_CONFIG / "ldif/rights-389ds.ldif").read_text()
            for dn, values in changes_in(rights.replace(_RIGHTS_BASE, self.base)):
                # 389 takes no rule for an attribute that it doesn't know.
                acis = [aci for aci in values["aci"] if self.own_schema or "miLdap" not in aci]
                assert manager.modify(dn, {"aci": [(MODIFY_ADD, acis)]}), manager.result


def _enabled(template: str, plugin: str) -> str:
    pattern = rf"(?ims)(^dn: cn={plugin},cn=plugins,cn=config\n.*?^nsslapd-pluginEnabled: )off"
    changed, count = re.subn(pattern, r"\1on", template, count=1)
    assert count == 1, plugin
    return changed


def _hashed(password: str) -> str:
    salt = os.urandom(8)
    digest = hashlib.sha512(password.encode() + salt).digest()
    return "{SSHA512}" + base64.b64encode(digest + salt).decode()
