"""A real directory for the tests, and in it a place of its own for each test.

The directory is the embedded one, one of `tests/hosts`, or any OpenLDAP named by
`MI_LDAP_TEST_URL`, `MI_LDAP_TEST_BIND_DN`, `MI_LDAP_TEST_BIND_PASSWORD` and `MI_LDAP_TEST_BASE`
that has our schema, `ou=people` and `ou=groups`, as docker compose makes it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ldap3 import (
    BASE,
    LEVEL,
    MODIFY_ADD,
    MODIFY_DELETE,
    MODIFY_REPLACE,
    NONE,
    Connection,
    Server,
)
from ldap3.core.exceptions import LDAPException

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.ldap.names import dn_in
from mi_ldap.settings import Settings, load_settings
from tests.hosts.process import DirectoryHost
from tests.hosts.tls import VerifyingTls
from tests.kinds import OPENLDAP, Kind, Value, Values


@dataclass(frozen=True)
class Host:
    """A running directory, and the accounts that the tests use in it.

    Attributes:
        url: for the service; several are separated by spaces.
        tool_url: for the tests themselves, where it is another one.
        base: its suffix, `"dc=mi"`.
        account: DN and password of the service's account.
        tool: DN and password of the account by which the tests act as another tool.
    """

    url: str
    base: str
    account: tuple[str, str]
    tool: tuple[str, str]
    kind: Kind = OPENLDAP
    ca_file: Path | None = None
    tool_url: str = ""


def host_of(directory: EmbeddedDirectory) -> Host:
    return Host(
        url=directory.url,
        base=directory.suffix,
        account=(directory.service_dn, directory.read_service_password()),
        tool=(directory.manager_dn, directory.read_manager_password()),
    )


def host_like(directory: DirectoryHost, kind: Kind) -> Host:
    """A directory of `tests/hosts`, reached over TLS by the service's own account."""
    return Host(
        url=directory.ldaps_url,
        base=directory.base,
        account=directory.service,
        tool=directory.manager,
        kind=kind,
        ca_file=directory.ca_file,
    )


def replicated(first: DirectoryHost, second: DirectoryHost, kind: Kind) -> Host:
    """Two servers of one directory, the tests working on the first one."""
    urls = f"{first.ldaps_url} {second.ldaps_url}"
    return replace(host_like(first, kind), url=urls, tool_url=first.ldaps_url)


def named_host(environ: Mapping[str, str]) -> Host | None:
    """The directory that the environment names."""
    url = environ.get("MI_LDAP_TEST_URL")
    if not url:
        return None
    account = environ["MI_LDAP_TEST_BIND_DN"], environ["MI_LDAP_TEST_BIND_PASSWORD"]
    return Host(url, environ["MI_LDAP_TEST_BASE"], account, account)


class Tool:
    """Another tool at work in the directory; whatever the server refuses fails the test."""

    def __init__(self, url: str, dn: str, password: str, ca_file: Path | None = None) -> None:
        server = Server(url, get_info=NONE, tls=VerifyingTls(ca_file) if ca_file else None)
        self._connection: Any = Connection(
            server, dn, password, auto_referrals=False, check_names=False
        )
        self._demand(self._connection.bind())

    def rebind_if_closed(self) -> None:
        """Before it is used again after a while: Samba closes what is idle for 15 minutes."""
        try:
            self._connection.search("", "(objectClass=*)", BASE, attributes=["1.1"])
        except LDAPException:
            self._demand(self._connection.bind())

    def close(self) -> None:
        try:
            self._connection.unbind()
        except LDAPException:  # a socket in the file system tells that its server is gone
            self._connection.socket.close()

    def add(self, dn: str, classes: Iterable[str], **attributes: Values) -> str:
        self._demand(self._connection.add(dn, list(classes), _lists(attributes)))
        return dn

    def replace(self, dn: str, **attributes: Values) -> None:
        self._modify(dn, MODIFY_REPLACE, attributes)

    def add_values(self, dn: str, **attributes: Values) -> None:
        self._modify(dn, MODIFY_ADD, attributes)

    def delete_values(self, dn: str, **attributes: Values) -> None:
        self._modify(dn, MODIFY_DELETE, attributes)

    def delete(self, dn: str) -> None:
        self._demand(self._connection.delete(dn))

    def move(self, dn: str, rdn: str, parent_dn: str) -> None:
        self._demand(self._connection.modify_dn(dn, rdn, new_superior=parent_dn))

    def rename(self, dn: str, rdn: str) -> None:
        self._demand(self._connection.modify_dn(dn, rdn))

    def read(self, dn: str, *attributes: str) -> dict[str, list[str]]:
        """The entry's values as text; `*` and `+` for all of them."""
        self._demand(
            self._connection.search(
                dn, "(objectClass=*)", BASE, attributes=list(attributes or ("*", "+"))
            )
        )
        return _text(self._connection.response[0]["raw_attributes"])

    def exists(self, dn: str) -> bool:
        return bool(self._connection.search(dn, "(objectClass=*)", BASE, attributes=["1.1"]))

    def dns_below(self, base_dn: str) -> list[str]:
        """Everything there, the deepest first, the base last."""
        self._demand(self._connection.search(base_dn, "(objectClass=*)", attributes=["1.1"]))
        found = [entry["dn"] for entry in self._connection.response]
        return sorted(found, key=lambda dn: -len(dn.split(",")))

    def read_below(self, base_dn: str, *attributes: str) -> dict[str, dict[str, list[str]]]:
        """By DN the values of everything right below."""
        self._connection.search(base_dn, "(objectClass=*)", LEVEL, attributes=list(attributes))
        self._demand(self._connection.result["result"] == 0)
        return {entry["dn"]: _text(entry["raw_attributes"]) for entry in self._connection.response}

    def _modify(self, dn: str, kind: str, attributes: Mapping[str, Values]) -> None:
        changes = {name: [(kind, values)] for name, values in _lists(attributes).items()}
        self._demand(self._connection.modify(dn, changes))

    def _demand(self, done: bool) -> None:
        assert done, self._connection.result


