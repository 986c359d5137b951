"""Changes of a directory as values (RFC 4511 §4.6 to §4.9), sent by ldap3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ldap3 import MODIFY_ADD, MODIFY_DELETE, MODIFY_REPLACE, Connection

Ldap3Control = tuple[str, bool, bytes | None]
"""OID, criticality and value, as `controls.Control.for_ldap3` returns them."""

_CHANGES = {"add": MODIFY_ADD, "delete": MODIFY_DELETE, "replace": MODIFY_REPLACE}


@dataclass(frozen=True, slots=True)
class Add:
    """Add an entry."""

    dn: str
    classes: tuple[str, ...]
    attributes: Mapping[str, list[str]]

    def send(self, ldap3_connection: Connection, controls: list[Ldap3Control]) -> None:
        ldap3_connection.add(self.dn, list(self.classes), dict(self.attributes), controls or None)


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an entry."""

    dn: str

    def send(self, ldap3_connection: Connection, controls: list[Ldap3Control]) -> None:
        ldap3_connection.delete(self.dn, controls or None)


@dataclass(frozen=True, slots=True)
class Modification:
    """A change of one attribute; a server applies all changes of a `Modify`, or none.

    The values are not shown in the `repr`: one may be a password.
    """

    kind: Literal["add", "delete", "replace"]
    attribute: str
    values: tuple[str | bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Modify:
    """Change attributes of an entry; all changes are applied, or none (RFC 4511 §4.6)."""

    dn: str
    modifications: tuple[Modification, ...]

    def send(self, ldap3_connection: Connection, controls: list[Ldap3Control]) -> None:
        # ldap3 takes the changes by attribute; those of one attribute keep their order.
        changes: dict[str, list[tuple[str, list[str | bytes]]]] = {}
        for change in self.modifications:
            values = (_CHANGES[change.kind], list(change.values))
            changes.setdefault(change.attribute, []).append(values)
        ldap3_connection.modify(self.dn, changes, controls or None)


@dataclass(frozen=True, slots=True)
class Rename:
    """Move an entry to a new superior with a new RDN; the values of the old RDN are kept."""

    dn: str
    rdn: str
    superior_dn: str

    def send(self, ldap3_connection: Connection, controls: list[Ldap3Control]) -> None:
        # False: the old RDN's values are not deleted.
        ldap3_connection.modify_dn(self.dn, self.rdn, False, self.superior_dn, controls or None)


@dataclass(frozen=True, slots=True)
class AssertOnly:
    """Check that an entry exists and that the controls' assertion is true, without a change.

    It is sent as a search of the base entry, which the control Assertion applies to (RFC 4528 §3).
    """

    dn: str


Operation = Add | Delete | Modify | Rename | AssertOnly
