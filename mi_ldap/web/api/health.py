"""`/health` and `/ready`: health checks without authentication."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from mi_ldap.web.access import Access, allow
from mi_ldap.web.context import services

bp = Blueprint("health", __name__)


@bp.get("/health")
@allow(Access.ANYBODY)
def show_health() -> Response:
    """Report that the process runs."""
    return jsonify(status="up")


@bp.get("/ready")
@allow(Access.ANYBODY)
def show_readiness() -> Response:
    """Report that the directory can be used; 503 with the reason otherwise.

    `disk` is `low` while less than `server.min_free_mb` is free.
    """
    store = services().store
    store.check()
    reads = store.read_source()
    answer = {
        "status": "ready",
        "reads": reads.source,
        "why": reads.why,
        "disk": "low" if services().disk.is_low() else "",
        "account": store.account_warning,
    }
    return jsonify({key: value for key, value in answer.items() if value})
