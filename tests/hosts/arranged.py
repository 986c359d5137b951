"""An OpenLDAP with any databases, overlays and schema, as companies arrange them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.hosts.installed import program
from tests.hosts.process import DirectoryHost, run

_MODULES: Final = Path("/usr/lib/ldap")
_SCHEMAS: Final = Path("/etc/ldap/schema")
_OWN_SCHEMA: Final = Path(__file__).parents[2] / "config/schema/mi-ldap.ldif"

_CLASSES: Final = {
    "syncprov": "olcSyncProvConfig",
    "memberof": "olcMemberOfConfig",
    "dynlist": "olcDynListConfig",
    "chain": "olcChainConfig",
    "glue": "olcConfig",
    "translucent": "olcTranslucentConfig",
    "ldap": "olcLDAPConfig",
    "mdb": "olcMdbConfig",
}
"""Of databases and overlays, the object class of the entry in cn=config."""

_GLOBAL: Final = """
dn: cn=config
objectClass: olcGlobal
cn: config
olcLogLevel: none
olcTLSCACertificateFile: {certificates.ca_file}
olcTLSCertificateFile: {certificates.cert_file}
olcTLSCertificateKeyFile: {certificates.key_file}
olcAuthzPolicy: to
{global_lines}

dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: {modules}
{module_lines}

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

{includes}

dn: olcDatabase={{-1}}frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: {{-1}}frontend
olcSizeLimit: unlimited
olcAccess: {{0}}to dn.base="" by * read
olcAccess: {{1}}to dn.base="cn=Subschema" by * read
{frontend_overlay}
dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config
olcAccess: {{0}}to * by dn.exact="{manager_dn}" manage {config_readers}by * none
"""

_DATABASE: Final = """
dn: olcDatabase={{{number}}}{kind},cn=config
objectClass: olcDatabaseConfig
objectClass: {object_class}
olcDatabase: {{{number}}}{kind}
olcSuffix: {suffix}
olcRootDN: {manager_dn}
{lines}
"""

_MDB_LINES: Final = """olcDbDirectory: {folder}
olcDbMaxSize: 268435456
olcDbNoSync: TRUE
olcDbIndex: objectClass,entryUUID,entryCSN eq
olcAccess: {{0}}to attrs=userPassword by dn.exact="{service_dn}" =w by anonymous auth by * none
olcAccess: {{1}}to * by dn.exact="{service_dn}" write by users read by * none"""


@dataclass(frozen=True, kw_only=True)
class Database:
    """One database of the server.

    Attributes:
        suffix: where it begins.
        kind: its backend, `"mdb"` or one that asks another server.
        lines: more of its entry in cn=config.
        overlays: their names, the first line of each; the other lines are its settings.
        content: LDIF that it begins with.
    """

    suffix: str
    kind: str = "mdb"
    lines: str = ""
    overlays: Sequence[str] = ()
    content: str = ""


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """Databases and what is common to them.

    Attributes:
        databases: as slapd wants them: a subordinate one before the one above it.
        base: the suffix of the database in which the service's account lies.
        schema: LDIF of a `cn=own,cn=schema,cn=config`, `""` for none.
        modules: to be loaded besides those of the databases and overlays.
        readable_config: whether the service's account may read cn=config.
        global_lines: more of the entry cn=config.
        frontend_overlay: LDIF of overlays of the whole server.
        more: LDIF that ends cn=config.
    """

    databases: Sequence[Database]
    base: str = "dc=example,dc=org"
    schema: str = ""
    modules: Sequence[str] = ()
    readable_config: bool = False
    global_lines: str = ""
    frontend_overlay: str = ""
    more: str = ""


class ArrangedOpenLdap(DirectoryHost):
    """slapd as arranged; the manager may change cn=config too."""

    def __init__(self, folder: Path, arrangement: Arrangement) -> None:
        super().__init__(folder, arrangement.base)
        self.arrangement = arrangement
        self.manager_dn = f"cn=manager,{self.base}"
        self.manager_password = secrets.token_urlsafe(16)
        self.service_dn = f"cn=mi-ldap,ou=services,{self.base}"
        self.service_password = "service-pw"

    def command(self) -> Sequence[str | Path]:
        urls = f"{self.url} {self.ldaps_url}"
        return [program("slapd"), "-d", "none", "-F", self.folder / "config", "-h", urls]

    def prepare(self) -> None:
        (self.folder / "config").mkdir(parents=True)
        for number, database in enumerate(self.arrangement.databases, 1):
            if database.kind == "mdb":
                (self.folder / f"data{number}").mkdir()
        self._use("-n", "0", given=self._config())
        for number, database in enumerate(self.arrangement.databases, 1):
            if database.content:
                # Without -g slapadd 2.5.13 crashes now and then, where a database is glued in.
                self._use("-n", str(number), "-g", "-w", given=database.content)

    def _use(self, *options: str, given: str) -> None:
        run(program("slapadd"), *options, "-F", self.folder / "config", given=given)

    def _config(self) -> str:
        arrangement = self.arrangement
        schemas = [_SCHEMAS / f"{n}.ldif" for n in ("core", "cosine", "nis", "inetorgperson")]
        if any("dynlist" in each for db in arrangement.databases for each in db.overlays):
            schemas.append(_SCHEMAS / "dyngroup.ldif")
        includes = [f"include: file://{file}\n" for file in (*schemas, _OWN_SCHEMA)]
        readers = f'by dn.exact="{self.service_dn}" read ' if arrangement.readable_config else ""
        return "".join(
            [
                _GLOBAL.format(
                    certificates=self.certificates,
                    global_lines=arrangement.global_lines,
                    modules=_MODULES,
                    module_lines="\n".join(f"olcModuleLoad: {m}" for m in self._modules()),
                    includes="\n".join(includes) + arrangement.schema,
                    manager_dn=self.manager_dn,
                    config_readers=readers,
                    frontend_overlay=arrangement.frontend_overlay,
                ),
                *self._databases(),
                arrangement.more,
            ]
        )

    def _modules(self) -> list[str]:
        wanted = [*self.arrangement.modules]
        for database in self.arrangement.databases:
            wanted.append(f"back_{database.kind}")
            wanted += [each.partition("\n")[0] for each in database.overlays]
        return [name for name in dict.fromkeys(wanted) if name != "glue"]

    def _databases(self) -> Iterator[str]:
        for number, database in enumerate(self.arrangement.databases, 1):
            lines = database.lines
            if database.kind == "mdb":
                lines = "\n".join(filter(None, [lines, self._mdb_lines(number)]))
            if database.suffix == self.base:
                lines += f"\nolcRootPW: {self.manager_password}"
            dn = f"olcDatabase={{{number}}}{database.kind},cn=config"
            yield _DATABASE.format(
                number=number,
                kind=database.kind,
                object_class=_CLASSES[database.kind],
                suffix=database.suffix,
                manager_dn=self.manager_dn,
                lines=lines,
            )
            for at, overlay in enumerate(database.overlays):
                name, _, settings = overlay.partition("\n")
                yield (
                    f"\ndn: olcOverlay={{{at}}}{name},{dn}\nobjectClass: olcOverlayConfig\n"
                    f"objectClass: {_CLASSES[name]}\nolcOverlay: {{{at}}}{name}\n{settings}\n"
                )

    def _mdb_lines(self, number: int) -> str:
        return _MDB_LINES.format(
            folder=self.folder / f"data{number}",
            service_dn=self.service_dn,
        )