def _text(raw: Mapping[str, list[bytes]]) -> dict[str, list[str]]:
    return {
        name: [value.decode(errors="replace") for value in values] for name, values in raw.items()
    }


def _lists(attributes: Mapping[str, Values]) -> dict[str, list[Value]]:
    return {
        name: [values] if isinstance(values, str | bytes) else list(values)
        for name, values in attributes.items()
    }


@dataclass(frozen=True)
class Subtree:
    """Two empty folders of the test's own, for people and for groups."""

    host: Host
    tool: Tool
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:12]}")

    @property
    def kind(self) -> Kind:
        return self.host.kind

    @property
    def user_base(self) -> str:
        return f"ou={self.name},ou=people,{self.host.base}"

    @property
    def group_base(self) -> str:
        return f"ou={self.name},ou=groups,{self.host.base}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes the service use this place."""
        account_dn, password = self.host.account
        given = {
            "USER_STORE__CONNECTION_URL": self.host.url,
            "USER_STORE__CONNECTION_NAME": account_dn,
            "USER_STORE__CONNECTION_PASSWORD": password,
            "USER_STORE__CA_FILE": str(self.host.ca_file or ""),
            "USER_STORE__USER_SEARCH_BASE": self.user_base,
            "USER_STORE__GROUP_SEARCH_BASE": self.group_base,
            "USER_STORE__ALLOW_PLAINTEXT": "true",
            **self.kind.settings,
        }
        return {f"MI_LDAP_{key}": value for key, value in given.items()}

    def settings(self, state_dir: Path, **more: str) -> Settings:
        """Settings that use this place; `more` as in `USER_STORE__INDEX_LIMIT="0"`."""
        others = {f"MI_LDAP_{key}": value for key, value in more.items()}
        state = {"MI_LDAP_STATE_DIR": str(state_dir)}
        return load_settings({**self.environment, **state, **others})

    def user_dn(self, name: str) -> str:
        return dn_in(self.user_base, self.kind.naming, name)

    def group_dn(self, name: str) -> str:
        return dn_in(self.group_base, "cn", name)

    def add_user(self, name: str, password: str = "", **attributes: Values) -> str:
        """A user as another tool makes it; returns its DN."""
        given = {**self.kind.person_of(name, password), **attributes}
        return self.tool.add(self.user_dn(name), self.kind.user_classes, **given)

    def add_group(self, name: str, *member_dns: str, **attributes: Values) -> str:
        """A group as another tool makes it; returns its DN."""
        given = {**self.kind.group_of(name, member_dns), **attributes}
        return self.tool.add(self.group_dn(name), self.kind.group_classes, **given)

    def add_member(self, role: str, user_dn: str) -> None:
        """Somebody becomes a member, whether there is such an entry or not."""
        member = {self.kind.member: self.kind.member_of_dn(user_dn)}
        self.tool.add_values(self.group_dn(role), **member)

    def members(self, role: str) -> list[str]:
        return sorted(self.tool.read(self.group_dn(role), self.kind.member)[self.kind.member])


@contextmanager
def hybrid_base_in(subtree: Subtree) -> Iterator[str]:
    """The DN of a folder for hybrid roles, where the service may do what it may with groups."""
    base_dn = f"ou={subtree.name}-hybrid,ou=groups,{subtree.host.base}"
    subtree.tool.add(base_dn, ["organizationalUnit"])
    try:
        yield base_dn
    finally:
        for dn in subtree.tool.dns_below(base_dn):
            subtree.tool.delete(dn)


@contextmanager
def subtree_in(host: Host, tool: Tool) -> Iterator[Subtree]:
    """Made before, and removed with all that is in it after."""
    subtree = Subtree(host, tool)
    for base_dn in (subtree.user_base, subtree.group_base):
        tool.add(base_dn, ["organizationalUnit"], ou=subtree.name)
    try:
        yield subtree
    finally:
        # Groups first: what a deleted user leaves in a group is cleaned up in the background.
        for base_dn in (subtree.group_base, subtree.user_base):
            for dn in tool.dns_below(base_dn):
                tool.delete(dn)
