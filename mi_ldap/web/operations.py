"""`/health` and `/ready`, for whoever keeps the service running; without authentication."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from mi_ldap.services.container import Services


def blueprint(services: Services) -> Blueprint:
    """The resource's views over the services."""
    operations = Blueprint("operations", __name__)

    @operations.get("/health")
    def health() -> Response:
        """The process lives."""
        return jsonify(status="up")

    @operations.get("/ready")
    def ready() -> Response:
        """Report that the directory can be used; 503 with the reason otherwise.

        `disk` is `low` while less than `server.min_free_mb` is free.
        """
        services.store.check()
        reads = services.store.read_source()
        answer = {
            "status": "ready",
            "reads": reads.source,
            "why": reads.why,
            "disk": "low" if services.disk.is_low() else "",
            "account": services.store.account_warning,
        }
        return jsonify({key: value for key, value in answer.items() if value})

    return operations
