"""The audit lines of requests about artifacts, which a Micro Integrator answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

import structlog
from flask import g

from mi_ldap.errors import AuditUnavailable, MiLdapError, NodeFailed, NodeUnavailable
from mi_ldap.micro_integrators.failures import EffectUnknown
from mi_ldap.micro_integrators.forward import Outcome
from mi_ldap.micro_integrators.resources import Operation, Resource
from mi_ldap.model import Performer
from mi_ldap.state.audit import MAX_TEXT_BYTES, cut_to_bytes
from mi_ldap.web.context import current_performer, services
from mi_ldap.web.errors import status_of

log = structlog.get_logger()

_DETAIL_BYTES: Final = 128
_REFUSED_NAME_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class AuditedRequest:
    """A request, as its audit lines describe it.

    Attributes:
        node: the id of the Micro Integrator.
        resource: its row in the table of forwarded requests.
        operation: its operation, which has the method.
        name: the name of the artifact, file or path; `""` if it names nothing.
        details: the values that the request sets.
    """

    node: str
    resource: Resource
    operation: Operation
    name: str
    details: Mapping[str, str]

    @property
    def info(self) -> dict[str, Any]:
        """The value of `info` in the audit log."""
        texts = {
            "node": self.node,
            "method": self.operation.method,
            "resource": self.resource.path.removeprefix("/"),
            "name": cut_to_bytes(self.name, MAX_TEXT_BYTES),
        }
        details = {key: cut_to_bytes(text, _DETAIL_BYTES) for key, text in self.details.items()}
        return {**texts, **details}


def audit_refused(wanted: AuditedRequest, error: MiLdapError) -> None:
    """Write the audit line of a request that the performer may not make."""
    # The line is short, because every user can cause any number of them.
    performer: Performer | None = g.get("performer")  # ICP may have none
    name = cut_to_bytes(wanted.name, _REFUSED_NAME_BYTES)
    info = replace(wanted, name=name, details={}).info
    services().audit.refused(performer.name if performer else "", "artifact", info, error)


class ArtifactRecord:
    """The audit lines of one request: one before it is sent, one with its outcome."""

    def __init__(self, wanted: AuditedRequest) -> None:
        self._audit = services().audit
        self._performer = current_performer().name
        self._action = "operated" if wanted.operation.is_write else "read"
        self._info = wanted.info
        # The outcome is written in another thread, which does not have this request's context.
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
        if not outcome.is_effect_known:
            result = "unknown"
        elif outcome.status < 300 or outcome.status == HTTPStatus.NOT_MODIFIED:
            result = "done"
        else:
            result = "failed"
            reason = reason or f"The Micro Integrator answered {outcome.status}."
        self._end(result, reason, {"answer": outcome.status})

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


@contextmanager
def recorded(record: ArtifactRecord) -> Iterator[None]:
    """Write the first audit line, then run the block, which sends the request.

    The block calls `ArtifactRecord.finish` if it got an answer.
    """
    record.begin()
    try:
        yield
    except NodeUnavailable as error:
        record.refuse(error)
        raise
    except NodeFailed as error:
        is_effect_known = not isinstance(error, EffectUnknown)
        record.finish(Outcome(status_of(error), 0, 0, 0.0, is_effect_known, str(error)))
        raise
