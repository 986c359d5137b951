"""The integration artifacts that the dashboard and the CLIs list: there are none here."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from mi_ldap.wiring import Services

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


def blueprint(_services: Services) -> Blueprint:
    """The resource's views over the services."""
    artifacts = Blueprint("artifacts", __name__, url_prefix="/management")
    kinds = ", ".join(f'"{kind}"' for kind in KINDS)

    @artifacts.get(f"/<any({kinds}):kind>")
    def list_artifacts(kind: str) -> Response:
        return jsonify(count=0, list=[])

    @artifacts.get("/applications")
    def list_applications() -> Response:
        return jsonify(totalCount=0, activeCount=0, activeList=[], faultyCount=0, faultyList=[])

    return artifacts
