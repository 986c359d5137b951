"""The login of this service's account at a node; each worker keeps its own token."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import time
from asyncio import Task
from typing import Final

import structlog

from mi_ldap.errors import NodeFailed
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.connection import BadAnswer, NodeConnection
from mi_ldap.micro_integrators.pool import ConnectionPool
from mi_ldap.micro_integrators.tasks import retrieve_error

log = structlog.get_logger(__name__)

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_LIFE_S: Final = 3600.0
"""MI's default lifetime of a token, assumed if a token has no valid claim `exp`."""

_MARGIN_S: Final = 60.0
"""A token is replaced so many seconds before it expires, so that it is valid on arrival."""

_LONGEST_S: Final = 24 * 3600.0
_MOST_BYTES: Final = 64 * 1024
_REFUSED_S: Final = 5.0
"""Seconds after a login in which no other is tried if it, or its token, was refused."""


class Session:
    """Logs in at a node when a token is needed; used in one event loop.

    Args:
        config: the node and the account.
        pool: connects to the node.
    """

    def __init__(self, config: NodeConfig, pool: ConnectionPool) -> None:
        self._config = config
        self._pool = pool
        self._token = ""
        self._ends_at = 0.0
        self._login: Task[str] | None = None
        self._refused_until = 0.0
        self._is_unconfirmed = False  # the token replaces a refused one, and was not accepted yet
        self._unconfirmed_until = 0.0

    async def token(self) -> str:
        """Return a token that does not expire soon; log in if there is none.

        Raises:
            NodeFailed: the node refuses the account.
            FAILURES: the node cannot be reached, or gave no valid answer.
        """
        if self._token and time.monotonic() < self._ends_at:
            return self._token
        if time.monotonic() < self._refused_until:
            raise self._refused()
        if self._login is None:
            # One login for all requests that wait, because MI keeps only the 200 newest tokens. The
            # login is a task, so that it continues if the request that began it is cancelled.
            self._login = asyncio.create_task(self._log_in())
            self._login.add_done_callback(self._forget_login)
        return await asyncio.shield(self._login)

    def accept(self, token: str) -> None:
        """Note that the node has answered a request with this token, and not by 401."""
        if token == self._token:
            self._is_unconfirmed = False

    def refuse(self, token: str) -> None:
        """Stop using a token, because the node answered 401.

        Raises:
            NodeFailed: it was a new token, which already replaced a refused one.
        """
        if token != self._token:
            return  # another request has replaced it meanwhile
        # Otherwise each request would log in, and MI keeps only the 200 newest tokens.
        if self._is_unconfirmed and time.monotonic() < self._unconfirmed_until:
            raise self.refused_token()
        self._token = ""
        self._is_unconfirmed = True

    def refused_token(self) -> NodeFailed:
        """Log that the node refuses a new token; return the error."""
        log.error(
            "node_refuses_token",
            node=self._config.id,
            hint="check the account of the [[micro_integrator]] and its rights there",
        )
        return self._refused()

    def _forget_login(self, login: Task[str]) -> None:
        self._login = None
        retrieve_error(login)  # if no request waits any longer, asyncio would log the error

    async def _log_in(self) -> str:
        async with asyncio.timeout(self._config.timeout_s):
            connection = await self._pool.connect()
            try:
                status, body = await self._send_login(connection)
            finally:
                self._pool.give_back(connection)
        if status in (401, 403):
            self._refused_until = time.monotonic() + _REFUSED_S
            log.error(
                "node_refuses_account",
                node=self._config.id,
                status=status,
                hint="check username and password of the [[micro_integrator]]",
            )
            raise self._refused()
        token = _token_of(body) if status == 200 else ""
        if not token:
            raise BadAnswer(f"no token in the answer to the login, status {status}")
        self._token = token
        self._unconfirmed_until = time.monotonic() + _REFUSED_S
        life_s = _life_of(token)
        # A token that lives for less than two minutes is used for half of its lifetime.
        self._ends_at = time.monotonic() + max(life_s - _MARGIN_S, life_s / 2)
        return token

    async def _send_login(self, connection: NodeConnection) -> tuple[int, bytes]:
        config = self._config
        account = f"{config.username}:{config.password}".encode()
        fields = [
            ("Host", config.authority),
            ("Authorization", f"Basic {base64.b64encode(account).decode('ascii')}"),
            ("Accept", "application/json"),
        ]
        await connection.send_head("GET", f"{config.base_path}/login", fields)
        await connection.send_end()
        head = await connection.receive_head()
        body = bytearray()
        while piece := await connection.receive_data():
            body += piece
            if len(body) > _MOST_BYTES:
                raise BadAnswer("the answer to the login is too large")
        return head.status, bytes(body)

    def _refused(self) -> NodeFailed:
        return NodeFailed(
            f"The Micro Integrator {self._config.id} refuses the account of this service."
        )


def _token_of(body: bytes) -> str:
    """Return the token in the answer to a login; `""` if there is none."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    token = answer.get("AccessToken") if isinstance(answer, dict) else None
    # The token is sent in a header field, so it must not contain spaces or line ends.
    return token if isinstance(token, str) and _TOKEN.fullmatch(token) else ""


def _life_of(token: str) -> float:
    """Return for how many seconds a token is still valid, by its claim `exp` (RFC 7519 §4.1.4)."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        life_s = float(claims["exp"]) - time.time()
    except (IndexError, KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        return _LIFE_S
    # If the clock of this machine or of the node is wrong, the worker must not log in for each
    # request.
    return min(life_s, _LONGEST_S) if life_s > 0 else _LIFE_S
