"""The entries that have children, which are polled so that their moves are noticed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mi_ldap.directory.replica.reasons import ResyncRequired
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry

HAS_CHILDREN: Final = "(hasSubordinates=TRUE)"


class Containers:
    """DNs of entries that have children; `is_complete` after the first poll."""

    def __init__(self) -> None:
        self.is_complete = False
        self._dns: dict[bytes, str] = {}

    def changed(self, uuid: bytes, entry: Entry) -> None:
        """Add a container.

        Raises:
            ResyncRequired: it was moved, or is new: it may have had another DN before it had
                children.
        """
        # OpenLDAP 2.5.13 reports an entry that is moved, and none of those below it. So each entry
        # in memory must be a child of a base or of a container that is polled.
        if self.is_complete and self._dns.get(uuid) != entry.dn:
            raise ResyncRequired("an entry with children was moved or is new")
        self._dns[uuid] = entry.dn

    def gone(self, uuid: bytes) -> None:
        """Refuse: the container may have been moved, with all entries below it.

        Raises:
            ResyncRequired: always.
        """
        raise ResyncRequired("an entry with children was moved or deleted")

    def dn_of(self, uuid: bytes) -> str | None:
        return self._dns.get(uuid)

    def uuids(self) -> Iterator[bytes]:
        return iter(self._dns)

    def unknown(self, parents: Iterable[str], bases: Iterable[str]) -> set[str]:
        """Return the parents that are below a base and are neither a base nor a container.

        Args:
            parents: the parent DNs of the reported entries.
            bases: the bases of the searches; the move of a base is noticed, as searches then fail.
        """
        # Texts are compared first: parsing the DNs takes longer, and nearly all are equal as texts.
        known = {*self._dns.values(), *bases}
        unknown = {*parents} - known
        within = {dn for dn in unknown if any(names.is_under(dn, base) for base in bases)}
        if not within:
            return within
        known_parsed = {names.parsed_dn(dn) for dn in known}
        return {dn for dn in within if names.parsed_dn(dn) not in known_parsed}
