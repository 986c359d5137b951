"""`/management` itself and `/management/server`: product, version and platform."""

from __future__ import annotations

import platform

from flask import Blueprint, Response, jsonify

from mi_ldap import __version__
from mi_ldap.micro_integrators.resources import RESOURCES
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.forwarded_requests import forward_request
from mi_ldap.web.api.operation import Forwarded, Success, operation
from mi_ldap.web.api.response_schemas import Active, Server
from mi_ldap.web.nodes import named_node

NOT_APPLICABLE = "not applicable"
"""The value of keys that the dashboard requires and that only a Micro Integrator has."""

(_SERVER,) = (each for each in RESOURCES if each.path == "/server")
(_READ,) = (each for each in _SERVER.operations if not each.is_write)

bp = Blueprint("server", __name__, url_prefix="/management")


@bp.get("")
@allow(Access.ANYBODY)
@operation(Success("The version.", Active()))
def show_api() -> Response:
    """Show the version of the API."""
    # Clients look for this key, whatever its spelling suggests.
    return jsonify({"WSO2 Micro Integrator": __version__, "ManagementApi": "Active"})


@bp.get("/server")
@allow(Access.READER)
@operation(
    Success("The product, with the keys of MI.", Server()),
    forwarded=Forwarded(_READ.body, _SERVER.query),
)
def show_server() -> Response:
    """Show the product, its version and the platform.

    Below `/nodes/{id}`, and at the port of a Micro Integrator, those of the Micro Integrator.
    """
    # Only there: the dashboard registers this service and each Micro Integrator as nodes of their
    # own, by their addresses.
    if named_node() is not None:
        return forward_request(_SERVER, _READ, {})
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
