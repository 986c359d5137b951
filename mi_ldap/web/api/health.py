"""`/health` and `/ready`: health checks without authentication."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.errors import DirectoryUnavailable, StateUnavailable
from mi_ldap.hybrid_roles import HybridRoles
from mi_ldap.services.container import Services
from mi_ldap.store import UserStore
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.operation import Success, operation
from mi_ldap.web.api.response_schemas import Ready, Up
from mi_ldap.web.context import services
from mi_ldap.web.nodes import known_nodes

bp = Blueprint("health", __name__)

# Seconds for each other store: orchestrators wait about one second for a probe.
_OTHER_STORE_S = 0.5


@bp.get("/health")
@allow(Access.ANYBODY)
@operation(Success("OK.", Up()))
def show_health() -> Response:
    """Check that the process runs."""
    return jsonify(status="up")


@bp.get("/ready")
@allow(Access.ANYBODY)
@operation(
    Success("The directory or database can be used.", Ready()),
    errors=(DirectoryUnavailable(), StateUnavailable()),
)
def show_readiness() -> Response:
    """Check that the directory or database can be used.

    Secondary user stores that cannot be used are named in `unavailable`, and `hybrid-roles` if
    these cannot be read. `nodes` has the Micro Integrators, `up` or `down` as their last requests
    showed. The status stays 200.
    """
    store = services().store
    # The primary store, and the hybrid roles if the admin role is one of them. Raises
    # `DirectoryUnavailable`, which is answered with 503.
    store.check()
    reads = store.read_source()
    body = {
        "status": "ready",
        "reads": reads.source,
        "why": reads.why,
        "disk": "low" if services().disk.is_low() else "",
        "account": store.account_warning,
        "unavailable": [
            name for name, each in _other_stores(services()).items() if not _is_ready(each)
        ],
        "nodes": {node.id: "up" if node.is_up else "down" for node in known_nodes()},
    }
    return jsonify({key: value for key, value in body.items() if value})


def _other_stores(services: Services) -> dict[str, UserStore | HybridRoles]:
    """Return the stores that may fail while the service continues to work."""
    others: dict[str, UserStore | HybridRoles] = {**services.secondaries}
    if services.hybrid and not services.settings.is_admin_role_hybrid:
        others["hybrid-roles"] = services.hybrid
    return others


def _is_ready(store: UserStore | HybridRoles) -> bool:
    try:
        with deadline(min(_OTHER_STORE_S, remaining_s())):
            store.check()
    except DirectoryUnavailable:
        return False
    return True
