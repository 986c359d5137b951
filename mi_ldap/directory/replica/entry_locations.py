"""Check that the parents of the entries in memory are known, so that their moves are noticed.

OpenLDAP 2.5.13 reports an entry that is moved, and none of those below it. So each entry in memory
must lie directly below a base or a place that is polled. An entry without children is no place, and
it is not reported when it gets its first child.
"""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap.ldap import names


def strange(parents: Iterable[str], bases: Iterable[str], places: Iterable[str]) -> set[str]:
    """Return the parents that lie below a base and are no place.

    Args:
        parents: the parent DNs of the reported entries.
        bases: the bases of the searches; the move of a base is noticed, as searches then fail.
        places: the DNs of the entries that are polled as having others below them.
    """
    tops, known = [*bases], {*places}
    unknown = {dn for dn in parents if dn not in known and dn not in tops}
    within = {dn for dn in unknown if any(names.is_under(dn, top) for top in tops)}
    if not within:
        return within
    alike = {names.parsed_dn(dn) for dn in (*known, *tops)}
    return {dn for dn in within if names.parsed_dn(dn) not in alike}
