"""The integration artifacts that the dashboard and the CLIs list; this service has none."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from mi_ldap.errors import NotFound
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.operation import Success, operation
from mi_ldap.web.api.response_schemas import NoApplications, NoArtifacts

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

NO_SUCH_ARTIFACT = "This service has no artifacts: no Micro Integrator is configured behind it."

# The kinds are named in the route, so that any other name below `/management` is a 404.
_kinds = ", ".join(f'"{kind}"' for kind in KINDS)

bp = Blueprint("artifacts", __name__, url_prefix="/management")


@bp.get(f"/<any({_kinds}):kind>")
@allow(Access.LOGGED_IN)
@operation(
    Success("An empty list.", NoArtifacts()),
    errors=(NotFound(NO_SUCH_ARTIFACT), NotFound()),
)
def list_artifacts(kind: str) -> Response:
    """List integration artifacts.

    404 if the query names a single artifact, by one of `apiName`, `carbonAppName`,
    `dataServiceName`, `endpointName`, `file`, `inboundEndpointName`, `loggerName`, `name`,
    `proxyServiceName`, `sequenceName`, `taskName`.
    """
    _ensure_is_list()
    return jsonify(count=0, list=[])


@bp.get("/applications")
@allow(Access.LOGGED_IN)
@operation(Success("An empty list.", NoApplications()), errors=(NotFound(NO_SUCH_ARTIFACT),))
def list_applications() -> Response:
    """List applications.

    404 if the query names a single one, by `carbonAppName` or another key of an artifact.
    """
    _ensure_is_list()
    return jsonify(totalCount=0, activeCount=0, activeList=[], faultyCount=0, faultyList=[])


def _ensure_is_list() -> None:
    """Raise `NotFound` if the query names an artifact, even with an empty name."""
    # The CLIs take 200 for "found": they print an empty record, and `get logs` overwrites a file.
    if any(key in request.args for key in NAMING_KEYS):
        raise NotFound(NO_SUCH_ARTIFACT)
