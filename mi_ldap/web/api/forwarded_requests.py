"""Forwarding of requests to Micro Integrators: views audit them, and the server sends them."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, g, request

from mi_ldap.errors import MiLdapError, NodeUnavailable
from mi_ldap.micro_integrators.forward import CAN_FORWARD, CANNOT_FORWARD, FORWARD, Forward
from mi_ldap.micro_integrators.resources import Operation, Resource
from mi_ldap.web.api.artifact_requests import is_audited, read_request
from mi_ldap.web.artifact_audit import ArtifactRecord, AuditedRequest, audit_refused
from mi_ldap.web.context import user_of_request
from mi_ldap.web.nodes import node_of_request


def forward_request(
    resource: Resource, operation: Operation, arguments: Mapping[str, str]
) -> Response:
    """Leave a `Forward` of the current request for the server; return an empty response.

    The server sends the request to the node, and replaces the response by the node's answer.

    Raises:
        NodeUnavailable: the server cannot forward requests (not `mi-ldap serve`).
        BadRequest: see `read_request`.
        NotFound: see `read_request`.
        Forbidden: ICP has no account here, and the request is audited.
        AuditUnavailable: the audit line of the request could not be written.
    """
    if not request.environ.get(CAN_FORWARD):
        raise NodeUnavailable(CANNOT_FORWARD)
    wanted = read_request(resource, operation, arguments, g.request_id)
    record = None
    if is_audited(operation):
        record = ArtifactRecord(_audited(resource, operation, wanted.name, wanted.details))
        record.begin()
    request.environ[FORWARD] = Forward(
        node=node_of_request(),
        method=operation.method,
        target=wanted.target,
        fields=wanted.fields,
        body=wanted.body,
        is_write=operation.is_write,
        finished=record.finish if record else _ignore,
        refused=record.refuse if record else _ignore,
        user=user_of_request(),
        is_reported=record is not None,
    )
    response = Response()
    response.headers.remove("Content-Type")  # that of the MI's answer is sent
    return response


def audit_refusal(
    resource: Resource, operation: Operation, arguments: Mapping[str, str], error: MiLdapError
) -> None:
    """Write the audit line of a request that the performer may not make, if it is audited."""
    if not is_audited(operation):
        return
    try:
        wanted = read_request(resource, operation, arguments, g.request_id)
        name, details = wanted.name, wanted.details
    except MiLdapError:  # invalid as well: audited without a name
        name, details = "", {}
    audit_refused(_audited(resource, operation, name, details), error)


def _audited(
    resource: Resource, operation: Operation, name: str, details: Mapping[str, str]
) -> AuditedRequest:
    return AuditedRequest(node_of_request(), resource, operation, name, details)


def _ignore(_: object) -> None:
    """Do nothing, because the request is not audited."""
