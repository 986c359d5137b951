"""Create a user, assign three roles, delete it: by ldap3, with the least that the rules need.

| act | operations |
| --- | --- |
| create | the admin role; the name; groups that name the DN from an earlier entry; add; password |
| assign | the admin role; the user; the roles; a modify of each role |
| delete | the admin role; the user; its roles; a modify of each role; delete |

Active Directory takes the password with the add. None of the operations asserts that what was read
is still so, and nothing is undone where one fails: that would only add to them. A deletion revokes
the roles first, as the rules want it: not every server does so itself, and OpenLDAP's overlay
refint does it after the response, in the time of what is measured next.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from ldap3 import BASE, MODIFY_ADD, MODIFY_DELETE

from benchmarks.callers import BenchmarkError
from benchmarks.place import ADMIN
from benchmarks.population import PASSWORD
from benchmarks.target import Target


class BareChanges:
    """One kept connection of the service's account."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = target.as_service()

    def close(self) -> None:
        """Close it."""
        self._connection.unbind()

    def create(self, name: str, roles: Sequence[str]) -> None:
        """Create the user without roles."""
        dn = self._target.user_dn(name)
        self._check_admin()
        self._expect(self._named(name), 0)
        self._expect(self._search(self._target.groups, f"(member={dn})"), 0)
        if self._target.is_active_directory:
            password = f'"{PASSWORD}"'.encode("utf-16-le")
            given = {"sAMAccountName": name, "userAccountControl": "512", "unicodePwd": password}
            self._demand(self._connection.add(dn, ["user"], given))
            return
        given = {"uid": name, "cn": name, "sn": name, "miLdapEpoch": secrets.token_hex(8)}
        self._demand(self._connection.add(dn, ["inetOrgPerson", "miLdapAccount"], given))
        self._demand(self._connection.extend.standard.modify_password(dn, None, PASSWORD))

    def assign(self, name: str, roles: Sequence[str]) -> None:
        """Assign the roles."""
        self._check_admin()
        dn = self._expect(self._named(name), 1)
        wanted = "".join(f"(cn={role})" for role in roles)
        self._expect(self._search(self._target.groups, f"(|{wanted})"), len(roles))
        for role in roles:
            member = {"member": [(MODIFY_ADD, [dn])]}
            self._demand(self._connection.modify(self._target.role_dn(role), member))

    def delete(self, name: str, roles: Sequence[str]) -> None:
        """Revoke the roles, and delete the user."""
        self._check_admin()
        dn = self._expect(self._named(name), 1)
        held = self._search(self._target.groups, f"(member={dn})")
        self._expect(held, len(roles))
        for role_dn in held:
            self._demand(self._connection.modify(role_dn, {"member": [(MODIFY_DELETE, [dn])]}))
        self._demand(self._connection.delete(dn))

    def _check_admin(self) -> None:
        """Whether the performer is in the admin role."""
        wanted = f"(member={self._target.user_dn(ADMIN[0])})"
        self._expect(self._search(self._target.role_dn("admin"), wanted, BASE), 1)

    def _named(self, name: str) -> list[str]:
        attribute = "sAMAccountName" if self._target.is_active_directory else "uid"
        return self._search(self._target.people, f"({attribute}={name})")

    def _search(self, base: str, wanted: str, scope: Any = "SUBTREE") -> list[str]:
        """The DNs of the entries found."""
        self._connection.search(base, wanted, scope, attributes=["cn"])
        return [each["dn"] for each in self._connection.response if "attributes" in each]

    def _expect(self, found: list[str], count: int) -> str:
        """The first DN, `""` where none was expected."""
        if len(found) != count:
            raise BenchmarkError(f"{count} entries were expected, not {found[:5]}.")
        return found[0] if found else ""

    def _demand(self, is_done: bool) -> None:
        if not is_done:
            raise BenchmarkError(f"The directory has refused a change: {self._connection.result}")
