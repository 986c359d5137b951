"""Heartbeats for the monitoring dashboard: one process of the service sends them.

The dashboard answers a heartbeat by logging in here with an account of its own, so none is sent
before there is an admin: that login would become the first one.
"""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from urllib.parse import urlsplit

import structlog

from mi_ldap.addresses import is_wildcard
from mi_ldap.deadline import deadline
from mi_ldap.errors import ConfigurationError, MiLdapError
from mi_ldap.services.container import Services
from mi_ldap.serving.processes import Child
from mi_ldap.settings import Settings

log = structlog.get_logger(__name__)

LONGEST_PAUSE_S = 60.0
"""Between attempts, while the dashboard is down."""
LONGEST_ATTEMPT_S = 10.0
JITTER = 0.1
"""So much of an interval may be missing: many services shall not beat as one."""
REVIVAL_PAUSE_S = 5.0

_MAX_ANSWER = 64 * 1024
_NODE_ID = "dashboard_node_id"


class HeartbeatProcess:
    """The process that sends the heartbeats; started again when it is gone."""

    def __init__(self, settings: Settings, services: Callable[[], Services]) -> None:
        """Nothing is started yet.

        Args:
            settings: with a dashboard in them.
            services: makes those of the process; connections are not shared.

        Raises:
            ConfigurationError: the authorities' file cannot be used.
        """
        self._settings = settings
        self._services = services
        self._tls = tls_context(settings)
        self._child: Child | None = None
        self._next_start = 0.0

    def look_after(self) -> None:
        """Called every now and then, once the service has answered."""
        if self._child and self._child.exit_status() is None:
            return
        now = time.monotonic()
        if now < self._next_start:
            return
        if self._child:
            log.error("heartbeat_process_died", status=self._child.exit_status())
        self._next_start = now + REVIVAL_PAUSE_S
        self._child = Child(self._run)

    def stop(self) -> None:
        """No further heartbeat is sent."""
        if self._child:
            self._child.send(signal.SIGKILL)
        self._next_start = float("inf")

    def _run(self) -> None:
        Heartbeats(self._settings, self._services(), self._tls).run()


