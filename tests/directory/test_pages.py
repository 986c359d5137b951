"""The steps of docs/directories and docs/stores/hybrid-directory.md, executed from the pages.

They are executed as somebody would paste them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pexpect
import pytest

from tests.api.client import PASSWORD
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
HYBRID_PAGE = "../stores/hybrid-directory"

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


SERVERS: dict[str, tuple[type[DebianOpenLdap] | type[BareDs389], Kind, str]] = {
    "openldap": (DebianOpenLdap, OPENLDAP, "Prepare OpenLDAP"),
    "389ds": (BareDs389, DS389, "Prepare 389 Directory Server"),
}


class WholeTree(Subtree):
    """All people and groups of a server."""

    @property
    def user_base(self) -> str:
        return f"ou=people,{self.host.base}"

    @property
    def group_base(self) -> str:
        return f"ou=groups,{self.host.base}"


def steps_of(page: str, heading: str = "Prepare it") -> list[tuple[str, list[str]]]:
    """The commands of a section of the page, each with the output that it shows."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
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
    follow(server, steps)
    kind = SERVERS[page][1]
    host = host_like(server, kind)
    with (
        closing(Tool(host.url, *host.tool, ca_file=host.ca_file)) as tool,
        running(env_of(page, server, tmp_path)) as service,
        service.caller() as call,
    ):
        work_with(call, WholeTree(host, tool))
        if kind is OPENLDAP:
            assert call.ask("GET", "/ready").json["reads"] == "memory"


def test_the_steps_of_a_page_prepare_the_folder_of_hybrid_roles(
    page: str, server: DirectoryHost, tmp_path: Path
) -> None:
    follow(server, steps_of(page))
    follow(server, steps_of(HYBRID_PAGE, SERVERS[page][2]))
    base = {"MI_LDAP_USER_STORE__HYBRID_ROLE_BASE": f"ou=hybrid,{server.base}"}
    with running(env_of(page, server, tmp_path) | base) as service, service.caller() as call:
        token = call.login("alice", PASSWORD)
        role = {"role": "Internal/testers"}
        assert call("POST", "/roles", role, token=token).status == 200
        change = {"userId": "alice", "addedRoles": ["Internal/testers"]}
        assert call("PUT", "/roles", change, token=token).status == 200
        assert call("GET", "/roles/Internal/testers", token=token).json["users"] == ["alice"]


def test_an_earlier_schema_of_openldap_gets_what_is_new(tmp_path: Path) -> None:
    new = ("miLdapMember", "miLdapHybridRole")
    with DebianOpenLdap(tmp_path / "server") as server:
        load, shown = steps_of("openldap")[1]
        file = "config/schema/mi-ldap.ldif"
        definitions = re.split(r"(?m)^(?=olc)", (ROOT / file).read_text("utf-8"))
        earlier = tmp_path / "earlier.ldif"
        earlier.write_text("".join(d for d in definitions if not any(name in d for name in new)))
        load = load.replace(file, str(earlier))
        follow(server, [(load, shown), *steps_of(HYBRID_PAGE, "Update the schema")])
        with closing(
            Tool(server.url, *host_like(server, OPENLDAP).tool, ca_file=server.ca_file)
        ) as tool:
            found = str(tool.read("cn=subschema", "attributeTypes", "objectClasses"))
        assert all(f"'{name}'" in found for name in new)


def follow(server: DirectoryHost, steps: list[tuple[str, list[str]]]) -> None:
    """Execute the steps, and compare what they print with the page."""
    assert steps
    for commands, output in steps:
        assert output, f"no output is shown of {commands}"
        assert pasted(server, *of_ldap(server, commands)) == output


def env_of(page: str, server: DirectoryHost, tmp_path: Path) -> dict[str, str]:
    """The shipped example, with the server's addresses and passwords."""
    config = ROOT / f"config/{page}.toml"
    return {
        "MI_LDAP_STATE_DIR": str(tmp_path / "state"),
        "MI_LDAP_SERVER__WORKERS": "1",
        "MI_LDAP_CONFIG": str(config),
        "MI_LDAP_USER_STORE__CONNECTION_PASSWORD": server.service_password,
        "MI_LDAP_USER_STORE__CA_FILE": str(server.ca_file),
        **address_in(config, server, EXAMPLES[page]),
    }


_FRESH = {name: f"{name}2" for name in ("services", "people", "groups", "hybrid")}


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
        of_hybrid_roles = steps_of(HYBRID_PAGE, "Prepare Active Directory")
        assert len(of_hybrid_roles) == 2
        for commands, output in (*steps, *of_hybrid_roles):
            assert pasted(domain, here(commands), answers) == [here(line) for line in output]
        account = f"CN=mi-ldap2,OU=services2,{domain.base}"
        assert domain.takes(account, "the account's Passw0rd")
