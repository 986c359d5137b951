"""Requests and responses on one connection: deadlines, message ids, and the errors of both sides.

All errors of ldap3 and of the socket end here: a failure of the connection becomes
`DirectoryUnavailable`.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from ldap3 import Connection
from ldap3.core.exceptions import LDAPException
from pyasn1.error import PyAsn1Error

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import DirectoryUnavailable, MiLdapError
from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap.result_codes import LdapError

log = structlog.get_logger()

UNBIND_TIMEOUT_S = 0.5
"""Timeout for sending an unbind request, in seconds."""

_FIRST_ID: Final = 0x08000000
"""Message ids of our own requests start here, far from those of ldap3 on the same connection."""

NOT_IN_TIME: Final = "The directory did not answer in time. Try again later."


class ReadStopped(Exception):
    """The consumer of a response stopped reading it; not an error of the server."""


@dataclass(slots=True)
class Exchanges:
    """Exchanges of requests and responses on one connection, which one thread at a time uses.

    Attributes:
        ldap3_connection: ldap3's connection over a `DeadlineSocket`; only for this package.
        observe: called with each operation's name, for counting.
        response_timeout_s: the longest wait for a response, within the request's remaining time.
        server: the address of the server.
        quiet: whether a failure is expected, so that no warning is logged.
        usable: False after an error of the connection; the pool then drops it.
        idle_since: `time.monotonic()` of the last use.
        policy: the response of the password policy to the last successful bind.
    """

    ldap3_connection: Connection
    observe: Callable[[str], None] = lambda operation: None
    response_timeout_s: float = 5.0
    server: str = ""
    quiet: bool = False
    usable: bool = True
    idle_since: float = field(default_factory=time.monotonic)
    policy: ctl.Policy = field(default_factory=ctl.Policy)
    _sent: int = 0

    def certificate(self) -> dict[str, object] | None:
        """Return the server's certificate as `ssl.SSLSocket.getpeercert` does; None without TLS."""
        plain = self.ldap3_connection.socket.plain
        return dict(plain.getpeercert() or {}) if isinstance(plain, ssl.SSLSocket) else None

    def is_stale(self) -> bool:
        """Whether the server closed the connection or sent data since the last response."""
        # ldap3 sets its connection's socket to None when it closes the connection after an error.
        return self.ldap3_connection.socket is None or not self.ldap3_connection.socket.is_idle()

    def close(self) -> None:
        """Send an unbind request if that does not block, and close the connection."""
        self.usable = False
        sock = self.ldap3_connection.socket
        if sock is None:
            return
        with contextlib.suppress(Exception):
            sock.end_at = time.monotonic() + UNBIND_TIMEOUT_S
            self.ldap3_connection.unbind()
        with contextlib.suppress(Exception):
            sock.close()

    def next_message_id(self) -> int:
        """Return a message id that is unique on this connection."""
        self._sent += 1
        return _FIRST_ID + self._sent

    def _response_deadline(self) -> float:
        return time.monotonic() + min(remaining_s(), self.response_timeout_s)

    @contextmanager
    def exchange(self, operation: str, count: int = 1) -> Iterator[None]:
        """Convert the errors of sending requests and reading their responses; set the deadline.

        Args:
            operation: the name of the operation, for `observe` and the log.
            count: the number of requests.

        Raises:
            DirectoryUnavailable: the request's time is over, or the connection failed; it is not
                usable then.
        """
        sock = self.ldap3_connection.socket
        if remaining_s() <= 0:  # nothing was sent: the connection stays usable
            raise DirectoryUnavailable(NOT_IN_TIME)
        if sock is None:
            self.usable = False
            raise DirectoryUnavailable
        for _ in range(count):
            self.observe(operation)
        try:
            sock.end_at = self._response_deadline()
            yield
        except (LdapError, MiLdapError, ReadStopped):
            self.usable = False
            raise
        except Exception as error:
            # Any error: ldap3 2.9.1 raises KeyError, IndexError, TypeError or UnicodeError, too, if
            # it cannot decode a response.
            self.usable = False
            self._report(operation, error, sock.error)
            raise DirectoryUnavailable(*_reasons(sock.error)) from error
        except BaseException:
            self.usable = False
            raise
        finally:
            self.idle_since = time.monotonic()

    def _report(self, operation: str, error: Exception, socket_error: OSError | None) -> None:
        is_expected_type = isinstance(error, (LDAPException, OSError, PyAsn1Error))
        write = log.debug if self.quiet and is_expected_type else log.warning
        write(
            "directory_operation_failed",
            operation=operation,
            error=type(socket_error or error).__name__,
            cause=str(socket_error or ""),
            exc_info=None if is_expected_type else error,
        )


def _reasons(socket_error: OSError | None) -> tuple[str, ...]:
    return (NOT_IN_TIME,) if isinstance(socket_error, TimeoutError) else ()
