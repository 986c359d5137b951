"""The connections of one worker to one node."""

from __future__ import annotations

import ssl
import time
from collections import deque
from typing import Final

from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.connection import NodeConnection
from mi_ldap.micro_integrators.transport import connect

MAX_CONNECTIONS: Final = 128
"""The most requests that a worker sends to one node at a time."""

MAX_OF_USER: Final = 32
"""The most of these that one user has sent."""

_MOST_IDLE: Final = 16
_IDLE_S: Final = 15.0  # MI's listener closes idle connections after 60 s


class ConnectionPool:
    """Keeps idle connections; used in one event loop."""

    def __init__(self, config: NodeConfig, context: ssl.SSLContext | None) -> None:
        self._config = config
        self._context = context
        self._idle: deque[tuple[NodeConnection, float]] = deque()

    def take_idle(self) -> NodeConnection | None:
        """Return the connection that was used last; None if there is none that works."""
        while self._idle:
            connection, since = self._idle.pop()
            if time.monotonic() - since < _IDLE_S and not connection.is_stale:
                return connection
            connection.close()
        return None

    async def connect(self) -> NodeConnection:
        """Return a new connection.

        Raises:
            OSError, UnicodeError: the node cannot be reached, or is not trusted.
        """
        return NodeConnection(await connect(self._config, self._context))

    def give_back(self, connection: NodeConnection) -> None:
        """Keep a connection for the next request, or close it."""
        if not connection.is_reusable:
            connection.close()
            return
        connection.renew()
        self._idle.append((connection, time.monotonic()))
        if len(self._idle) > _MOST_IDLE:
            self._idle.popleft()[0].close()

    def close_idle(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[0].close()
