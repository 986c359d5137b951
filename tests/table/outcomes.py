"""What the scenarios do on each kind of directory, for the table of `docs/directories.md`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from tests.hosts_of_kinds import Hosts
from tests.kinds import PLAIN_OPENLDAP, REPLICAS, UNIQUE_NAMES, Kind
from tests.table.directories import KINDS, api_on, place_on
from tests.table.rendering import CANNOT, DONE, Table
from tests.table.scenarios import SCENARIOS

_TITLES: Final = {
    "OpenLDAP": "OpenLDAP with overlays",
    "OpenLDAP, groupOfUniqueNames": "OpenLDAP, `groupOfUniqueNames`",
    "OpenLDAP, RFC 2307": "OpenLDAP, `posixGroup` (RFC 2307)",
    "Active Directory": "Active Directory (Samba)",
}

_NO_POLICY = "There is no policy in OpenLDAP without the overlay `ppolicy`: any password is taken."

KINDS_TABLE: Final = Table(
    name="kinds of directories",
    rows={kind.name: _TITLES.get(kind.name, kind.name) for kind in KINDS},
    columns=tuple(SCENARIOS),
    # A scenario that goes well where a note says that it cannot fails the test.
    notes={
        (REPLICAS.name, "policy"): _NO_POLICY,
        (PLAIN_OPENLDAP.name, "policy"): _NO_POLICY,
        (UNIQUE_NAMES.name, "policy"): _NO_POLICY,
    },
)


def outcome(hosts: Hosts, kind: Kind, column: str) -> str:
    """What the scenario comes to on that directory.

    Raises:
        AssertionError: it failed where it may not, or went well where it can't.
    """
    note = KINDS_TABLE.notes.get((kind.name, column))
    try:
        _play(hosts, kind, column)
    except AssertionError:
        if note is None:
            raise
        return CANNOT
    assert note is None, f"{kind.name} can do it after all: {column}"
    return DONE


def _play(hosts: Hosts, kind: Kind, column: str) -> None:
    with (
        tempfile.TemporaryDirectory() as state_dir,
        place_on(hosts, kind) as place,
        api_on(place, Path(state_dir)) as api,
    ):
        SCENARIOS[column](api, place)
