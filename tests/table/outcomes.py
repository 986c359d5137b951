"""The table of `docs/directories.md`: made from what the scenarios did, and read again."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final

from tests.hosts_of_kinds import Hosts
from tests.kinds import PLAIN_OPENLDAP, REPLICAS, UNIQUE_NAMES, Kind
from tests.table.directories import KINDS, api_on, place_on
from tests.table.scenarios import SCENARIOS

PAGE: Final = Path(__file__).parents[2] / "docs/directories.md"
BEGIN: Final = "<!-- made by scripts/directories-table -->"
END: Final = "<!-- end of the table -->"
DONE, CANNOT = "✓", "—"

TITLES: Final = {
    "OpenLDAP": "OpenLDAP with overlays",
    "OpenLDAP, groupOfUniqueNames": "OpenLDAP, `groupOfUniqueNames`",
    "OpenLDAP, RFC 2307": "OpenLDAP, `posixGroup` (RFC 2307)",
    "Active Directory": "Active Directory (Samba)",
}

_NO_POLICY = "There is no policy in OpenLDAP without the overlay `ppolicy`: any password is taken."
NOTES: Final = {
    (REPLICAS.name, "policy"): _NO_POLICY,
    (PLAIN_OPENLDAP.name, "policy"): _NO_POLICY,
    (UNIQUE_NAMES.name, "policy"): _NO_POLICY,
}
"""What a directory can't do, and why; a scenario that goes well all the same fails the test."""

Cells = dict[tuple[str, str], str]


def outcome(hosts: Hosts, kind: Kind, column: str) -> str:
    """What the scenario comes to on that directory.

    Raises:
        AssertionError: it failed where it may not, or went well where it can't.
    """
    note = NOTES.get((kind.name, column))
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


def table(cells: Cells) -> str:
    """The lines between the markers."""
    lines = [["", *SCENARIOS], ["---", *(":-:" for _ in SCENARIOS)]]
    for kind in KINDS:
        shown = (_shown(cells[kind.name, column], kind.name, column) for column in SCENARIOS)
        lines.append([TITLES.get(kind.name, kind.name), *shown])
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "\n".join(f"{number}. {note}" for number, note in enumerate(_notes(), 1))
    return f"{rows}\n\n{notes}\n"


def _shown(cell: str, kind: str, column: str) -> str:
    return f"{cell} ({_notes().index(NOTES[kind, column]) + 1})" if cell == CANNOT else cell


def _notes() -> list[str]:
    return list(dict.fromkeys(NOTES.values()))


def expected() -> Cells:
    """The table as it must be: nothing fails, and what can't be is noted."""
    every = [(kind.name, column) for kind in KINDS for column in SCENARIOS]
    return {each: CANNOT if each in NOTES else DONE for each in every}


def written() -> str:
    """The table as the page has it."""
    (found,) = re.findall(rf"{BEGIN}\n(.*?){END}", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found).strip("\n") + "\n"


def write(cells: Cells) -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table(cells)}{END}{after}", encoding="utf-8")
