"""What the scenarios do on each kind of store, for the table of `docs/directories.md`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mi_ldap.wiring import services
from tests.api.conftest import api_over
from tests.kinds import PLAIN_OPENLDAP, REPLICAS, UNIQUE_NAMES, Kind
from tests.table.directories import KINDS
from tests.table.refusals import any_password, no_admins, no_changes_of_users
from tests.table.rendering import CANNOT, DONE, Table
from tests.table.scenarios import SCENARIOS, Scenario
from tests.table.setups import (
    Servers,
    Setup,
    database,
    directory,
    pair,
    read_only_active_directory,
    read_only_openldap,
)

_TITLES: Final = {
    "OpenLDAP": "OpenLDAP with overlays",
    "OpenLDAP, groupOfUniqueNames": "OpenLDAP, `groupOfUniqueNames`",
    "OpenLDAP, RFC 2307": "OpenLDAP, `posixGroup` (RFC 2307)",
    "Active Directory": "Active Directory (Samba)",
}

Refused = Mapping[str, tuple[str, Scenario]]
"""By column the note, and what is tried in place of the column's scenario."""

_NO_POLICY: Final[Refused] = {
    "policy": (
        "There is no policy in OpenLDAP without the overlay `ppolicy`: any password is taken.",
        any_password,
    )
}
_NO_POLICY_OF_A_DATABASE: Final[Refused] = {
    "policy": (
        "A database has no policy: any password is taken unless `password_java_regex` is set.",
        any_password,
    )
}
_NO_POLICY_IN_EITHER: Final[Refused] = {
    "policy": ("Neither of the two stores has a policy.", any_password)
}
_READ_ONLY: Final[Refused] = dict.fromkeys(
    ("add", "password", "policy", "removal"),
    ("The directory takes no changes of users: 403, and nothing is changed.", no_changes_of_users),
)

_OF_A_SECONDARY_STORE: Final[Mapping[str, Scenario]] = {
    **{name: each for name, each in SCENARIOS.items() if name not in ("custody", "bootstrap race")},
    "admin": no_admins,
}
"""What is tried with the users of a secondary store as well: admins are in the primary one."""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        setup: opens its stores, empty.
        refused: the columns in which it has `CANNOT`.
        scenarios: what is tried with the users of each of its stores, by column.
    """

    title: str
    setup: Setup
    refused: Refused = field(default_factory=dict)
    scenarios: Sequence[Mapping[str, Scenario]] = (SCENARIOS,)

    def tried(self, column: str) -> list[tuple[int, Scenario]]:
        """What a cell stands for: scenarios, each with the number of the store."""
        refused = {name: check for name, (_, check) in self.refused.items()}
        every = [{**each, **refused} for each in self.scenarios]
        return [(at, each[column]) for at, each in enumerate(every) if column in each]


def _pair(title: str, primary: str, secondary: str) -> Row:
    scenarios = (SCENARIOS, _OF_A_SECONDARY_STORE)
    return Row(title, pair(primary, secondary), _NO_POLICY_IN_EITHER, scenarios)


def _of_kind(kind: Kind) -> Row:
    is_bare = kind in (PLAIN_OPENLDAP, REPLICAS, UNIQUE_NAMES)
    title = _TITLES.get(kind.name, kind.name)
    return Row(title, directory(kind), _NO_POLICY if is_bare else {})


ROWS: Final = (
    *map(_of_kind, KINDS),
    Row("PostgreSQL", database("postgresql"), _NO_POLICY_OF_A_DATABASE),
    Row("MariaDB", database("mariadb"), _NO_POLICY_OF_A_DATABASE),
    Row("SQLite", database("sqlite"), _NO_POLICY_OF_A_DATABASE),
    Row("OpenLDAP, read-only; admins in PostgreSQL", read_only_openldap, _READ_ONLY),
    Row(
        "Active Directory (Samba), read-only; admins in SQLite",
        read_only_active_directory,
        _READ_ONLY,
    ),
    _pair("OpenLDAP; secondary PostgreSQL", "openldap", "postgresql"),
    _pair("MariaDB; secondary OpenLDAP", "mariadb", "openldap"),
)

KINDS_TABLE: Final = Table(
    name="kinds of directories",
    rows={row.title: row.title for row in ROWS},
    columns=tuple(SCENARIOS),
    notes={(row.title, column): note for row in ROWS for column, (note, _) in row.refused.items()},
)


def outcome(servers: Servers, row: Row, column: str) -> str:
    """What the scenario comes to in that row, with the users of each of its stores.

    Raises:
        AssertionError: it failed, or what is refused was not.
    """
    for number, scenario in row.tried(column):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
            stores = opened.enter_context(row.setup(servers, Path(folder)))
            made = services(stores.settings)
            opened.callback(made.close)
            scenario(api_over(made, opened), stores.stores[number])
    return CANNOT if column in row.refused else DONE
