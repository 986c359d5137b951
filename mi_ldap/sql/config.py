"""The configuration of a database: its hosts and account, and how it stores passwords."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """The database of MI's `UM_` tables.

    Attributes:
        hosts: names and ports, in order of preference; `()` for SQLite.
        database: the name of the database; for SQLite the path of its file.
        tls: whether connections are encrypted; certificates are always verified.
        ca_file: the CA certificates in PEM format; None for those of the operating system.
        pool_size: the most connections of each process.
        connect_timeout_s: the longest time to connect to a host.
        response_timeout_s: the longest time of a statement.
        tenant_id: MI's tenant; MI has one, whose id is -1234.
        digest: SHA-1, SHA-256, SHA-384, SHA-512, MD5 or PLAIN_TEXT.
        salted: whether passwords are stored with a salt (`StoreSaltedPassword`).
        case_insensitive_names: whether `Bob` and `bob` are the same user name.
        writable: False for a store that is configured as read-only.
        roles_writable: False if users may be changed, but roles may not.
    """

    dialect: Literal["postgresql", "mysql", "sqlite"]
    hosts: tuple[tuple[str, int], ...]
    database: str
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    pool_size: int = 8
    connect_timeout_s: float = 5.0
    response_timeout_s: float = 10.0
    tenant_id: int = -1234
    digest: str = "SHA-256"
    salted: bool = True
    case_insensitive_names: bool = True
    writable: bool = True
    roles_writable: bool = True
