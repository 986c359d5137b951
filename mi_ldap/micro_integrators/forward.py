"""The request that a view leaves for the server, which sends it to a Micro Integrator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mi_ldap.errors import MiLdapError

FORWARD: Final = "mi_ldap.forward"
"""The WSGI key under which a view leaves a `Forward`, in place of an answer of its own."""

CAN_FORWARD: Final = "mi_ldap.can_forward"
"""The WSGI key that is true where the server carries out a `Forward`."""

BODY_FOLLOWS: Final = "mi_ldap.body_follows"
"""The WSGI key that is true if the request's body was not received yet: `wsgi.input` is empty, and
the body is received only if the view leaves a `Forward` whose `body` is None."""

CANNOT_FORWARD: Final = (
    "This server cannot forward requests to Micro Integrators: start the service with "
    "`mi-ldap serve`."
)
"""The message of the error if `CAN_FORWARD` is not true."""

NODE: Final = "mi_ldap.node"
"""The WSGI key of the node's id, if the path names one (`/nodes/{id}/management/…`)."""

Fields = tuple[tuple[str, str], ...]
"""Header fields, names in lower case."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a forwarded request ended.

    Attributes:
        status: of the answer that the client got; 499 if the client went away before it.
        sent_bytes: of the request's body to the node.
        received_bytes: of the response's body from the node.
        seconds: from sending the request until the end of the response's body.
        is_effect_known: False if a write was sent and not answered, so that it may have been done.
        reason: why the request failed, one sentence; empty if the node answered completely.
    """

    status: int
    sent_bytes: int
    received_bytes: int
    seconds: float
    is_effect_known: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """An authorized request to a Micro Integrator, and the functions that record its outcome.

    The server calls exactly one of `finished` and `refused`, before the client gets the last byte,
    unless `is_reported` is False. Both block (the audit log), so the server calls them in a thread.

    Attributes:
        node: the id of the Micro Integrator.
        method: `GET` also for a HEAD, whose answer has no body.
        target: path and query below the node's `management_url`, percent-encoded: `/apis?name=x`.
        fields: the header fields to send besides those of the connection and the node's token.
        body: the body; None to stream the client's as it arrives.
        is_write: whether it may change something at the node, so that it is sent at most once.
        finished: called with the outcome of a request that was sent.
        refused: called with the error that is answered if nothing was sent.
        user: the id of the user, whose requests have a limit; `""` for none.
        is_reported: False if both do nothing, so that the client need not wait for a thread.
    """

    node: str
    method: str
    target: str
    fields: Fields
    body: bytes | None
    is_write: bool
    finished: Callable[[Outcome], None]
    refused: Callable[[MiLdapError], None]
    user: str = ""
    is_reported: bool = True
