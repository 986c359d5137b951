"""Connections to the directory: opening them with verified TLS, and a bounded pool of them.

ldap3's own pools and strategies are not used: REUSABLE polls, RESTARTABLE sends a bind twice,
ServerPool leaks connections. Here a connection is used by one thread at a time and is dropped after
the first error on its wire. Passwords go straight into the bind request: a connection object that
held one would print it in its `repr`.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from ldap3 import ANONYMOUS, NONE, SYNC, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException
from pyasn1.error import PyAsn1Error

from mi_ldap.deadline import remaining_s
from mi_ldap.directory.session import Refused, Session
from mi_ldap.directory.wire import Wire
from mi_ldap.errors import DirectoryUnavailable

log = structlog.get_logger()

IDLE_S = 120.0
"""An idle connection older than this is replaced: firewalls forget them without a word."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the directory listens, and what is demanded of it.

    Attributes:
        urls: `("ldaps://ldap.example.org:636",)`, without a path, in the order of preference.
        start_tls: whether the connection is encrypted before anything else is said (RFC 4513 §3).
        ca_file: who signs the server's certificate; None for the system's authorities.
        connect_timeout_s: how long a connection may take to open.
        answer_s: how long an answer may take.
    """

    urls: tuple[str, ...]
    start_tls: bool = False
    ca_file: Path | None = None
    connect_timeout_s: float = 5.0
    answer_s: float = 5.0


class Connector:
    """Opens sessions that are ready for use."""

    def __init__(self, address: Address, observe: Callable[[str], None]) -> None:
        self._address = address
        self._observe = observe
        encrypted = address.start_tls or any(url.startswith("ldaps:") for url in address.urls)
        self._tls = _SharedTls(_tls_context(address.ca_file)) if encrypted else None

    def anonymous(self) -> Session:
        """A session that has not said who it is, with the first server that can be reached."""
        urls = self._address.urls
        for at, url in enumerate(urls[:-1]):
            with suppress(DirectoryUnavailable):
                return self._session(url, remaining_s() / (len(urls) - at))
        return self._session(urls[-1], remaining_s())

    def bound(self, dn: str, password: str) -> Session:
        """A session of the service's own account."""
        session = self.anonymous()
        try:
            if dn:
                session.bind(dn, password)
            elif session.connection.server.ipc:
                session.bind_as_process()
        except Refused as refused:
            session.close()
            log.error("directory_account_refused", account=dn, code=refused.code)
            raise DirectoryUnavailable(
                "The directory does not accept the service's own account. See the service's log."
            ) from refused
        return session

    def _session(self, url: str, share_s: float) -> Session:
        within_s = min(share_s, self._address.connect_timeout_s)
        if within_s <= 0:
            raise DirectoryUnavailable
        server = Server(url, get_info=NONE, tls=self._tls, connect_timeout=within_s)
        connection = Connection(
            server,
            authentication=ANONYMOUS,
            client_strategy=SYNC,
            auto_referrals=False,
            check_names=False,
            return_empty_attributes=False,
        )
        try:
            self._open(connection)
        except (LDAPException, OSError, PyAsn1Error) as error:
            log.warning("directory_unreachable", server=url, error=str(error))
            if connection.socket is not None:
                connection.socket.close()
            raise DirectoryUnavailable from error
        return Session(connection, self._observe, self._address.answer_s)

    def _open(self, connection: Connection) -> None:
        connection.open(read_server_info=False)
        if connection.socket.family != socket.AF_UNIX:
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._address.start_tls:
            connection.socket = Wire(connection.socket, time.monotonic() + remaining_s())
            connection.start_tls(read_server_info=False)
        connection.socket = Wire(connection.socket, time.monotonic())


@dataclass
class Pool:
    """At most `size` sessions, made when they are needed, the last used first.

    Args:
        connect: makes a session.
        size: how many there may be at one time.
    """

    connect: Callable[[], Session]
    size: int
    _idle: list[Session] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._slots = threading.BoundedSemaphore(self.size)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for the caller alone.

        Raises:
            DirectoryUnavailable: none came free, or could be opened, in the request's time.
        """
        if not self._slots.acquire(timeout=remaining_s()):
            raise DirectoryUnavailable("All connections to the directory are busy. Try again.")
        try:
            session = self._idle_session() or self.connect()
            try:
                yield session
            finally:
                self._give_back(session)
        finally:
            self._slots.release()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def _idle_session(self) -> Session | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                session = self._idle.pop()
            if time.monotonic() - session.idle_since < IDLE_S and not session.is_stale():
                return session
            session.close()

    def _give_back(self, session: Session) -> None:
        if not session.usable:
            session.close()
            return
        with self._lock:
            self._idle.append(session)


class _SharedTls(Tls):
    """ldap3's TLS with one context for all connections (it makes one each: 20 ms) that verifies."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        plain = connection.socket.bare if isinstance(connection.socket, Wire) else connection.socket
        plain.settimeout(max(0.001, remaining_s()))
        connection.socket = self._context.wrap_socket(
            plain,
            do_handshake_on_connect=do_handshake,
            server_hostname=connection.server.host,
        )


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
