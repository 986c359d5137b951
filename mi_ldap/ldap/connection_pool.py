"""Connections to the directory: opening them with verified TLS, and a bounded pool of them.

A connection is used by one thread at a time, and is dropped after its first error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore, Lock

import structlog
from ldap3 import Connection

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import srv, tls
from mi_ldap.ldap.account_policy import MUST_CHANGE, AccountPolicy, refusal
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.health_check import FailoverTimings
from mi_ldap.ldap.ldap3_internals import connection_over, use_tls_socket
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.servers import AccountRefused, ServerBusy, Servers
from mi_ldap.ldap.transport import connect, is_ldaps, is_local_socket, wrap_in_tls

log = structlog.get_logger()

IDLE_S = 120.0
"""Longest idle time of a connection, in seconds: firewalls drop idle connections silently."""

START_TLS = "1.3.6.1.4.1.1466.20037"


@dataclass(frozen=True, slots=True)
class Address:
    """The addresses of the directory, TLS and timeouts.

    Attributes:
        urls: `("ldaps://ldap.example.org:636",)`, without a path, in order of preference;
            `"ldaps+srv://example.org"` for those that DNS names.
        start_tls: whether StartTLS is the first operation of each connection (RFC 4513 §3).
        ca_file: the CA of the server's certificate; None for the system's CAs.
        connect_timeout_s: longest time for opening a connection, in seconds.
        response_timeout_s: longest wait for a response, in seconds.
        certificate_file: the client certificate; None for none.
        key_file: the key of the client certificate; None if it is in the same file.
    """

    urls: tuple[str, ...]
    start_tls: bool = False
    ca_file: Path | None = None
    connect_timeout_s: float = 5.0
    response_timeout_s: float = 5.0
    certificate_file: Path | None = None
    key_file: Path | None = None

    @property
    def is_encrypted(self) -> bool:
        return self.start_tls or any(url.lower().startswith("ldaps") for url in self.urls)


@dataclass(frozen=True, slots=True)
class Account:
    """The service account; without a DN, SASL EXTERNAL (certificate or process) or anonymous."""

    dn: str = ""
    password: str = field(default="", repr=False)


class Connector:
    """Opens connections that are ready for use; all connections of a process use the same server.

    Args:
        address: the addresses of the directory, TLS and timeouts.
        account: the service account.
        observe: called with the name of each LDAP operation.
        look_up: queries DNS for SRV records.
        timings: timeouts and pauses of health checks.

    Raises:
        ConfigurationError: a certificate cannot be used.
    """

    def __init__(
        self,
        address: Address,
        account: Account,
        observe: Callable[[str], None],
        look_up: srv.LookUp = srv.look_up,
        timings: FailoverTimings | None = None,
    ) -> None:
        self._address, self._account, self._observe = address, account, observe
        # One context for all connections: creating one takes 20 ms.
        self._context = (
            tls.verifying_context(address.ca_file, address.certificate_file, address.key_file)
            if address.is_encrypted
            else None
        )
        self.account_policy = AccountPolicy()
        # Set once the kind of server is known, for connections that are already open, too.
        self.can_pipeline = True
        timings = timings or FailoverTimings(
            single_server_s=address.connect_timeout_s + address.response_timeout_s
        )
        self.servers = Servers(srv.Addresses(address.urls, look_up), self._probe, timings)

    def anonymous(self) -> LdapConnection:
        """Return a connection without a bind."""
        return self._observed(self.servers.connected(self._open))

    def bound(self, *, wait_for_server: bool = False) -> LdapConnection:
        """Return one bound as the service account; `wait_for_server` as in `Servers.connected`."""
        connection = self.servers.connected(self.connect_to, wait_for_server=wait_for_server)
        return self._observed(connection)

    def is_current(self, connection: LdapConnection) -> bool:
        """Whether the connection is one to the current server."""
        return self.servers.is_current(connection.server)

    def close(self) -> None:
        """Stop the health checks."""
        self.servers.close()

    def _observed(self, connection: LdapConnection) -> LdapConnection:
        connection.ldap3_connection.socket.observer = _ConnectionObserver(
            self.servers, connection.server
        )
        return connection

    def _probe(self, url: str) -> None:
        connection = self.connect_to(url, quiet=True)
        try:
            connection.read("", "(objectClass=*)", ["1.1"])
        except LdapError:
            pass  # the server answers; the account may lack the right to read the root DSE
        finally:
            connection.close()

    def connect_to(self, url: str, *, quiet: bool = False) -> LdapConnection:
        """Return one to that server, bound as the account; `quiet` as in `LdapConnection`.

        Raises:
            DirectoryUnavailable: with the reason in one sentence.
        """
        connection = self._open(url, quiet=quiet)
        sock = connection.ldap3_connection.socket
        try:
            self._authenticate(connection, url)
        except LdapError as refused:
            connection.close()
            raise self._refusal(refused) from refused
        except DirectoryUnavailable as error:
            connection.close()
            # With TLS 1.3 a server rejects a wrong or missing client certificate only now.
            original = sock.error or error
            raise _outage(url, original, in_handshake=self._uses_tls(url)) from original
        except BaseException:
            connection.close()
            raise
        return connection

    def _authenticate(self, connection: LdapConnection, url: str) -> None:
        if self._account.dn:
            # Not by ldap3 2.9.1: the `repr` of its connection would show the password.
            policy = connection.bind(self._account.dn, self._account.password)
            self.account_policy.note(policy)
            if policy.error == MUST_CHANGE:
                # OpenLDAP 2.5 accepts the bind, then rejects every operation with code 50.
                raise LdapError(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, "", policy.error)
        elif is_local_socket(url) or self._address.certificate_file:
            connection.bind_as_process()

    def _refusal(self, refused: LdapError) -> DirectoryUnavailable:
        if refused.code in (ResultCode.BUSY, ResultCode.UNAVAILABLE):
            return ServerBusy("The directory is busy. Try again later.")
        log.error("directory_account_refused", account=self._account.dn, code=int(refused.code))
        return AccountRefused(refusal(refused))

    def _open(self, url: str, *, quiet: bool = False) -> LdapConnection:
        address = self._address
        with deadline(min(remaining_s(), address.connect_timeout_s)):
            ldap3_connection = self._ldap3_connection(url)
        return LdapConnection(
            ldap3_connection,
            self._observe,
            address.response_timeout_s,
            url,
            quiet,
            can_pipeline=lambda: self.can_pipeline,
        )

    def _ldap3_connection(self, url: str) -> Connection:
        try:
            plain = connect(url, self._address.response_timeout_s)
        except Exception as error:
            raise _outage(url, error) from error
        sock = DeadlineSocket(plain, time.monotonic() + remaining_s())
        ldap3_connection = connection_over(sock)
        try:
            self._encrypt(ldap3_connection, url)
        except Exception as error:  # noqa: BLE001 - any error is an outage
            sock.close()
            original = sock.error or error
            raise _outage(url, original, in_handshake=True) from original
        return ldap3_connection

    def _uses_tls(self, url: str) -> bool:
        return not is_local_socket(url) and (self._address.start_tls or is_ldaps(url))

    def _encrypt(self, ldap3_connection: Connection, url: str) -> None:
        """Start TLS as configured; raise an error if that fails, with no fallback to plain LDAP."""
        if not self._uses_tls(url):
            return
        if self._context is None:
            raise tls.NoStartTls
        if not is_ldaps(url):
            ldap3_connection.extended(START_TLS)
            if ldap3_connection.result["result"] != ResultCode.SUCCESS:
                raise tls.NoStartTls(ldap3_connection.result["description"])
        end_at = time.monotonic() + remaining_s()
        # A new DeadlineSocket: bytes that an attacker appended to the unencrypted response stay in
        # the buffer of the old one, and are never read as if they had come over TLS.
        wrapped = wrap_in_tls(ldap3_connection.socket.plain, url, self._context)
        use_tls_socket(ldap3_connection, DeadlineSocket(wrapped, end_at))


@dataclass(frozen=True, slots=True)
class _ConnectionObserver:
    """Reports the events of a connection's socket to `Servers`."""

    servers: Servers
    url: str

    def failed(self) -> None:
        self.servers.suspect(self.url)

    def answered(self) -> None:
        self.servers.note_answer(self.url)

    def is_failed(self, silent_s: float) -> bool:
        return self.servers.is_failed(self.url, silent_s)