class Heartbeats:
    """Waits for an admin, and beats from then on; says in the log what changes, once."""

    def __init__(
        self, settings: Settings, services: Services, tls: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._services = services
        self._tls = tls
        self._has_admin = False
        self._state = ""
        self._pause_s = self.interval_s

    @property
    def interval_s(self) -> float:
        return float(self._settings.dashboard_config.heartbeat_interval)

    def run(self) -> None:
        """For as long as the process lives."""
        while True:
            time.sleep(self.turn())

    def turn(self) -> float:
        """One heartbeat, where there may be one; seconds to wait until the next."""
        is_down = False
        try:
            if self._may_beat():
                self._beat()
        except MiLdapError as error:
            self._note("waiting", str(error))
        except (OSError, http.client.HTTPException) as error:
            self._note("unreachable", _reason(error))
            is_down = True
        except Exception as error:
            log.exception("dashboard_heartbeat_failed")
            self._note("unreachable", type(error).__name__)
            is_down = True
        longest_s = max(LONGEST_PAUSE_S, self.interval_s)
        self._pause_s = min(2 * self._pause_s, longest_s) if is_down else self.interval_s
        return self._pause_s * random.uniform(1 - JITTER, 1)  # noqa: S311 - nothing is secret

    def _may_beat(self) -> bool:
        if not self._has_admin:
            self._has_admin = has_admin(self._services)
        if not self._has_admin:
            self._note("waiting", "there is no admin yet")
        return self._has_admin

    def _beat(self) -> None:
        status, answer = self._post(body(self._settings, self._node_id()))
        accepted = status in range(200, 300) and _status_in(answer) == "success"
        self._note("registered" if accepted else "refused", f"it answered {status}")

    def _post(self, content: bytes) -> tuple[int, bytes]:
        """Once, in a bounded time; no redirect is followed.

        Raises:
            OSError, HTTPException: there was no answer, or not in time.
        """
        address = urlsplit(f"{self._settings.dashboard_config.dashboard_url}/heartbeat")
        seconds = min(0.8 * self.interval_s, LONGEST_ATTEMPT_S)
        with at_most(seconds), _connected(address.netloc, self._tls, seconds) as connection:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request("POST", address.path, content, headers)
            response = connection.getresponse()
            return response.status, response.read(_MAX_ANSWER)

    def _node_id(self) -> str:
        configured = self._settings.dashboard_config.node_id
        return configured or self._services.state.set_default(_NODE_ID, str(uuid.uuid4()))

    def _note(self, state: str, reason: str) -> None:
        """One line for a change, however long it lasts."""
        if state == self._state:
            return
        self._state = state
        write = log.warning if state in ("unreachable", "refused") else log.info
        url = self._settings.dashboard_config.dashboard_url
        write(f"dashboard_{state}", dashboard=url, reason=reason)


def has_admin(services: Services) -> bool:
    """Whether somebody is an admin; read, and nothing changed.

    Raises:
        MiLdapError: that cannot be told.
    """
    with deadline(services.settings.server.request_deadline_s):
        admin_role = services.store.admin_role()
        return admin_role is not None and bool(services.store.holder_users(admin_role))


def body(settings: Settings, node_id: str) -> bytes:
    """What a heartbeat says."""
    dashboard = settings.dashboard_config
    said = {
        "product": "mi",
        "groupId": dashboard.group_id,
        "nodeId": node_id,
        "interval": dashboard.heartbeat_interval,
        "mgtApiUrl": management_url(settings),
    }
    return json.dumps(said, separators=(",", ":")).encode()


def management_url(settings: Settings) -> str:
    """Where the dashboard reaches the API; it puts the names of resources right behind."""
    server, dashboard = settings.server, settings.dashboard_config
    host = dashboard.management_hostname or _own_name(server.host)
    bracketed = f"[{host}]" if ":" in host else host
    # A port of its own stands for a proxy, which does the TLS that the service leaves to it.
    scheme = "https" if server.tls or dashboard.management_port else "http"
    return f"{scheme}://{bracketed}:{dashboard.management_port or server.port}/management/"


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """How the dashboard is verified; None for http.

    Raises:
        ConfigurationError: the authorities' file cannot be used.
    """
    dashboard = settings.dashboard_config
    if not (dashboard.dashboard_url or "").startswith("https:"):
        return None
    try:
        context = ssl.create_default_context(cafile=dashboard.ca_file)
    except (ssl.SSLError, OSError):
        raise ConfigurationError(
            f"dashboard_config.ca_file: {dashboard.ca_file} holds no certificates in PEM."
        ) from None
    if not dashboard.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Ends what takes longer, however slowly it drips; in the main thread of a process only.

    Raises:
        TimeoutError: inside, when the time is over.
    """

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("no answer in time")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _connected(
    netloc: str, tls: ssl.SSLContext | None, timeout_s: float
) -> Iterator[http.client.HTTPConnection]:
    connection = (
        http.client.HTTPSConnection(netloc, timeout=timeout_s, context=tls)
        if tls
        else http.client.HTTPConnection(netloc, timeout=timeout_s)
    )
    try:
        yield connection
    finally:
        connection.close()


def _own_name(host: str) -> str:
    return socket.getfqdn() if is_wildcard(host) else host


def _status_in(answer: bytes) -> object:
    """The `status` of the dashboard's JSON, if it is some."""
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return said.get("status") if isinstance(said, dict) else None


def _reason(error: Exception) -> str:
    """In words of ours: what the dashboard has sent is none for a log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection"
    if isinstance(error, http.client.HTTPException):
        return "its answer is not HTTP"
    return getattr(error, "strerror", None) or type(error).__name__
