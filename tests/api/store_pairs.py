"""Pairs of a primary and a secondary store of every kind, with hybrid roles over both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

from mi_ldap.settings import Settings, load_settings
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.engine import Database
from mi_ldap.sql.schema import create_tables
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY, DS389, PLAIN_OPENLDAP, Kind
from tests.sql.servers import DatabaseServer
from tests.sql.stores import Place, server_place, sqlite_place
from tests.subtree import Subtree

DIRECTORIES: Final[Mapping[str, Kind]] = {
    "openldap": PLAIN_OPENLDAP,
    "389ds": DS389,
    "active-directory": ACTIVE_DIRECTORY,
}
DATABASES: Final = ("sqlite", "postgresql", "mariadb")
KINDS: Final = (*DIRECTORIES, *DATABASES)
PAIRS: Final = tuple(product(KINDS, KINDS))
"""All pairs of a primary and a secondary store."""

FEW: Final = tuple(zip(KINDS, (*DATABASES, *DIRECTORIES), strict=True))
"""Those of a directory and a database; each kind is primary once, and secondary once."""

_TOML: Final = '[[secondary_user_store]]\ndomain = "wso2.com"\n'
_USER_STORE: Final = "MI_LDAP_USER_STORE__"
_SECONDARY: Final = "MI_LDAP_SECONDARY_USER_STORE__WSO2_COM__"


@dataclass(frozen=True)
class Pair:
    """A primary and a secondary store.

    Attributes:
        settings: make the service use both.
        primary, secondary: where other tools work in them.
    """

    settings: Settings
    primary: Subtree | Place
    secondary: Subtree | Place


@dataclass(frozen=True)
class Pairs:
    """Makes the stores of a test; each server runs once, for all tests of this process.

    Attributes:
        hosts: the directories.
        others: those of a secondary store of the same kind: in Active Directory and 389 DS a name
            is unique in the whole server.
        server: returns the running server of a kind of `DATABASES`.
    """

    hosts: Hosts
    others: Hosts
    server: Callable[[str], DatabaseServer]

    @contextmanager
    def settings(
        self, primary: str, secondary: str, folder: Path, **more: str
    ) -> Iterator[Settings]:
        """The settings of `pair`."""
        with self.pair(primary, secondary, folder, **more) as made:
            yield made.settings

    @contextmanager
    def pair(self, primary: str, secondary: str, folder: Path, **more: str) -> Iterator[Pair]:
        """A primary store and `wso2.com`, both empty; `more` as in `SERVER__PORT`.

        Hybrid roles are in the database of the primary store; beside a directory in a datasource,
        which is of the kind of the secondary store if that is a database.
        """
        with ExitStack() as opened:
            environ = {"MI_LDAP_STATE_DIR": str(folder)}
            (folder / "mi-ldap.toml").write_text(_TOML, encoding="utf-8")
            environ["MI_LDAP_CONFIG"] = str(folder / "mi-ldap.toml")
            first: Subtree | Place
            if primary in DIRECTORIES:
                first = opened.enter_context(self.hosts.place(DIRECTORIES[primary]))
                environ |= first.environment
                hybrid = opened.enter_context(
                    self._first(secondary if secondary in DATABASES else "sqlite", folder)
                )
            else:
                environ[f"{_USER_STORE}TYPE"] = "database"
                first = hybrid = opened.enter_context(self._first(primary, folder))
            environ |= _database("MI_LDAP_DATASOURCE__", hybrid.config)
            hosts = self.others if primary == secondary else self.hosts
            second, keys = self._secondary(secondary, hosts, folder, opened)
            environ |= {**keys, **{f"MI_LDAP_{key}": value for key, value in more.items()}}
            yield Pair(load_settings(environ), first, second)

    def _secondary(
        self, kind: str, hosts: Hosts, folder: Path, opened: ExitStack
    ) -> tuple[Subtree | Place, dict[str, str]]:
        """The store of `wso2.com`, and its keys."""
        if kind in DIRECTORIES:
            subtree = opened.enter_context(hosts.place(DIRECTORIES[kind]))
            return subtree, {
                _SECONDARY + key.removeprefix(_USER_STORE): value
                for key, value in subtree.environment.items()
            }
        place = opened.enter_context(self._second(kind, folder))
        return place, {f"{_SECONDARY}TYPE": "database", **_database(_SECONDARY, place.config)}

    @contextmanager
    def _first(self, kind: str, folder: Path) -> Iterator[Place]:
        with sqlite_place(folder) if kind == "sqlite" else server_place(self.server(kind)) as place:
            yield place

    @contextmanager
    def _second(self, kind: str, folder: Path) -> Iterator[Place]:
        """Another database of the same kind."""
        if kind == "sqlite":
            (folder / "secondary").mkdir()
            with sqlite_place(folder / "secondary") as place:
                yield place
            return
        server = self.server(kind)
        if server.second_database is None:
            server.second_database = server.new_database()
        config = replace(server.config, database=server.second_database)
        tool = replace(server.tool, database=server.second_database)
        create_tables(config)
        with closing(Database(tool)) as tools, closing(Place(config, tool, tools)) as place:
            place.empty()
            yield place


def _database(prefix: str, config: DatabaseConfig) -> dict[str, str]:
    if config.dialect == "sqlite":
        return {f"{prefix}URL": f"sqlite:///{config.database}"}
    ((host, port),) = config.hosts
    kind = "mariadb" if config.dialect == "mysql" else config.dialect
    return {
        f"{prefix}URL": f"jdbc:{kind}://{host}:{port}/{config.database}",
        f"{prefix}USERNAME": config.username,
        f"{prefix}PASSWORD": config.password,
    }
