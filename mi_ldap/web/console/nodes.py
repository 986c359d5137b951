"""Pages of the Micro Integrators (nodes) and their kinds of artifacts: `/console/nodes`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask import Response

from mi_ldap.errors import MiLdapError, NodeFailed
from mi_ldap.micro_integrators.node import Node
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console.artifact_answers import Json, count_of, parse_object, refused_by_node
from mi_ldap.web.console.artifact_kinds import KINDS, Kind
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.node_reads import read_starts
from mi_ldap.web.console.responses import render_page, status_and_retry
from mi_ldap.web.context import current_performer, services
from mi_ldap.web.guards import configured
from mi_ldap.web.nodes import ensure_node, known_nodes

_SERVER = "/server"


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a node, as its page shows it.

    Attributes:
        id: the id of the node.
        server: the node's answer to `GET /server`; empty if there was no usable one.
        error: why there was none; None if there was one.
        reason: why the last request failed, such as `"connection refused"`; `""` if it did not.
        is_up: whether the node answered its last request.
    """

    id: str
    server: Json
    error: MiLdapError | None
    reason: str
    is_up: bool


@bp.get("/nodes")
@allow(Access.READER)
def list_nodes() -> Response:
    """Show all nodes with their health, which is requested from all at the same time."""
    nodes = [each.id for each in services().settings.micro_integrator]
    answers = read_starts([(node, _SERVER) for node in nodes]) if nodes else []
    return render_page("nodes.html", nodes=_healths(nodes, answers))


@bp.get("/nodes/<node>")
@allow(Access.READER)
def show_node(node: str) -> Response:
    """Show a node with the number of its artifacts of each kind."""
    ensure_node(node)
    kinds = [kind for kind in KINDS.values() if _may_read(kind)]
    targets = [(node, _SERVER), *((node, kind.resource.path) for kind in kinds)]
    health, *lists = read_starts(targets)
    (shown,) = _healths([node], [health])
    counts = {kind.name: _count(node, kind, each) for kind, each in zip(kinds, lists, strict=True)}
    response = render_page("node.html", node=shown, kinds=kinds, counts=counts)
    return status_and_retry(response, shown.error) if shown.error else response


def _healths(
    nodes: Sequence[str], answers: Iterable[tuple[int, bytes] | MiLdapError]
) -> list[Health]:
    # Read after the requests have ended, because they change the circuit breakers.
    statuses = {each.id: each for each in known_nodes()}
    return [_health(statuses[node], answer) for node, answer in zip(nodes, answers, strict=True)]


def _health(status: Node, answer: tuple[int, bytes] | MiLdapError) -> Health:
    try:
        return Health(status.id, _server_of(status.id, answer), None, "", status.is_up)
    except MiLdapError as error:
        return Health(status.id, {}, error, status.problem, status.is_up)


def _server_of(node: str, answer: tuple[int, bytes] | MiLdapError) -> Json:
    if isinstance(answer, MiLdapError):
        raise answer
    status, body = answer
    if status != 200:
        raise refused_by_node(node, status, body)
    return {key: value for key, value in parse_object(node, body).items() if isinstance(value, str)}


def _count(node: str, kind: Kind, answer: tuple[int, bytes] | MiLdapError) -> int | None:
    if isinstance(answer, MiLdapError) or answer[0] != 200:
        return None
    try:
        return count_of(node, kind, answer[1])
    except NodeFailed:
        return None


def _may_read(kind: Kind) -> bool:
    """Whether the performer may see the list, which a setting may reserve for admins."""
    is_admin = current_performer().admin_role is not None
    return is_admin or configured(Access.READER, f"/{kind.name}") is not Access.ADMIN
