"""Check that the parents of the entries in memory are polled, so that their moves are noticed.

OpenLDAP 2.5.13 reports an entry that is moved, and none of those below it. So each entry in memory
must be a child of a base or of a container that is polled. An entry without children is no
container, and it is not reported when it gets its first child.
"""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap.ldap import names


def unknown_parents(
    parents: Iterable[str], bases: Iterable[str], containers: Iterable[str]
) -> set[str]:
    """Return the parents that are below a base and are neither a base nor a polled container.

    Args:
        parents: the parent DNs of the reported entries.
        bases: the bases of the searches; the move of a base is noticed, as searches then fail.
        containers: the DNs of the entries that are polled because they have children.
    """
    tops, known = [*bases], {*containers}
    unknown = {dn for dn in parents if dn not in known and dn not in tops}
    within = {dn for dn in unknown if any(names.is_under(dn, top) for top in tops)}
    if not within:
        return within
    alike = {names.parsed_dn(dn) for dn in (*known, *tops)}
    return {dn for dn in within if names.parsed_dn(dn) not in alike}
