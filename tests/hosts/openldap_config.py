"""What the tests' OpenLDAP is loaded with, put together from its setup."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.hosts.openldap import OpenLdap

_MODULES = Path("/usr/lib/ldap")
_SCHEMAS = Path("/etc/ldap/schema")
_OWN_SCHEMA = Path(__file__).parents[2] / "config/schema/mi-ldap.ldif"
_DATABASE = "olcDatabase={1}mdb,cn=config"

_GLOBAL = """
dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {folder}/slapd.pid
olcLogLevel: none
olcSaslHost: localhost
olcTLSCACertificateFile: {certificates.ca_file}
olcTLSCertificateFile: {certificates.cert_file}
olcTLSCertificateKeyFile: {certificates.key_file}
olcTLSVerifyClient: {setup.verify_client}
olcAuthzRegexp: {{0}}"gidNumber={gid}[+]uidNumber={uid},cn=peercred,cn=external,cn=auth"
  "{service_dn}"
olcAuthzRegexp: {{1}}"cn=([^,]+),ou=[^,]+,o=.+" "cn=$1,ou=services,{base}"
{server_ids}
dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: {modules}
olcModuleLoad: back_mdb
{module_loads}
dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

{includes}
"""

# The rules are those of a directory that everybody with an account may look around in.
_DATABASES = """
dn: olcDatabase={{-1}}frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: {{-1}}frontend
olcPasswordHash: {{SSHA}}
olcSizeLimit: {setup.size_limit}
olcAccess: {{0}}to dn.base="" by * read
olcAccess: {{1}}to dn.base="cn=Subschema" by * read

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config
olcAccess: {{0}}to * by dn.exact="{manager_dn}" manage by * none

dn: {database}
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcSuffix: {base}
olcRootDN: {manager_dn}
olcRootPW: {manager_password}
olcDbDirectory: {folder}/data
olcDbMaxSize: 1073741824
olcDbNoSync: TRUE
olcDbIndex: objectClass,entryUUID,entryCSN eq
olcDbIndex: uid,cn,mail eq,sub
olcDbIndex: member,uniqueMember eq
olcAccess: {{0}}to attrs=userPassword by self =xw by anonymous auth by * none
olcAccess: {{1}}to * by users read by * none
{replication}
"""

_OVERLAYS = {
    "syncprov": "olcSyncProvConfig",
    "memberof": "olcMemberOfConfig",
    "refint": "olcRefintConfig",
    "unique": "olcUniqueConfig",
    "ppolicy": "olcPPolicyConfig",
}

_TREE = """
dn: {base}
objectClass: domain
dc: {dc}

dn: ou=people,{base}
objectClass: organizationalUnit

dn: ou=groups,{base}
objectClass: organizationalUnit

dn: ou=policies,{base}
objectClass: organizationalUnit

dn: ou=services,{base}
objectClass: organizationalUnit

dn: {service_dn}
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: {service_password}
"""

_POLICY = """
dn: {policy_dn}
objectClass: organizationalRole
objectClass: pwdPolicy
pwdAttribute: userPassword
pwdMinLength: 5
pwdCheckQuality: 2
pwdLockout: TRUE
pwdMaxFailure: 0
"""


def config(host: OpenLdap) -> str:
    """The content of cn=config."""
    names = _names(host)
    overlays = _overlays(host)
    return "".join(
        [
            _GLOBAL.format(
                **names,
                modules=_MODULES,
                module_loads=_lines(
                    f"olcModuleLoad: {name}" for name in (*overlays, *host.setup.modules)
                ),
                server_ids=_lines(_server_ids(host)),
                includes="\n\n".join(f"include: file://{file}" for file in _schemas(host)),
            ),
            _DATABASES.format(**names, database=_DATABASE, replication=_lines(_replication(host))),
            *(_overlay(number, name, host) for number, name in enumerate(overlays)),
        ]
    )


def tree(host: OpenLdap) -> str:
    """What stands in the directory at first."""
    text = _TREE + (_POLICY if host.setup.ppolicy else "")
    return text.format(**_names(host), dc=host.base.partition(",")[0].removeprefix("dc="))


def _names(host: OpenLdap) -> dict[str, object]:
    given = ("base", "certificates", "folder", "manager_dn", "manager_password", "policy_dn")
    more = ("service_dn", "service_password", "setup")
    names: dict[str, object] = {name: getattr(host, name) for name in (*given, *more)}
    return names | {"uid": os.getuid(), "gid": os.getgid()}


def _lines(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _schemas(host: OpenLdap) -> Iterator[Path]:
    yield _SCHEMAS / "core.ldif"
    yield _SCHEMAS / "cosine.ldif"
    if host.setup.nis:
        yield _SCHEMAS / "nis.ldif"
    yield _SCHEMAS / "inetorgperson.ldif"
    for name in host.setup.schemas:
        yield _SCHEMAS / f"{name}.ldif"
    if host.setup.own_schema:
        yield _OWN_SCHEMA


def _overlays(host: OpenLdap) -> list[str]:
    setup = host.setup
    wanted = {
        "syncprov": setup.syncprov or bool(host.providers),
        "memberof": setup.member_of,
        "refint": setup.refint,
        "unique": setup.unique,
        "ppolicy": setup.ppolicy,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _overlay(number: int, name: str, host: OpenLdap) -> str:
    settings = {
        # With nothing to put in its place, a group's last member stays when it is deleted.
        "refint": "olcRefintAttribute: member\nolcRefintAttribute: uniqueMember\n"
        "olcRefintNothing:\n",
        "unique": f"olcUniqueURI: ldap:///ou=people,{host.base}?uid?sub\n",
        "ppolicy": f"olcPPolicyDefault: {host.policy_dn}\nolcPPolicyHashCleartext: TRUE\n"
        "olcPPolicyUseLockout: TRUE\n",
    }
    return (
        f"\ndn: olcOverlay={{{number}}}{name},{_DATABASE}\n"
        f"objectClass: olcOverlayConfig\nobjectClass: {_OVERLAYS[name]}\n"
        f"olcOverlay: {{{number}}}{name}\n{settings.get(name, '')}"
    )


def _server_ids(host: OpenLdap) -> Iterator[str]:
    for number, provider in enumerate(host.providers, 1):
        yield f"olcServerID: {number} {provider.url}"


def _replication(host: OpenLdap) -> Iterator[str]:
    for number, provider in enumerate(host.providers, 1):
        if provider is not host:
            yield (
                f"olcSyncrepl: rid={number:03} provider={provider.url} bindmethod=simple"
                f' binddn="{host.manager_dn}" credentials="{host.manager_password}"'
                f' searchbase="{host.base}" type=refreshAndPersist retry="1 +"'
                " timeout=3 network-timeout=2"
            )
    if host.providers:
        yield "olcMultiProvider: TRUE"
