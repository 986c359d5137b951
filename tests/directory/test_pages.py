"""The steps of docs/directories, executed from the pages as somebody would paste them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pexpect
import pytest

from tests.directory.test_examples import EXAMPLES, address_in, work_with
from tests.hosts.ds389 import Ds389
from tests.hosts.installed import program
from tests.hosts.openldap import OpenLdap
from tests.hosts.process import DirectoryHost, run
from tests.hosts.samba import Samba
from tests.kinds import DS389, OPENLDAP, Kind
from tests.service import running
from tests.subtree import Subtree, Tool, host_like

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs/directories"

_DEBIAN = """
dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {folder}/slapd.pid
olcTLSCACertificateFile: {certificates.ca_file}
olcTLSCertificateFile: {certificates.cert_file}
olcTLSCertificateKeyFile: {certificates.key_file}

dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: ppolicy

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif

include: file:///etc/ldap/schema/cosine.ldif

include: file:///etc/ldap/schema/nis.ldif

include: file:///etc/ldap/schema/inetorgperson.ldif

dn: olcDatabase={{-1}}frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: {{-1}}frontend
olcSizeLimit: 500
olcAccess: {{0}}to * by dn.exact={root} manage by * break
olcAccess: {{1}}to dn.exact="" by * read
olcAccess: {{2}}to dn.base="cn=Subschema" by * read

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config
olcAccess: {{0}}to * by dn.exact={root} manage by * break

dn: olcDatabase={{1}}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcSuffix: {base}
olcRootDN: {manager_dn}
olcRootPW: {manager_password}
olcDbDirectory: {folder}/data
olcDbMaxSize: 1073741824
olcDbIndex: objectClass eq
olcDbIndex: cn,uid eq
olcDbIndex: uidNumber,gidNumber eq
olcDbIndex: member,memberUid eq
olcLastMod: TRUE
olcAccess: {{0}}to attrs=userPassword by self write by anonymous auth by * none
olcAccess: {{1}}to attrs=shadowLastChange by self write by * read
olcAccess: {{2}}to * by * read

dn: olcOverlay=ppolicy,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: ppolicy
"""
_SUFFIX = "dn: {base}\nobjectClass: domain\ndc: example\n"


class DebianOpenLdap(OpenLdap):
    """What `apt install slapd` sets up, with the overlay ppolicy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.manager_dn = f"cn=admin,{self.base}"

    def prepare(self) -> None:
        for name in ("config", "data"):
            (self.folder / name).mkdir(parents=True)
        root = f"gidNumber={os.getgid()}+uidNumber={os.getuid()},cn=peercred,cn=external,cn=auth"
        for database, ldif in ((0, _DEBIAN), (1, _SUFFIX)):
            given = ldif.format(root=root, **vars(self))
            command = (program("slapadd"), "-n", str(database), "-F", self.folder / "config")
            run(*command, given=given)


class BareDs389(Ds389):
    """What `dscreate` sets up, with its suffix and nothing else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, own_schema=False)

    def _fill(self) -> None:
        with self.connected(*self.manager) as manager:
            assert manager.add(self.base, ["domain"], {"dc": "example"}), manager.result


SERVERS: dict[str, tuple[type[DebianOpenLdap] | type[BareDs389], Kind]] = {
    "openldap": (DebianOpenLdap, OPENLDAP),
    "389ds": (BareDs389, DS389),
}


class WholeTree(Subtree):
    """All people and groups of a server."""

    @property
    def user_base(self) -> str:
        return f"ou=people,{self.host.base}"

    @property
    def group_base(self) -> str:
        return f"ou=groups,{self.host.base}"


def steps_of(page: str) -> list[tuple[str, list[str]]]:
    """The commands of the page's section "Prepare it", each with the output that it shows."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    section = text.partition("## Prepare it\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", section)
    steps: list[tuple[str, list[str]]] = []
    for language, content in blocks:
        if language == "sh":
            steps.append((content, []))
        elif language == "text":
            steps[-1][1].extend(content.splitlines())
    return steps


