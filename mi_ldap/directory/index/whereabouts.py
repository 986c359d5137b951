"""Where entries lie that are held: below entries that are held as places, or they could move along.

OpenLDAP 2.5.13 tells of an entry that moves, and of none below it. So whoever is held must lie in a
base itself or below a place that is polled. An entry is none as long as nothing is below it, and
nothing is told of it when its first child comes.
"""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap.directory import names


def strange(parents: Iterable[str], bases: Iterable[str], places: Iterable[str]) -> set[str]:
    """The parents that lie below a base and are no place.

    Args:
        parents: the DNs below which entries were told of.
        bases: those that are searched; one that moves is not found any more, which is told.
        places: the DNs of the entries that are polled as having others below them.
    """
    tops, known = [*bases], {*places}
    unknown = {dn for dn in parents if dn not in known and dn not in tops}
    within = {dn for dn in unknown if any(names.is_under(dn, top) for top in tops)}
    if not within:
        return within
    alike = {names.parsed_dn(dn) for dn in (*known, *tops)}
    return {dn for dn in within if names.parsed_dn(dn) not in alike}
