"""The service over an OpenLDAP with an unusual arrangement of databases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.settings import load_settings
from mi_ldap.web import create_app
from mi_ldap.wiring import services
from tests.api.client import Api
from tests.hosts.arranged import ArrangedOpenLdap
from tests.until import until

BASE = "dc=example,dc=org"
BEING_FILLED = "it is being filled"
_SIGNING_KEY = "MANAGEMENT_API__JWT_TOKEN_SECURITY_HANDLER__TOKEN_CONFIG__KEY"


def person(name: str, parent: str, *lines: str) -> str:
    """LDIF of a user whose password is the name and `-pw`."""
    return entry(
        f"uid={name},{parent}",
        "objectClass: inetOrgPerson",
        *(f"{attribute}: {name}" for attribute in ("uid", "cn", "sn")),
        f"userPassword: {name}-pw",
        *lines,
    )


def group(name: str, parent: str, *members: str) -> str:
    """LDIF of a group with those DNs for members."""
    lines = [f"member: {dn}" for dn in members]
    return entry(f"cn={name},{parent}", "objectClass: groupOfNames", f"cn: {name}", *lines)


def folder(name: str, parent: str = BASE) -> str:
    return entry(f"ou={name},{parent}", "objectClass: organizationalUnit", f"ou: {name}")


def top(*entries: str) -> str:
    """LDIF of the suffix, the service's account, and the entries given."""
    suffix = entry(
        BASE, "objectClass: organization", "objectClass: dcObject", "o: x", "dc: example"
    )
    account = entry(
        f"cn=mi-ldap,ou=services,{BASE}",
        "objectClass: organizationalRole",
        "objectClass: simpleSecurityObject",
        "cn: mi-ldap",
        "userPassword: service-pw",
    )
    return ldif([suffix, folder("services"), account, *entries])


def entry(dn: str, *lines: str) -> str:
    return "\n".join([f"dn: {dn}", *lines])


def ldif(entries: Iterable[str]) -> str:
    return "\n\n".join(entries) + "\n"


class Apis:
    """Machines of the service over one server.

    Args:
        host: the running server.
        folder: each machine has a state folder below it.
        closing: closes the machines.
        settings: of all machines, as in `USER_STORE__USER_SEARCH_BASE`.
    """

    def __init__(
        self, host: ArrangedOpenLdap, folder: Path, closing: ExitStack, **settings: str
    ) -> None:
        self._folder, self._closing = folder, closing
        self._settings = {
            "USER_STORE__CONNECTION_URL": host.url,
            "USER_STORE__CONNECTION_NAME": host.service_dn,
            "USER_STORE__CONNECTION_PASSWORD": host.service_password,
            "USER_STORE__USER_SEARCH_BASE": BASE,
            "USER_STORE__GROUP_SEARCH_BASE": BASE,
            "USER_STORE__USER_DN_PATTERN": f"uid={{0}},ou=people,{BASE}",
            "USER_STORE__ROLE_DN_PATTERN": f"cn={{0}},ou=groups,{BASE}",
            _SIGNING_KEY: "machines of one installation share a key",
            **settings,
        }

    def make(self, observe: Callable[[str], None] = lambda operation: None, **settings: str) -> Api:
        """The API of one more machine, as a stranger sees it."""
        made = services(load_settings(self.environment(**settings)), observe=observe)
        assert isinstance(made.store, DirectoryStore)
        for close in (made.state.close, made.audit.close, made.store.close):
            self._closing.callback(close)
        return Api(made, create_app(made).test_client(use_cookies=False))

    def environment(self, **settings: str) -> dict[str, str]:
        """The settings of one more machine."""
        own = self._folder / f"machine{len(list(self._folder.iterdir()))}"
        own.mkdir()
        given = {**self._settings, "STATE_DIR": str(own), **settings}
        return {f"MI_LDAP_{key}": value for key, value in given.items()}

    def without_memory(self) -> Api:
        return self.make(USER_STORE__INDEX_LIMIT="0")

    def with_memory(self, observe: Callable[[str], None] = lambda operation: None) -> Api:
        """A machine whose memory is filled, or that has said why it is not."""
        api = self.make(observe)
        store = api.services.store
        assert store.view()
        until(lambda: store.read_source().why != BEING_FILLED)
        return api
