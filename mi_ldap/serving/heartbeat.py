"""Heartbeats to WSO2's monitoring dashboard, sent by one process of the service."""

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

from mi_ldap.addresses import host_in_url, is_wildcard
from mi_ldap.deadline import deadline
from mi_ldap.errors import ConfigurationError, MiLdapError
from mi_ldap.services.container import Services
from mi_ldap.serving.processes import Child
from mi_ldap.settings import Settings

log = structlog.get_logger(__name__)

LONGEST_PAUSE_S = 60.0
"""Longest pause between attempts, in seconds, while the dashboard is down."""
LONGEST_ATTEMPT_S = 10.0
"""Timeout of an attempt, in seconds."""
# Random share that is taken off a pause, so that many services do not send at the same time.
JITTER = 0.1
RESTART_PAUSE_S = 5.0
"""Pause before the process is started again, in seconds."""

# Bytes that are read: the address may be that of any other server.
_MAX_ANSWER = 64 * 1024
_NODE_ID = "dashboard_node_id"


class HeartbeatProcess:
    """The process that sends the heartbeats; restarted when it has ended.

    Args:
        settings: with a dashboard URL.
        services: creates the services of the process; processes must not share connections.

    Raises:
        ConfigurationError: `dashboard_config.ca_file` cannot be used.
    """

    def __init__(self, settings: Settings, services: Callable[[], Services]) -> None:
        self._settings = settings
        self._services = services
        self._tls = tls_context(settings)
        self._child: Child | None = None
        self._next_start = 0.0

    def tick(self) -> None:
        """Start the process if it does not run; called periodically by the supervisor."""
        if self._child and self._child.exit_status() is None:
            return
        now = time.monotonic()
        if now < self._next_start:
            return
        if self._child:
            log.error("heartbeat_process_died", status=self._child.exit_status())
        self._next_start = now + RESTART_PAUSE_S
        self._child = Child(self._run)

    def stop(self) -> None:
        """Kill the process, and start no further one."""
        if self._child:
            self._child.send(signal.SIGKILL)
        self._next_start = float("inf")

    def _run(self) -> None:
        Heartbeats(self._settings, self._services(), self._tls).run()


class Heartbeats:
    """Sends heartbeats once there is an admin; logs each change of the outcome once."""

    def __init__(self, settings: Settings, services: Services, tls: ssl.SSLContext | None) -> None:
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
        """Send heartbeats until the process ends."""
        while True:
            time.sleep(self.run_once())

    def run_once(self) -> float:
        """Send a heartbeat if there is an admin; return the seconds until the next one."""
        is_down = False
        try:
            if self._is_ready():
                self._send()
        except MiLdapError as error:
            self._log_change("waiting", str(error))
        except (OSError, http.client.HTTPException) as error:
            self._log_change("unreachable", _reason(error))
            is_down = True
        except Exception as error:
            # A bug must not end the process: it would be restarted every few seconds.
            log.exception("dashboard_heartbeat_failed")
            self._log_change("unreachable", type(error).__name__)
            is_down = True
        longest_s = max(LONGEST_PAUSE_S, self.interval_s)
        self._pause_s = min(2 * self._pause_s, longest_s) if is_down else self.interval_s
        return self._pause_s * random.uniform(1 - JITTER, 1)  # noqa: S311 - nothing is secret

    def _is_ready(self) -> bool:
        # The dashboard answers a heartbeat by logging in here with an account of its own. Before
        # there is an admin, that login would bootstrap the service.
        if not self._has_admin:
            self._has_admin = has_admin(self._services)
        if not self._has_admin:
            self._log_change("waiting", "there is no admin yet")
        return self._has_admin

    def _send(self) -> None:
        status, answer = self._post(body(self._settings, self._node_id()))
        accepted = status in range(200, 300) and _status_in(answer) == "success"
        self._log_change("registered" if accepted else "refused", f"it answered {status}")

    def _post(self, content: bytes) -> tuple[int, bytes]:
        """Send a heartbeat; return status and body of the response. Redirects are not followed.

        Raises:
            OSError, HTTPException: there was no valid response within the timeout.
        """
        address = urlsplit(f"{self._settings.dashboard_config.dashboard_url}/heartbeat")
        # The socket's timeout starts anew with each byte, so there is a limit for all of it too.
        seconds = min(0.8 * self.interval_s, LONGEST_ATTEMPT_S)
        with time_limit(seconds), _connected(address.netloc, self._tls, seconds) as connection:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request("POST", address.path, content, headers)
            response = connection.getresponse()
            return response.status, response.read(_MAX_ANSWER)

    def _node_id(self) -> str:
        configured = self._settings.dashboard_config.node_id
        return configured or self._services.state.set_default(_NODE_ID, str(uuid.uuid4()))

    def _log_change(self, state: str, reason: str) -> None:
        """Log the state if it differs from the previous one."""
        if state == self._state:
            return
        self._state = state
        write = log.warning if state in ("unreachable", "refused") else log.info
        url = self._settings.dashboard_config.dashboard_url
        write(f"dashboard_{state}", dashboard=url, reason=reason)


def has_admin(services: Services) -> bool:
    """Whether the admin role has a holder.

    Raises:
        MiLdapError: the directory cannot be read.
    """
    with deadline(services.settings.server.request_deadline_s):
        admin_role = services.store.admin_role()
        return admin_role is not None and bool(services.store.holder_users(admin_role))


def body(settings: Settings, node_id: str) -> bytes:
    """Return the body of a heartbeat, as the dashboard of MI 4 expects it."""
    dashboard = settings.dashboard_config
    fields = {
        "product": "mi",
        "groupId": dashboard.group_id,
        "nodeId": node_id,
        "interval": dashboard.heartbeat_interval,
        "mgtApiUrl": management_url(settings),
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def management_url(settings: Settings) -> str:
    """Return the URL of the API for the dashboard, which appends names of resources to it."""
    server, dashboard = settings.server, settings.dashboard_config
    own_name = socket.getfqdn() if is_wildcard(server.host) else server.host
    host = host_in_url(dashboard.management_hostname or own_name)
    # A separate port is that of a proxy, which does TLS for the service.
    scheme = "https" if server.tls or dashboard.management_port else "http"
    return f"{scheme}://{host}:{dashboard.management_port or server.port}/management/"


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the context that verifies the dashboard; None for http.

    Raises:
        ConfigurationError: `dashboard_config.ca_file` cannot be used.
    """
    dashboard = settings.dashboard_config
    if not (dashboard.dashboard_url or "").startswith("https:"):
        return None
    try:
        context = ssl.create_default_context(cafile=dashboard.ca_file)
    except (ssl.SSLError, OSError):
        raise ConfigurationError(
            f"dashboard_config.ca_file: {dashboard.ca_file} contains no certificates in PEM."
        ) from None
    # WSO2 ships the dashboard with a self-signed certificate.
    if not dashboard.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block by a signal after that time; for the main thread of a process only.

    Raises:
        TimeoutError: in the block.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("no answer in time")

    before = signal.signal(signal.SIGALRM, interrupt)
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


def _status_in(answer: bytes) -> object:
    """Return `status` of the JSON object; None if the answer is not one."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return found.get("status") if isinstance(found, dict) else None


def _reason(error: Exception) -> str:
    """Return the reason for the log, without anything that the dashboard has sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection"
    if isinstance(error, http.client.HTTPException):
        return "its answer is not HTTP"
    return getattr(error, "strerror", None) or type(error).__name__
