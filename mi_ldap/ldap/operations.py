"""What a change asks of a directory, as values (RFC 4511 §4.5 to §4.8)."""

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
    """A new entry."""

    dn: str
    classes: tuple[str, ...]
    attributes: Mapping[str, list[str]]

    def send(self, connection: Connection, controls: list[Ldap3Control]) -> None:
        connection.add(self.dn, list(self.classes), dict(self.attributes), controls or None)


@dataclass(frozen=True, slots=True)
class Delete:
    """The end of an entry."""

    dn: str

    def send(self, connection: Connection, controls: list[Ldap3Control]) -> None:
        connection.delete(self.dn, controls or None)


@dataclass(frozen=True, slots=True)
class Modification:
    """One change of one attribute; all of an operation's are done, or none (RFC 4511 §4.6).

    The values are not shown in its `repr`: one may be a password.
    """

    kind: Literal["add", "delete", "replace"]
    attribute: str
    values: tuple[str | bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Modify:
    """Changes of one entry, all or none."""

    dn: str
    modifications: tuple[Modification, ...]

    def send(self, connection: Connection, controls: list[Ldap3Control]) -> None:
        changes: dict[str, list[tuple[str, list[str | bytes]]]] = {}
        for change in self.modifications:
            values = (_CHANGES[change.kind], list(change.values))
            changes.setdefault(change.attribute, []).append(values)
        connection.modify(self.dn, changes, controls or None)


@dataclass(frozen=True, slots=True)
class Rename:
    """A new RDN below a new superior (RFC 4511 §4.9); the old RDN's values stay."""

    dn: str
    rdn: str
    superior_dn: str

    def send(self, connection: Connection, controls: list[Ldap3Control]) -> None:
        connection.modify_dn(self.dn, self.rdn, False, self.superior_dn, controls or None)


@dataclass(frozen=True, slots=True)
class AssertOnly:
    """No change: the entry is there, and what is asserted of it is true (RFC 4528 §3)."""

    dn: str


Operation = Add | Delete | Modify | Rename | AssertOnly
