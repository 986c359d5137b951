"""The examples of docs/doctor.md, made by the doctor itself.

    scripts/doctor-examples

runs it on five directories and a database, and writes what it says between the marks in the page.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import structlog

from mi_ldap.checks import Doctor, format_findings
from mi_ldap.checks.hybrid_roles import examine_hybrid_roles
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.settings import load_settings
from mi_ldap.sql.schema import create_tables
from mi_ldap.store import AssignRole
from mi_ldap.wiring import services
from tests.checks.databases import database_keys, examined, make_first_admin
from tests.checks.directories import (
    PASSWORD,
    add_group,
    change_rules,
    fill,
    overlay_dn,
    show_configuration,
    tool_of,
    user_dn,
)
from tests.checks.doctor_runs import keys_of, normalized, run_doctor
from tests.hosts.openldap import OpenLdap, Setup
from tests.kinds import PLAIN_OPENLDAP
from tests.sql.servers import PostgreSql

PAGE = Path(__file__).parents[2] / "docs/doctor.md"
_BLOCK = re.compile(r"(?s)<!-- example: (?P<name>\w+) -->\n.*?<!-- end -->")

Example = Callable[[Path], str]


def healthy(folder: Path) -> str:
    with _directory(folder) as directory:
        return _report(directory, folder)


def wrong_password(folder: Path) -> str:
    with _directory(folder) as directory:
        return _report(directory, folder, connection_password="not that")


def rights(folder: Path) -> str:
    """No schema, no right to change groups, hashes that can be read."""
    with _directory(folder, Setup(own_schema=False)) as directory:
        change_rules(directory, r"ou=groups,\S+ by dn.exact=\S*mi-ldap", None)
        change_rules(directory, r"=w by self =xw", "write by self =xw")
        return _report(directory, folder, only_faults=True)


def content(folder: Path) -> str:
    """What other tools and a careless configuration leave behind."""
    with _directory(folder, Setup(unique=False)) as directory:
        refint = overlay_dn(directory, "refint")
        directory.configure(refint, olcRefintNothing=[])
        show_configuration(directory)
        with tool_of(directory) as tool:
            person = {**PLAIN_OPENLDAP.person_of("Alice", ""), "cn": "second"}
            tool.add(f"cn=second,{directory.user_base}", ["inetOrgPerson"], **person)
            members = (user_dn(directory, "bob"), user_dn(directory, "carol"))
            add_group(tool, directory, "devs", *members)
        return _report(directory, folder, only_faults=True)


def database(folder: Path) -> str:
    """A healthy PostgreSQL, of which a login has made the first admin."""
    with PostgreSql() as server:
        create_tables(server.config)
        keys = database_keys(
            server.config, folder, user_store__ca_file=str(server.certificates.ca_file)
        )
        keys["MI_LDAP_DATASOURCE__URL"] += "?sslmode=verify-full"
        make_first_admin(keys, "alice")
        text = format_findings(examined(keys).findings)
        return normalized(text.replace(f"127.0.0.1:{server.port}", "db.example.org:5432"))


def hybrid_roles(folder: Path) -> str:
    """A directory that is only read, its admins in the service's own file, and a user that left."""
    with _directory(folder) as directory:
        state = folder / "state"
        state.mkdir()
        keys = {
            **keys_of(directory, state, type="read_only_ldap"),
            "MI_LDAP_SUPER_ADMIN__ADMIN_ROLE": "Internal/admin",
            "MI_LDAP_BOOTSTRAP__MODE": "first_login",
        }
        with closing(services(load_settings(keys))) as found:
            found.login.login(LoginRequest("alice", PASSWORD, client="192.0.2.1", is_local=False))
            role, bob = found.store.create_role("Internal/testers"), found.store.find_user("bob")
            assert bob
            found.store.apply(AssignRole(role, bob))
        with tool_of(directory) as tool:
            tool.delete(user_dn(directory, "bob"))
        found = services(load_settings(keys))
        with closing(Doctor(found, embedded=False)) as doctor:
            findings = [*doctor.examine(), *examine_hybrid_roles(found)]
        shown = {"custodian", "admins", "first-admin", "hybrid-roles"}
        text = format_findings(each for each in findings if each.check in shown)
        return normalized(text.replace(str(state), "/var/lib/mi-ldap"), directory)


EXAMPLES: dict[str, Example] = {
    each.__name__: each
    for each in (healthy, wrong_password, rights, content, database, hybrid_roles)
}


def filled(page: str, said: Callable[[str], str]) -> str:
    """The page with what `said` gives for the name of each example."""

    def block(match: re.Match[str]) -> str:
        # Fenced, so that the heredoc of a remedy can be pasted from the raw file.
        name = match["name"]
        return f"<!-- example: {name} -->\n\n```text\n{said(name)}```\n\n<!-- end -->"

    return _BLOCK.sub(block, page)


@contextmanager
def _directory(folder: Path, setup: Setup | None = None) -> Iterator[OpenLdap]:
    with OpenLdap(folder / "openldap", setup) as directory:
        fill(directory)
        yield directory


def _report(directory: OpenLdap, folder: Path, *, only_faults: bool = False, **more: str) -> str:
    state = folder / "state"
    state.mkdir()
    report = run_doctor(keys_of(directory, state, **more))
    shown = [each for each in report.findings if not only_faults or each.level in ("warn", "fail")]
    return normalized(format_findings(shown), directory)


def _write() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as made:

        def said(name: str) -> str:
            folder = Path(made) / name
            folder.mkdir()
            return EXAMPLES[name](folder)

        PAGE.write_text(filled(PAGE.read_text(), said))


if __name__ == "__main__":
    _write()
