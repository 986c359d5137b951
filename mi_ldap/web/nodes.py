"""The Micro Integrator (node) of a request: named by the path `/nodes/{id}/…`, or by the port."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

from flask import Flask, current_app, request

from mi_ldap.errors import NodeUnavailable, NotFound
from mi_ldap.micro_integrators.forward import CANNOT_FORWARD, NODE
from mi_ldap.micro_integrators.node import Node, Nodes
from mi_ldap.micro_integrators.resources import split_node
from mi_ldap.settings.root import Settings
from mi_ldap.web.access import Access, allow
from mi_ldap.web.context import services

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_API = "/management"
_NO_NODE = "There is no such Micro Integrator."
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def init_app(app: Flask, settings: Settings, nodes: Nodes | None) -> None:
    """Serve the whole API below `/nodes/{id}`, for each node.

    Args:
        app: the application.
        settings: the nodes, in their order.
        nodes: how to reach them, if the server forwards requests.
    """
    app.extensions["mi_ldap_nodes"] = nodes
    # The ids of nodes are removed from paths before these are routed.
    app.add_url_rule(
        f"/nodes/<id>{_API}/<path:rest>", "unknown_node", _answer_unknown_node, methods=_METHODS
    )
    if ids := [node.id for node in settings.micro_integrator]:
        app.wsgi_app = _StripNode(app.wsgi_app, ids)  # type: ignore[method-assign]


class _StripNode:
    """WSGI middleware that moves `/nodes/{id}` from the path to `SCRIPT_NAME`, and notes the id.

    Every other path below `/nodes` stays unchanged. The response is 404.
    """

    def __init__(self, application: WSGIApplication, ids: Collection[str]) -> None:
        self._application = application
        self._ids = ids

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        node, rest = split_node(path)
        # Only the API: not the console, whose cookies have the path `/`, and not `//management`.
        if node in self._ids and _is_api(rest):
            environ[NODE] = node
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + path.removesuffix(rest)
            environ["PATH_INFO"] = rest
        return self._application(environ, start_response)


@allow(Access.ANYBODY)
def _answer_unknown_node(**_: str) -> NoReturn:
    raise NotFound(_NO_NODE)


def _is_api(path: str) -> bool:
    return path == _API or path.startswith(f"{_API}/")


def known_nodes() -> Sequence[Node]:
    """Return the nodes; empty if this server does not forward requests."""
    return tuple(_nodes() or ())


def reachable_nodes() -> Nodes:
    """Return the nodes, for views that send requests themselves.

    Raises:
        NodeUnavailable: this server does not send such requests.
    """
    nodes = _nodes()
    if nodes is None:
        raise NodeUnavailable(CANNOT_FORWARD)
    return nodes


def _nodes() -> Nodes | None:
    found: Nodes | None = current_app.extensions["mi_ldap_nodes"]
    return found


def has_nodes() -> bool:
    """Whether any node is configured."""
    return bool(services().settings.micro_integrator)


def ensure_node(node: str) -> None:
    """Raise `NotFound` if no node has this id."""
    if node not in {each.id for each in services().settings.micro_integrator}:
        raise NotFound(_NO_NODE)


def named_node() -> str | None:
    """Return the id of the node that the path or the node's own port names, else None."""
    by_path: str | None = request.environ.get(NODE)
    if by_path is not None:
        return by_path
    port = request.environ.get("SERVER_PORT")
    nodes = services().settings.micro_integrator
    return next((node.id for node in nodes if node.port and str(node.port) == port), None)


def node_of_request() -> str:
    """Return the id of the node that answers; the first one, if none is named."""
    return named_node() or services().settings.micro_integrator[0].id
