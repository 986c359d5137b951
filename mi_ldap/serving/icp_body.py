"""The bodies of heartbeats to ICP 2.

ICP 2.0 refuses a body with a field that it does not know, with null for a missing value, or with a
text that is longer than the column of its database.
"""

from __future__ import annotations

import hashlib
import json
import platform
import socket
import time
from typing import Any, Final
from urllib.parse import urlsplit

from mi_ldap import __version__
from mi_ldap.addresses import host_in_url, own_host
from mi_ldap.settings import Settings

VERSION: Final = "v1.0"
"""The version of the protocol."""

# The kinds of artifacts of a Micro Integrator, of which this service has none.
_ARTIFACTS: Final = (
    "apis",
    "proxyServices",
    "endpoints",
    "inboundEndpoints",
    "sequences",
    "tasks",
    "templates",
    "messageStores",
    "messageProcessors",
    "localEntries",
    "dataServices",
    "carbonApps",
    "dataSources",
    "connectors",
    "registryResources",
)

# The lengths of ICP's columns, in characters.
_LONG, _SHORT, _HOST, _PORT = 100, 50, 255, 10
_HTTPS_PORT: Final = 443


class FullBody:
    """The body of full heartbeats.

    Args:
        settings: with `icp_config.enabled`.
        runtime_id: the UUID of this service.

    Attributes:
        runtime_id: as given.
        hash: a digest that changes with the body and with the key.
    """

    def __init__(self, settings: Settings, runtime_id: str) -> None:
        self.runtime_id = runtime_id
        self._fields = _fields(settings, runtime_id)
        # With the key id, because ICP notes the key at full heartbeats only.
        hashed = json.dumps([settings.icp_config.key_id, self._fields], sort_keys=True)
        self.hash = hashlib.sha256(hashed.encode()).hexdigest()[:32]

    def content(self) -> bytes:
        """Return the JSON, with the present time."""
        return _json({**self._fields, "runtimeHash": self.hash, "timestamp": _now()})


def delta_body(runtime_id: str, state_hash: str) -> bytes:
    """Return the JSON of a heartbeat that says that nothing has changed."""
    return _json(
        {
            "heartbeatVersion": VERSION,
            "runtimeId": runtime_id,
            "runtimeHash": state_hash,
            "timestamp": _now(),
        }
    )


def runtime_name(settings: Settings) -> str:
    """Return the name of this service in ICP."""
    return settings.icp_config.runtime or socket.gethostname()[:_LONG]


def management_address(settings: Settings) -> tuple[str, int]:
    """Return host and port at which ICP reaches the API, an IPv6 address in brackets."""
    if settings.icp_config.management_url:
        parts = urlsplit(settings.icp_config.management_url)
        return host_in_url(parts.hostname or ""), parts.port or _HTTPS_PORT
    return host_in_url(own_host(settings.server.host)), settings.server.port


def _fields(settings: Settings, runtime_id: str) -> dict[str, Any]:
    icp = settings.icp_config
    host, port = management_address(settings)
    return {
        "heartbeatVersion": VERSION,
        "runtimeId": runtime_id,
        "runtime": runtime_name(settings),
        "runtimeType": "MI",  # the database of ICP knows MI and BI
        "status": "RUNNING",
        "environment": icp.environment,
        "project": icp.project,
        "component": icp.integration,
        "version": __version__[:_SHORT],
        "runtimeHostname": host[:_HOST],
        "runtimePort": str(port)[:_PORT],
        "nodeInfo": {
            "platformName": "mi_ldap",
            "platformVersion": __version__[:_SHORT],
            "osName": platform.system()[:_SHORT],
            "osVersion": platform.release()[:_SHORT],
            "osArch": platform.machine()[:_SHORT],
        },
        "artifacts": {kind: [] for kind in _ARTIFACTS},
    }


def _now() -> list[float]:
    """Return the time as Ballerina's `time:Utc` has it: seconds, and the fraction of one."""
    milliseconds = time.time_ns() // 1_000_000
    return [milliseconds // 1000, milliseconds % 1000 / 1000]


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
