"""The directory that is measured: where it is, who reads it, and what its entries are called."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from ldap3 import NONE, SYNC, Connection, Server

from benchmarks.callers import BenchmarkError
from benchmarks.population import GROUPS, PEOPLE
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.settings import load_settings
from mi_ldap.sql import DatabaseConfig
from mi_ldap.wiring import database_config
from tests.hosts.tls import VerifyingTls

EMBEDDED, FAR_OPENLDAP, TLS_OPENLDAP = "embedded", "openldap-2ms", "openldap-ldaps"
DS389, SAMBA = "389ds", "samba"
POSTGRESQL, MARIADB = "postgresql", "mariadb"
DATABASES = (POSTGRESQL, MARIADB)
DIRECTORIES = {
    EMBEDDED: "embedded OpenLDAP",
    FAR_OPENLDAP: "OpenLDAP, 2 ms away",
    TLS_OPENLDAP: "OpenLDAP by ldaps",
    DS389: "389 Directory Server by ldaps",
    SAMBA: "Active Directory (Samba) by ldaps",
    POSTGRESQL: "PostgreSQL",
    MARIADB: "MariaDB",
}
"""The directories and databases that can be measured, by the names of the command line."""

_VARIABLE = "BENCH_TARGET"


@dataclass(frozen=True, slots=True)
class Target:
    """A directory or database; the service starts the embedded directory itself.

    Attributes:
        directory: one of `DIRECTORIES`.
        url: of the directory; the JDBC address of a database.
        service_dn: the service's account; its name in a database.
        ca_file: of the server's certificate, `""` without TLS.
        settings: further settings of the service, as `{"USER_STORE__PROFILE": "auto"}`.
    """

    directory: str
    url: str
    service_dn: str
    service_password: str
    ca_file: str = ""
    people: str = PEOPLE
    groups: str = GROUPS
    settings: Mapping[str, str] | None = None

    @classmethod
    def embedded(cls, own: EmbeddedDirectory) -> Self:
        """The directory that the service starts in its state folder."""
        return cls(EMBEDDED, own.url, own.service_dn, own.read_service_password())

    @classmethod
    def from_environment(cls) -> Self:
        """The target of the process that has started this one."""
        return cls(**json.loads(os.environ[_VARIABLE]))

    @property
    def is_embedded(self) -> bool:
        return self.directory == EMBEDDED

    @property
    def is_active_directory(self) -> bool:
        return self.directory == SAMBA

    @property
    def is_database(self) -> bool:
        return self.directory in DATABASES

    @property
    def database_config(self) -> DatabaseConfig:
        """How the service reaches the database."""
        return database_config(load_settings(self.environment))

    @property
    def environment(self) -> dict[str, str]:
        """What makes the service, and the bare views, use it."""
        variables = {_VARIABLE: json.dumps(asdict(self))}
        return variables if self.is_embedded else variables | self._user_store()

    def _user_store(self) -> dict[str, str]:
        given = self._database() if self.is_database else self._directory()
        return {f"MI_LDAP_{key}": value for key, value in given.items()}

    def _database(self) -> dict[str, str]:
        return {
            "USER_STORE__TYPE": "database",
            "DATASOURCE__URL": self.url,
            "DATASOURCE__USERNAME": self.service_dn,
            "DATASOURCE__PASSWORD": self.service_password,
        }

    def _directory(self) -> dict[str, str]:
        return {
            "USER_STORE__CONNECTION_URL": self.url,
            "USER_STORE__CONNECTION_NAME": self.service_dn,
            "USER_STORE__CONNECTION_PASSWORD": self.service_password,
            "USER_STORE__CA_FILE": self.ca_file,
            "USER_STORE__USER_SEARCH_BASE": self.people,
            "USER_STORE__GROUP_SEARCH_BASE": self.groups,
            "USER_STORE__ALLOW_PLAINTEXT": "true",
            **(self.settings or {}),
        }

    def user_dn(self, name: str) -> str:
        """The entry of a user."""
        return f"{'cn' if self.is_active_directory else 'uid'}={name},{self.people}"

    def role_dn(self, name: str) -> str:
        """The entry of a role."""
        return f"cn={name},{self.groups}"

    def as_service(self) -> Any:
        """An open connection of the service's account; close it."""
        connection = self.connected(self.service_dn, self.service_password)
        if not connection.bind():
            raise BenchmarkError(f"{self.service_dn} cannot log in: {connection.result}")
        return connection

    def connected(self, dn: str | None = None, password: str | None = None) -> Any:
        """An open connection, not bound; close it."""
        tls = VerifyingTls(self.ca_file) if self.ca_file else None  # type: ignore[arg-type]
        server = Server(self.url, tls=tls, get_info=NONE)
        connection: Any = Connection(
            server, dn, password, client_strategy=SYNC, check_names=False, auto_referrals=False
        )
        connection.open()
        return connection
