"""Directories for the doctor: a healthy one, and what breaks one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.hosts.installed import program
from tests.hosts.openldap import OpenLdap
from tests.hosts.process import DirectoryHost, run
from tests.kinds import PLAIN_OPENLDAP, Kind
from tests.subtree import Tool

PASSWORD = "secret-Passw0rd"
_DATABASE = "olcDatabase={1}mdb,cn=config"


@contextmanager
def tool_of(directory: DirectoryHost) -> Iterator[Tool]:
    """The directory's administrator at work."""
    tool = Tool(directory.ldaps_url, *directory.manager, ca_file=directory.ca_file)
    try:
        yield tool
    finally:
        tool.close()


def fill(directory: DirectoryHost, kind: Kind = PLAIN_OPENLDAP) -> None:
    """alice and bob, and alice an admin."""
    with tool_of(directory) as tool:
        for name in ("alice", "bob"):
            add_user(tool, directory, name, kind)
        add_group(tool, directory, "admin", user_dn(directory, "alice", kind), kind=kind)


def add_user(
    tool: Tool, directory: DirectoryHost, name: str, kind: Kind = PLAIN_OPENLDAP, **more: str
) -> str:
    given: dict[str, Any] = {**kind.person_of(name, PASSWORD), **more}
    return tool.add(user_dn(directory, name, kind), kind.user_classes, **given)


def add_group(
    tool: Tool,
    directory: DirectoryHost,
    name: str,
    *member_dns: str,
    kind: Kind = PLAIN_OPENLDAP,
) -> str:
    given = kind.group_of(name, member_dns)
    return tool.add(f"cn={name},{directory.group_base}", kind.group_classes, **given)


def user_dn(directory: DirectoryHost, name: str, kind: Kind = PLAIN_OPENLDAP) -> str:
    return f"{kind.naming}={name},{directory.user_base}"


# What breaks an OpenLDAP


def change_rules(directory: OpenLdap, pattern: str, replacement: str | None) -> None:
    """Changes the access rules that match, or drops them; the others stay in their order."""
    with tool_of(directory) as tool:
        (rules,) = tool.read(_DATABASE, "olcAccess").values()
        changed = [
            re.sub(pattern, replacement or "", rule)
            for rule in rules
            if replacement is not None or not re.search(pattern, rule)
        ]
        assert changed != rules
        tool.replace(_DATABASE, olcAccess=[re.sub(r"^\{\d+\}", "", rule) for rule in changed])


def put_rule_first(directory: OpenLdap, rule: str) -> None:
    with tool_of(directory) as tool:
        tool.add_values(_DATABASE, olcAccess=f"{{0}}{rule}")


def apply_remedies(directory: OpenLdap, *remedies: str) -> None:
    """Loads the LDIF that the doctor writes, as an administrator would."""
    password = directory.folder / "manager.password"
    password.write_text(directory.manager_password)
    for remedy in remedies:
        run(
            *(program("ldapmodify"), "-x", "-H", directory.ldaps_url),
            *("-D", directory.manager_dn, "-y", password),
            given=remedy[remedy.index("dn: ") :],
            env={"LDAPTLS_CACERT": str(directory.ca_file)},
        )


def show_configuration(directory: OpenLdap) -> None:
    """Lets the service read cn=config."""
    directory.configure(
        "olcDatabase={0}config,cn=config",
        olcAccess=f'to * by dn.exact="{directory.manager_dn}" manage '
        f'by dn.exact="{directory.service_dn}" read by * none',
    )


def overlay_dn(directory: OpenLdap, name: str) -> str:
    with tool_of(directory) as tool:
        below = tool.read_below(_DATABASE, "olcOverlay")
    return next(dn for dn, each in below.items() if each["olcOverlay"][0].endswith(f"}}{name}"))
