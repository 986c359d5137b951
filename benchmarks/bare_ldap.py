"""The directory asked directly: what the works of the service cannot be quicker than."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ldap3 import MODIFY_ADD, MODIFY_DELETE

from benchmarks.callers import BenchmarkError
from benchmarks.population import PASSWORD, entry_uuid, user_name
from benchmarks.target import Target

_PAGED = ("-E", "pr=1000/noprompt")


class BareLdap:
    """Two kept connections: the service's account, and one for logins.

    Args:
        target: the directory.
        folder: where the file with the account's password may be written, for `ldapsearch`.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._service = target.as_service()
        self._proving = target.connected()
        self._password_file = folder / "service.password"
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(target.service_password, encoding="utf-8")

    def close(self) -> None:
        """Close both."""
        self._service.unbind()
        self._proving.unbind()

    def search(self, number: int) -> None:
        """Find one user by its id, with what the service wants to know of it."""
        wanted = f"(&(objectClass=inetOrgPerson)(entryUUID={entry_uuid(number)}))"
        attributes = ["entryUUID", "uid", "miLdapCustodian", "miLdapEpoch", "pwdChangedTime"]
        self._service.search(self._target.people, wanted, attributes=attributes)
        if len(self._service.response) != 1:
            raise BenchmarkError(f"{wanted} found {len(self._service.response)} entries.")

    def bind(self, number: int) -> None:
        """Prove the password of one user."""
        if not self._proving.rebind(self._target.user_dn(user_name(number)), PASSWORD):
            raise BenchmarkError(f"The bind was refused: {self._proving.result}")

    def give(self, role: str, *users: str) -> None:
        """Make users members of a group."""
        self._modify(role, MODIFY_ADD, users)

    def take(self, role: str, *users: str) -> None:
        """Take users out of a group."""
        self._modify(role, MODIFY_DELETE, users)

    def take_if_given(self, role: str, user: str) -> None:
        """The same where it may not be one, as after a work that was given up half way."""
        member = {"member": [(MODIFY_DELETE, [self._target.user_dn(user)])]}
        self._service.modify(self._target.role_dn(role), member)

    def _modify(self, role: str, how: str, users: Sequence[str]) -> None:
        member = {"member": [(how, [self._target.user_dn(user) for user in users])]}
        if not self._service.modify(self._target.role_dn(role), member):
            raise BenchmarkError(f"{role} was not changed: {self._service.result}")

    def list_s(self, *, paged: bool) -> float:
        """Seconds that `ldapsearch` takes for the names of all users."""
        words = self._ldapsearch(_PAGED if paged else ())
        ca_file = self._target.ca_file
        # With LDAPNOINIT no other variable is read either.
        environment = {"LDAPTLS_CACERT": ca_file} if ca_file else {"LDAPNOINIT": "1"}
        began_s = time.monotonic()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)
        return time.monotonic() - began_s

    def _ldapsearch(self, options: Sequence[str]) -> list[str]:
        target = self._target
        wanted = ("user", "sAMAccountName") if target.is_active_directory else _OPENLDAP
        words = ["ldapsearch", "-LLL", "-x", "-H", target.url, "-D", target.service_dn]
        words += ["-y", str(self._password_file), "-b", target.people, *options]
        return [*words, f"(objectClass={wanted[0]})", wanted[1]]


_OPENLDAP = ("inetOrgPerson", "uid")
