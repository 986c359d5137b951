"""How the stores of each row of the table are opened: empty, with settings that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mi_ldap.settings import Settings, load_settings
from mi_ldap.sql import DatabaseConfig
from mi_ldap.sql.engine import Database
from tests.api.client import PASSWORD
from tests.api.store_pairs import Pairs
from tests.checks.databases import database_keys
from tests.checks.hybrid import of_database, of_directory
from tests.directory.readers import make_an_ordinary_account, readable_place
from tests.hosts_of_kinds import Hosts
from tests.hybrid.stores import MiRows
from tests.kinds import ACTIVE_DIRECTORY, Kind
from tests.sql.servers import DatabaseServer
from tests.sql.stores import Place, server_place, sqlite_place
from tests.subtree import Subtree
from tests.table.directories import place_on
from tests.table.stores import InDatabase, InDirectory, OnlyRead, Store


@dataclass(frozen=True)
class Servers:
    """What runs for all cells of this process.

    Attributes:
        hosts: the directories.
        database: returns the running server of `"postgresql"` or `"mariadb"`.
    """

    hosts: Hosts
    database: Callable[[str], DatabaseServer]


@dataclass(frozen=True)
class Opened:
    """The stores of one cell.

    Attributes:
        settings: make the service use them.
        stores: the primary one, and the secondary one if there is one.
    """

    settings: Settings
    stores: tuple[Store, ...]


Setup = Callable[[Servers, Path], AbstractContextManager[Opened]]
"""Opens the stores of a cell; the folder is an empty one, for the service's state too."""


def directory(kind: Kind) -> Setup:
    """Return how a place in a directory of that kind is opened."""

    @contextmanager
    def opened(servers: Servers, folder: Path) -> Iterator[Opened]:
        with place_on(servers.hosts, kind) as place:
            yield Opened(place.settings(folder), (InDirectory(place),))

    return opened


def database(kind: str) -> Setup:
    """Return how the tables of a database of that kind are opened."""

    @contextmanager
    def opened(servers: Servers, folder: Path) -> Iterator[Opened]:
        made = sqlite_place(folder) if kind == "sqlite" else server_place(servers.database(kind))
        with made as place:
            keys = database_keys(place.config, folder, bootstrap__mode="first_login")
            yield Opened(load_settings(keys), (InDatabase(place),))

    return opened


def pair(primary: str, secondary: str) -> Setup:
    """Return how a primary store of a kind and a secondary one of another kind are opened."""

    @contextmanager
    def opened(servers: Servers, folder: Path) -> Iterator[Opened]:
        pairs = Pairs(servers.hosts, servers.hosts, servers.database)
        with pairs.pair(primary, secondary, folder) as made:
            second = replace(_in(made.secondary), is_secondary=True)
            yield Opened(made.settings, (_in(made.primary), second))

    return opened


def _in(place: Subtree | Place) -> InDirectory | InDatabase:
    return InDirectory(place) if isinstance(place, Subtree) else InDatabase(place)


@contextmanager
def read_only_openldap(servers: Servers, folder: Path) -> Iterator[Opened]:
    """An OpenLDAP that the service may only read, with admins in PostgreSQL."""
    with (
        readable_place("openldap", folder, _add_first) as users,
        server_place(servers.database("postgresql")) as rows,
    ):
        keys = of_directory(users, folder, **of_database(rows.config))
        yield Opened(load_settings(keys), (OnlyRead(InDirectory(users), MiRows(rows)),))


@contextmanager
def read_only_active_directory(servers: Servers, folder: Path) -> Iterator[Opened]:
    """An Active Directory that the service may only read, with admins in the state folder."""
    file = DatabaseConfig("sqlite", (), str(folder / "hybrid-roles.sqlite"))
    with (
        servers.hosts.place(ACTIVE_DIRECTORY) as users,
        _ordinary_account(users) as account,
        closing(Database(file)) as tools,
    ):
        _add_first(users)
        reader = replace(users, host=replace(users.host, account=account))
        rows = MiRows(Place(file, file, tools))
        settings = load_settings(of_directory(reader, folder))
        yield Opened(settings, (OnlyRead(InDirectory(reader), rows),))


@contextmanager
def _ordinary_account(users: Subtree) -> Iterator[tuple[str, str]]:
    """The DN and password of an account without any right to write."""
    account = make_an_ordinary_account(users)
    try:
        yield account
    finally:
        users.tool.delete(account[0])


def _add_first(users: Subtree) -> None:
    """Add the user that logs in first, whom a service that only reads does not create."""
    users.add_user("admin", PASSWORD)
