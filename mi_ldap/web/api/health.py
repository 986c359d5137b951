"""`/health` and `/ready`: health checks without authentication."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from mi_ldap.errors import DirectoryUnavailable, StateUnavailable
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.operation import Success, operation
from mi_ldap.web.api.response_schemas import Ready, Up
from mi_ldap.web.context import services

bp = Blueprint("health", __name__)


@bp.get("/health")
@allow(Access.ANYBODY)
@operation(Success("OK.", Up()))
def show_health() -> Response:
    """Check that the process runs."""
    return jsonify(status="up")


@bp.get("/ready")
@allow(Access.ANYBODY)
@operation(
    Success("The directory can be used.", Ready()),
    errors=(DirectoryUnavailable(), StateUnavailable()),
)
def show_readiness() -> Response:
    """Check that the directory can be used."""
    store = services().store
    # Raises `DirectoryUnavailable`, which is answered with 503.
    store.check()
    reads = store.read_source()
    body = {
        "status": "ready",
        "reads": reads.source,
        "why": reads.why,
        "disk": "low" if services().disk.is_low() else "",
        "account": store.account_warning,
    }
    return jsonify({key: value for key, value in body.items() if value})