def _outage(url: str, error: BaseException, *, in_handshake: bool = False) -> DirectoryUnavailable:
    if is_local_socket(url):
        return DirectoryUnavailable(tls.sentence_for_socket(error))
    return DirectoryUnavailable(tls.sentence_for(error, in_handshake=in_handshake))


# Not the pools and strategies of ldap3 2.9.1: REUSABLE polls for responses (158 searches/s against
# 2,300), RESTARTABLE sends a rejected bind a second time, and ServerPool leaks connections.
@dataclass
class Pool:
    """At most `size` connections, opened when needed; the last used one is used first.

    Args:
        connect: opens a connection.
        size: the maximum number of connections.
        is_current: whether an idle connection is one to the current server.
    """

    connect: Callable[[], LdapConnection]
    size: int
    is_current: Callable[[LdapConnection], bool] = lambda connection: True
    _idle: list[LdapConnection] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._slots = BoundedSemaphore(self.size)

    @contextmanager
    def connection(self) -> Iterator[LdapConnection]:
        """Lend a connection to the caller.

        Raises:
            DirectoryUnavailable: no connection became free or could be opened before the deadline.
        """
        if not self._slots.acquire(timeout=remaining_s()):
            raise DirectoryUnavailable("All connections to the directory are busy. Try again.")
        try:
            connection = self._idle_connection() or self.connect()
            try:
                yield connection
            finally:
                self._return(connection)
        finally:
            self._slots.release()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _idle_connection(self) -> LdapConnection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                # The last used one, so that the others exceed `IDLE_S` and are closed.
                connection = self._idle.pop()
            if self._is_reusable(connection):
                return connection
            connection.close()

    def _is_reusable(self, connection: LdapConnection) -> bool:
        is_fresh = time.monotonic() - connection.idle_since < IDLE_S
        return is_fresh and self.is_current(connection) and not connection.is_stale()

    def _return(self, connection: LdapConnection) -> None:
        if not connection.usable:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)
