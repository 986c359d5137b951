"""Requests that a Micro Integrator answers: audited, and left for the server to send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from flask import Response, g, request

from mi_ldap.errors import AuditUnavailable, MiLdapError, NodeUnavailable
from mi_ldap.micro_integrators.forward import CAN_FORWARD, CANNOT_FORWARD, FORWARD, Forward, Outcome
from mi_ldap.micro_integrators.resources import Operation, Resource
from mi_ldap.model import Performer
from mi_ldap.state.audit import MAX_TEXT_BYTES, AuditLog, cut_to_bytes
from mi_ldap.web.api.artifact_requests import is_audited, read_request
from mi_ldap.web.context import current_performer, services
from mi_ldap.web.nodes import node_of_request

log = structlog.get_logger()


def forward(resource: Resource, operation: Operation, arguments: Mapping[str, str]) -> Response:
    """Leave the current request for the server, and return an empty response, which it replaces.

    Raises:
        NodeUnavailable: the server does not send such requests.
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
        record = _Record(services().audit, resource, operation, wanted.name, wanted.details)
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
    )
    response = Response()
    response.headers.remove("Content-Type")  # that of the MI's answer is sent
    return response


def audit_refusal(
    resource: Resource, operation: Operation, arguments: Mapping[str, str], error: MiLdapError
) -> None:
    """Write the audit line of a request that the performer may not make, if it has lines."""
    if not is_audited(operation):
        return
    try:
        wanted = read_request(resource, operation, arguments, g.request_id)
        name, details = wanted.name, wanted.details
    except MiLdapError:  # a wrong request is refused as well
        name, details = "", {}
    info = _info(resource, operation, name, details)
    performer: Performer | None = g.get("performer")  # ICP may have none
    services().audit.refused(performer.name if performer else "", "artifact", info, error)


def _info(
    resource: Resource, operation: Operation, name: str, details: Mapping[str, str]
) -> dict[str, Any]:
    texts = {
        "node": node_of_request(),
        "method": operation.method,
        "resource": resource.path.removeprefix("/"),
        "name": name,
        **details,
    }
    return {key: cut_to_bytes(text, MAX_TEXT_BYTES) for key, text in texts.items()}


class _Record:
    """The audit lines of one request: one before it is sent, one with its outcome."""

    def __init__(
        self,
        audit: AuditLog,
        resource: Resource,
        operation: Operation,
        name: str,
        details: Mapping[str, str],
    ) -> None:
        self._audit = audit
        self._performer = current_performer().name
        self._action = "operated" if operation.is_write else "read"
        self._info = _info(resource, operation, name, details)
        # The outcome is written in another thread, which does not know this request.
        self._context = structlog.contextvars.get_contextvars()

    def begin(self) -> None:
        """Write the first line.

        Raises:
            AuditUnavailable: it could not be written.
        """
        self._write("pending", "", {})

    def finish(self, outcome: Outcome) -> None:
        """Write the outcome of a request that was sent."""
        reason = outcome.reason
        if not outcome.is_known:
            word = "unknown"
        elif outcome.status < 400:
            word = "done"
        else:
            word = "failed"
            reason = reason or f"The Micro Integrator answered {outcome.status}."
        self._end(word, reason, {"answer": outcome.status})

    def refuse(self, error: MiLdapError) -> None:
        """Write that nothing was sent."""
        self._end("undone", str(error), {})

    def _end(self, outcome: str, reason: str, more: Mapping[str, int]) -> None:
        try:
            self._write(outcome, reason, more)
        except AuditUnavailable:
            log.error("audit_outcome_not_written", action=self._action, reason=reason)

    def _write(self, outcome: str, reason: str, more: Mapping[str, int]) -> None:
        with structlog.contextvars.bound_contextvars(**self._context):
            self._audit.write(
                self._performer,
                self._action,
                "artifact",
                {**self._info, **more},
                outcome=outcome,
                reason=reason,
            )


def _ignore(_: object) -> None:
    """Write nothing: reading lists is not audited."""
