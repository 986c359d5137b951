"""The directories that the service does not start itself: started as by the tests, and filled."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ldap3 import MODIFY_REPLACE

from benchmarks.callers import BenchmarkError
from benchmarks.population import (
    OUTSIDERS,
    PASSWORD,
    SUFFIX,
    Population,
    hashed_password,
    user_name,
)
from benchmarks.relay import relayed
from benchmarks.target import DATABASES, DS389, FAR_OPENLDAP, SAMBA, TLS_OPENLDAP, Target
from tests import kinds
from tests.hosts.ds389 import Ds389
from tests.hosts.installed import program
from tests.hosts.openldap import OpenLdap, Setup
from tests.hosts.openldap_config import tree
from tests.hosts.process import DirectoryHost, run
from tests.hosts.samba import Samba
from tests.kinds import Kind
from tests.subtree import Tool


def population_of(directory: str, users: int) -> Population:
    """So many users, with what roles the directory takes."""
    if directory in DATABASES:
        return Population(users)
    if directory == SAMBA:
        # Samba 4.17 has no index of members, which Active Directory has: to find the groups of a
        # user it compares the members of all groups. So there are few.
        return Population(users, small_roles=10, has_everybody=False)
    # 389 Directory Server updates the entries of all members: 1,000 roles would take minutes.
    return Population(users, small_roles=100)


@contextmanager
def started(directory: str, folder: Path, population: Population) -> Iterator[Target]:
    """Start one of `DIRECTORIES` but the embedded one, with the population in it."""
    if directory == FAR_OPENLDAP:
        with _openldap(folder, population) as host, relayed(host.url) as url:
            yield _target(directory, host, url, kinds.OPENLDAP)
    elif directory == TLS_OPENLDAP:
        with _openldap(folder, population) as host:
            yield _target(directory, host, host.ldaps_url, kinds.OPENLDAP)
    elif directory == DS389:
        with Ds389(folder) as ds389:
            _fill_ds389(ds389, population)
            yield _target(directory, ds389, ds389.ldaps_url, kinds.DS389)
    else:
        with Samba(folder) as samba:
            _fill_samba(samba, population)
            yield _target(directory, samba, samba.ldaps_url, kinds.ACTIVE_DIRECTORY)


@contextmanager
def _openldap(folder: Path, population: Population) -> Iterator[OpenLdap]:
    host = OpenLdap(folder, Setup(syncprov=True), base=SUFFIX)
    host.setup = replace(host.setup, content="\n".join([tree(host), *population.ldif()]))
    with host:
        _show_databases(host)
        _keep_session_log(host)
        yield host


def _show_databases(host: OpenLdap) -> None:
    """Let the service read cn=Databases,cn=Monitor, as docs/directories/openldap.md recommends."""
    # Without it the service searches twice at each request for who may act.
    rule = f'to dn.subtree="cn=Databases,cn=Monitor" by dn.exact="{host.service_dn}" read'
    classes = ["olcDatabaseConfig", "olcMonitorConfig"]
    with host.connected(*host.manager) as manager:
        is_added = manager.add(
            "olcDatabase=monitor,cn=config", classes, {"olcAccess": f"{rule} by * none"}
        )
        if not is_added:
            raise BenchmarkError(f"There is no monitor database: {manager.result}")


def _keep_session_log(host: OpenLdap) -> None:
    """Let the server remember changes, as docs/directories/openldap.md says."""
    # Without it the server names every entry that exists in the first poll after each change.
    overlay = "olcOverlay={0}syncprov,olcDatabase={1}mdb,cn=config"
    with host.connected(*host.manager) as manager:
        if not manager.modify(overlay, {"olcSpSessionlog": [(MODIFY_REPLACE, ["10000"])]}):
            raise BenchmarkError(f"The changes are not kept: {manager.result}")


def _fill_ds389(host: Ds389, population: Population) -> None:
    """Add users and roles as an administrator does; the server keeps a password that is hashed."""
    # Otherwise the first login of each user has the server hash the password anew, at its own cost.
    host.configure(nsslapd_enable_upgrade_hash="off")
    kind, password = kinds.DS389, hashed_password()
    tool = Tool(host.ldaps_url, *host.manager, ca_file=host.ca_file)
    for name in _names(population):
        person = kind.person_of(name, password)
        tool.add(f"uid={name},{host.user_base}", kind.user_classes, **person)
    for role, members in population.roles():
        group = kind.group_of(role, (f"uid={each},{host.user_base}" for each in members))
        tool.add(f"cn={role},{host.group_base}", kind.group_classes, **group)
    tool.close()


def _fill_samba(host: Samba, population: Population) -> None:
    """Add users and roles to the files of the domain, which takes a tenth of the time of LDAP."""
    host.stop()
    where = (f"--configfile={host.smb_conf}", "-H", f"{host.folder}/dc/private/sam.ldb")
    run(program("ldbadd"), *where, given="\n".join(_samba_ldif(host, population)))
    host.start()


def _samba_ldif(host: Samba, population: Population) -> Iterator[str]:
    # Samba takes 20 ms to make the keys of a password: only who logs in has one.
    people = set(population.people())
    password = base64.b64encode(f'"{PASSWORD}"'.encode("utf-16-le")).decode()
    for name in _names(population):
        lines = [f"dn: cn={name},{host.user_base}", "objectClass: user", f"sAMAccountName: {name}"]
        lines += [f"sn: {name}", "userAccountControl: 512"]
        lines += [f"unicodePwd:: {password}"] if name in people else []
        yield "\n".join(lines) + "\n"
    for role, members in population.roles():
        lines = [f"dn: cn={role},{host.group_base}", "objectClass: group"]
        lines += [f"member: cn={each},{host.user_base}" for each in members]
        yield "\n".join(lines) + "\n"


def _names(population: Population) -> list[str]:
    return [*map(user_name, range(1, population.users + 1)), *OUTSIDERS]


def _target(directory: str, host: DirectoryHost, url: str, kind: Kind) -> Target:
    return Target(
        directory,
        url,
        *host.service,
        ca_file=str(host.ca_file) if url.startswith("ldaps:") else "",
        people=host.user_base,
        groups=host.group_base,
        settings=dict(kind.settings),
    )
