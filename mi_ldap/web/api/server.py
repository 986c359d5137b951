"""`/management` itself and `/management/server`: product, version and platform."""

from __future__ import annotations

import platform

from flask import Blueprint, Response, jsonify

from mi_ldap import __version__
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.operation import Success, operation
from mi_ldap.web.api.response_schemas import Active, Server

NOT_APPLICABLE = "not applicable"
"""The value of keys that the dashboard requires and that only a Micro Integrator has."""

bp = Blueprint("server", __name__, url_prefix="/management")


@bp.get("")
@allow(Access.ANYBODY)
@operation(Success("The version.", Active()))
def show_api() -> Response:
    """Show the version of the API."""
    # Clients look for this key, whatever its spelling suggests.
    return jsonify({"WSO2 Micro Integrator": __version__, "ManagementApi": "Active"})


@bp.get("/server")
@allow(Access.LOGGED_IN)
@operation(Success("The product, with the keys of MI.", Server()))
def show_server() -> Response:
    """Show the product, its version and the platform."""
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
