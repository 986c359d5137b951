"""Heartbeats to WSO2's monitoring dashboard, the first generation of the control plane."""

from __future__ import annotations

import json
import ssl
import uuid

from mi_ldap.addresses import host_in_url, own_host
from mi_ldap.deadline import deadline
from mi_ldap.services.container import Services
from mi_ldap.serving import heartbeat_request
from mi_ldap.serving.heartbeat_process import HeartbeatLoop
from mi_ldap.serving.heartbeat_request import object_in, post
from mi_ldap.settings import Settings

_NODE_ID = "dashboard_node_id"


class Heartbeats(HeartbeatLoop):
    """Sends heartbeats once there is an admin."""

    def __init__(self, settings: Settings, services: Services, tls: ssl.SSLContext | None) -> None:
        dashboard = settings.dashboard_config
        super().__init__("dashboard", dashboard.dashboard_url or "", dashboard.heartbeat_interval)
        self._settings = settings
        self._services = services
        self._tls = tls
        self._has_admin = False

    def send(self) -> bool:
        """Send the heartbeats of this service and of its nodes, if there is an admin."""
        if self._is_ready():
            nodes = [node.id for node in self._settings.micro_integrator]
            own = body(self._settings, self._node_id())
            bodies = [own, *(body_of_node(self._settings, node) for node in nodes)]
            statuses = [self._post(content, self.interval_s / len(bodies)) for content in bodies]
            refused = [status for status, is_accepted in statuses if not is_accepted]
            status = refused[0] if refused else statuses[0][0]
            self.log_change("refused" if refused else "registered", f"it answered {status}")
        return True

    def _post(self, content: bytes, interval_s: float) -> tuple[int, bool]:
        """Send one heartbeat; return the status, and whether the dashboard has accepted it."""
        url = f"{self._settings.dashboard_config.dashboard_url}/heartbeat"
        status, answer = post(url, content, self._tls, interval_s)
        is_success = (object_in(answer) or {}).get("status") == "success"
        return status, is_success and status in range(200, 300)

    def _is_ready(self) -> bool:
        # The dashboard answers a heartbeat by logging in here with an account of its own. Before
        # there is an admin, that login would bootstrap the service.
        if not self._has_admin:
            self._has_admin = has_admin(self._services)
        if not self._has_admin:
            self.log_change("waiting", "there is no admin yet")
        return self._has_admin

    def _node_id(self) -> str:
        configured = self._settings.dashboard_config.node_id
        return configured or self._services.state.set_default(_NODE_ID, str(uuid.uuid4()))


def has_admin(services: Services) -> bool:
    """Whether the admin role has a holder.

    Raises:
        MiLdapError: the directory cannot be read.
    """
    with deadline(services.settings.server.request_deadline_s):
        admin_role = services.store.admin_role()
        return admin_role is not None and bool(services.store.holder_users(admin_role))


def body(settings: Settings, node_id: str) -> bytes:
    """Return the body of this service's heartbeat, as the dashboard of MI 4 expects it."""
    return _body(settings, node_id, management_url(settings))


def body_of_node(settings: Settings, node_id: str) -> bytes:
    """Return the body of a heartbeat for a Micro Integrator behind this service."""
    # By its path: its own port may not be reachable through a proxy.
    url = management_url(settings).removesuffix("/management/")
    return _body(settings, node_id, f"{url}/nodes/{node_id}/management/")


def _body(settings: Settings, node_id: str, url: str) -> bytes:
    dashboard = settings.dashboard_config
    fields = {
        "product": "mi",
        "groupId": dashboard.group_id,
        "nodeId": node_id,
        "interval": dashboard.heartbeat_interval,
        "mgtApiUrl": url,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def management_url(settings: Settings) -> str:
    """Return the URL of the API for the dashboard, which appends names of resources to it."""
    server, dashboard = settings.server, settings.dashboard_config
    host = host_in_url(dashboard.management_hostname or own_host(server.host))
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
    return heartbeat_request.tls_context(
        dashboard.ca_file, verify=dashboard.verify, key="dashboard_config.ca_file"
    )
