"""`/management` itself and `/management/server`: what is running here."""

from __future__ import annotations

import platform

from flask import Blueprint, Response, jsonify

from mi_ldap import __version__
from mi_ldap.services.container import Services

NOT_APPLICABLE = "not applicable"


def blueprint(_services: Services) -> Blueprint:
    """The resource's views over the services."""
    server = Blueprint("server", __name__, url_prefix="/management")

    @server.get("")
    def show_api() -> Response:
        return jsonify({"WSO2 Micro Integrator": __version__, "ManagementApi": "Active"})

    @server.get("/server")
    def show_server() -> Response:
        return jsonify(
            productName="mi_ldap, a user store for WSO2 Micro Integrator",
            productVersion=__version__,
            repositoryLocation=NOT_APPLICABLE,
            workDirectory=NOT_APPLICABLE,
            carbonHome=NOT_APPLICABLE,
            javaHome=NOT_APPLICABLE,
            javaVersion=f"Python {platform.python_version()}",
            javaVendor=NOT_APPLICABLE,
            osName=platform.system(),
            osVersion=platform.release(),
        )

    return server