def of_ldap(host: DirectoryHost, commands: str) -> tuple[str, dict[str, str]]:
    """The commands with the server's addresses, and the answers to what they ask."""
    ldapi = f"ldapi://{quote(str(host.folder / 'ldapi'), safe='')}"
    commands = commands.replace("ldapi:///", ldapi).replace("ldap://ds1.example.org", host.url)
    of_account = "-D cn=mi-ldap" in commands
    answers = {
        "Enter LDAP Password: ": host.service_password if of_account else host.manager_password,
        "New password: ": host.service_password,
        "Re-enter new password: ": host.service_password,
    }
    return commands, answers


def pasted(host: DirectoryHost, commands: str, answers: Mapping[str, str]) -> list[str]:
    """What a terminal shows of the commands, but for empty lines."""
    child = pexpect.spawn(
        "bash",
        ["--norc", "-e", "-o", "pipefail", "-c", commands],
        cwd=str(ROOT),
        env={"PATH": os.environ["PATH"], "LDAPTLS_CACERT": str(host.ca_file)},
        encoding="utf-8",
        timeout=30,
        dimensions=(24, 200),
        echo=False,
    )
    shown = ""
    while (at := child.expect([*map(re.escape, answers), pexpect.EOF])) < len(answers):
        shown += f"{child.before}{child.after}\n"
        child.sendline(list(answers.values())[at])
    shown += str(child.before)
    child.close()
    assert child.exitstatus == 0, f"{commands}\n{shown}"
    return [line.rstrip() for line in shown.splitlines() if line.strip()]


@pytest.fixture(params=SERVERS)
def page(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(page: str, tmp_path: Path) -> Iterator[DirectoryHost]:
    with SERVERS[page][0](tmp_path / "server") as host:
        yield host


def test_the_steps_of_a_page_prepare_a_fresh_server(
    page: str, server: DirectoryHost, tmp_path: Path
) -> None:
    steps = steps_of(page)
    assert len(steps) >= 7
    for commands, output in steps:
        assert output, f"no output is shown of {commands}"
        assert pasted(server, *of_ldap(server, commands)) == output
    assert_serves(page, server, tmp_path)


def assert_serves(page: str, server: DirectoryHost, tmp_path: Path) -> None:
    """The shipped example works there; OpenLDAP's reads are answered from memory."""
    kind = SERVERS[page][1]
    config = ROOT / f"config/{page}.toml"
    host = host_like(server, kind)
    with closing(Tool(host.url, *host.tool, ca_file=host.ca_file)) as tool:
        place = WholeTree(host, tool)
        env = {
            "MI_LDAP_STATE_DIR": str(tmp_path / "state"),
            "MI_LDAP_SERVER__WORKERS": "1",
            "MI_LDAP_CONFIG": str(config),
            "MI_LDAP_USER_STORE__CONNECTION_PASSWORD": server.service_password,
            "MI_LDAP_USER_STORE__CA_FILE": str(server.ca_file),
            **address_in(config, server, EXAMPLES[page]),
        }
        with running(env) as service, service.caller() as call:
            work_with(call, place)
            if kind is OPENLDAP:
                assert call.ask("GET", "/ready").json["reads"] == "memory"


_FRESH = {"services": "services2", "people": "people2", "groups": "groups2"}


def test_the_steps_for_active_directory(tmp_path: Path) -> None:
    """In the domain of the tests, in folders and with an account of their own."""

    with Samba(tmp_path / "server") as domain:

        def here(text: str) -> str:
            text = text.replace("DC=example,DC=org", domain.base).replace("mi-ldap", "mi-ldap2")
            text = text.replace("ldap://dc1.example.org", domain.url)
            return re.sub("OU=([a-z]+)", lambda found: f"OU={_FRESH[found[1]]}", text)

        answers = {
            "New Password: ": "the account's Passw0rd",
            "Retype Password: ": "the account's Passw0rd",
            r"Password for [EXAMPLE\administrator]:": domain.manager_password,
            "Password: ": domain.manager_password,
        }
        steps = steps_of("active-directory")
        assert len(steps) == 6
        for commands, output in steps:
            assert pasted(domain, here(commands), answers) == [here(line) for line in output]
        account = f"CN=mi-ldap2,OU=services2,{domain.base}"
        assert domain.takes(account, "the account's Passw0rd")
