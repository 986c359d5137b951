"""The integration artifacts that the dashboard and the CLIs list: there are none here.

Lists are empty. A query that names one artifact is answered with 404: the CLIs take 200 for
"found", print an empty record, and `get logs` overwrites a local file.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from mi_ldap.errors import NotFound
from mi_ldap.services.container import Services

KINDS = (
    "proxy-services",
    "endpoints",
    "inbound-endpoints",
    "message-stores",
    "message-processors",
    "apis",
    "templates",
    "sequences",
    "tasks",
    "local-entries",
    "connectors",
    "data-services",
    "data-sources",
    "logs",
    "logging",
    "registry-resources",
)

NAMING_KEYS = (
    "apiName",
    "carbonAppName",
    "dataServiceName",
    "endpointName",
    "file",
    "inboundEndpointName",
    "loggerName",
    "name",
    "proxyServiceName",
    "sequenceName",
    "taskName",
)
"""The query keys that name a single artifact, of all kinds."""

NO_SUCH_ARTIFACT = (
    "Requested resource not found. This service has no artifacts: "
    "no Micro Integrator is configured behind it."
)


def blueprint(_services: Services) -> Blueprint:
    """The resource's views over the services."""
    artifacts = Blueprint("artifacts", __name__, url_prefix="/management")
    kinds = ", ".join(f'"{kind}"' for kind in KINDS)

    @artifacts.get(f"/<any({kinds}):kind>")
    def list_artifacts(kind: str) -> Response:
        _ensure_is_list()
        return jsonify(count=0, list=[])

    @artifacts.get("/applications")
    def list_applications() -> Response:
        _ensure_is_list()
        return jsonify(totalCount=0, activeCount=0, activeList=[], faultyCount=0, faultyList=[])

    return artifacts


def _ensure_is_list() -> None:
    """Raise `NotFound` if the query names an artifact, even with an empty name."""
    if any(key in request.args for key in NAMING_KEYS):
        raise NotFound(NO_SUCH_ARTIFACT)
