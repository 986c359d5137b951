"""The Samba domain that all tests of a machine start from: made once, and copied.

Making it takes some four seconds, copying it none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from tests.hosts.installed import program
from tests.hosts.process import run

REALM, WORKGROUP = "EXAMPLE.TEST", "EXAMPLE"
BASE = "DC=example,DC=test"
PEOPLE, GROUPS = f"OU=people,{BASE}", f"OU=groups,{BASE}"
MANAGER_PASSWORD = "manager-Passw0rd"
SERVICE_DN = f"CN=mi-ldap,OU=services,{BASE}"
SERVICE_PASSWORD = "service-Passw0rd"

_RIGHTS = Path(__file__).parents[2] / "config/ldif/rights-active-directory.sh"
# Not `samba-tool domain provision`: it gives files of a SYSVOL share, which nobody needs here, to
# other users, and that takes root. Samba's modules are in Debian's own Python.
_SAMBAS_PYTHON = "/usr/bin/python3"
_PROVISION = """
import logging, sys
from samba.auth import system_session
from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
from samba.provision import provision

configuration, folder, realm, domain, password = sys.argv[1:]
provision(
    logging.getLogger(), system_session(), smbconf=configuration, targetdir=folder,
    realm=realm, domain=domain, hostname="dc1", hostip="127.0.0.1", adminpass=password,
    serverrole="active directory domain controller", dns_backend="NONE", skip_sysvolacl=True,
    dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2,
)
"""
_FOLDERS = f"""
dn: OU=people,{BASE}
objectClass: organizationalUnit

dn: OU=groups,{BASE}
objectClass: organizationalUnit

dn: OU=services,{BASE}
objectClass: organizationalUnit
"""


def copy_to(folder: Path) -> None:
    """A domain that was never started."""
    cache = Path(tempfile.gettempdir()) / f"mi-ldap-tests-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    made = cache / f"domain-{_fingerprint()}"
    assert cache.stat().st_uid == os.getuid(), f"{cache} is somebody else's"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for outdated in cache.glob("domain-*"):
                shutil.rmtree(outdated)
            _make(made)
        # Not copy2: samba's databases are sparse, and cp knows.
        run("cp", "-a", made, folder)


def _samba_tool() -> str:
    return program("samba-tool")


def _fingerprint() -> str:
    """Of all that a domain is made from."""
    version = run(program("samba"), "--version")
    sources = version.encode() + _RIGHTS.read_bytes() + Path(__file__).read_bytes()
    return hashlib.sha256(sources).hexdigest()[:16]


def _make(made: Path) -> None:
    """In a folder beside, so that nobody takes a half made one for a whole one."""
    draft = made.with_suffix(".draft")
    draft.mkdir()
    _provision(draft)
    _fill(draft)
    draft.rename(made)


def _provision(folder: Path) -> None:
    configuration = folder / "none.conf"
    configuration.touch()
    names = (configuration, folder, REALM, WORKGROUP, MANAGER_PASSWORD)
    run(_SAMBAS_PYTHON, "-c", _PROVISION, *names)


def _fill(folder: Path) -> None:
    """The folders, the service's account and its rights, and passwords as tests want them."""
    database = folder / "private/sam.ldb"
    where = (f"--configfile={folder}/etc/smb.conf", "-H", str(database))
    run(program("ldbadd"), where[0], "-H", str(database), given=_FOLDERS)
    services = ("--userou=OU=services", "mi-ldap", SERVICE_PASSWORD)
    run(_samba_tool(), "user", "create", *services, *where)
    run(_samba_tool(), "user", "setexpiry", "--noexpiry", "mi-ldap", *where)
    rules = ("--complexity=off", "--min-pwd-length=5", "--min-pwd-age=0", "--history-length=3")
    run(_samba_tool(), "domain", "passwordsettings", "set", *rules, *where)
    run("sh", _RIGHTS, "mi-ldap", PEOPLE, GROUPS, *where)
