"""The directory asked directly: what the works of the service cannot be quicker than."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from typing import Any

from ldap3 import MODIFY_ADD, MODIFY_DELETE, NONE, SYNC, Connection, Server

from benchmarks.callers import BenchmarkError
from benchmarks.population import PASSWORD, PEOPLE, entry_uuid, role_dn, user_dn, user_name
from mi_ldap.embedded import EmbeddedDirectory

_PAGED = ("-E", "pr=1000/noprompt")


def connected(url: str, dn: str | None = None, password: str | None = None) -> Any:
    """An open connection; bound where an account is given."""
    server = Server(url, get_info=NONE)
    connection: Any = Connection(server, dn, password, client_strategy=SYNC, check_names=False)
    if dn is None:
        connection.open()
    elif not connection.bind():
        raise BenchmarkError(f"{dn} cannot log in: {connection.result}")
    return connection


class BareLdap:
    """Two kept connections: the service's account, and one for logins."""

    def __init__(self, directory: EmbeddedDirectory) -> None:
        self._directory = directory
        account = (directory.service_dn, directory.service_password)
        self._service = connected(directory.url, *account)
        self._proving = connected(directory.url)

    def close(self) -> None:
        """Close both."""
        self._service.unbind()
        self._proving.unbind()

    def search(self, number: int) -> None:
        """Find one user by its id, with what the service wants to know of it."""
        wanted = f"(&(objectClass=inetOrgPerson)(entryUUID={entry_uuid(number)}))"
        attributes = ["entryUUID", "uid", "miLdapCustodian", "miLdapEpoch", "pwdChangedTime"]
        self._service.search(PEOPLE, wanted, attributes=attributes)
        if len(self._service.response) != 1:
            raise BenchmarkError(f"{wanted} found {len(self._service.response)} entries.")

    def bind(self, number: int) -> None:
        """Prove the password of one user."""
        if not self._proving.rebind(user_dn(user_name(number)), PASSWORD):
            raise BenchmarkError(f"The bind was refused: {self._proving.result}")

    def give(self, role: str, user: str) -> None:
        """Make a user a member of a group."""
        self._modify(role, MODIFY_ADD, user)

    def take(self, role: str, user: str) -> None:
        """Take a user out of a group."""
        self._modify(role, MODIFY_DELETE, user)

    def take_if_given(self, role: str, user: str) -> None:
        """The same where it may not be one, as after a work that was given up half way."""
        self._service.modify(role_dn(role), {"member": [(MODIFY_DELETE, [user_dn(user)])]})

    def _modify(self, role: str, how: str, user: str) -> None:
        if not self._service.modify(role_dn(role), {"member": [(how, [user_dn(user)])]}):
            raise BenchmarkError(f"{role} was not changed: {self._service.result}")

    def list_s(self, *, paged: bool) -> float:
        """Seconds that `ldapsearch` takes for the names of all users."""
        words = self._ldapsearch(_PAGED if paged else ())
        began_s = time.monotonic()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={"LDAPNOINIT": "1"})
        return time.monotonic() - began_s

    def _ldapsearch(self, options: Sequence[str]) -> list[str]:
        own = self._directory
        words = ["ldapsearch", "-LLL", "-x", "-H", own.url, "-D", own.service_dn]
        words += ["-y", str(own.service_password_file), "-b", PEOPLE, *options]
        return [*words, "(objectClass=inetOrgPerson)", "uid"]
