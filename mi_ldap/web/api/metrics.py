"""`/metrics`: the requests to the Micro Integrators, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flask import Blueprint, Response

from mi_ldap.micro_integrators.node import Node
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.operation import Success, operation
from mi_ldap.web.nodes import known_nodes

# Prometheus text-based format 0.0.4.
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_EXAMPLE = """\
# HELP mi_ldap_node_requests_total Requests sent to a Micro Integrator.
# TYPE mi_ldap_node_requests_total counter
mi_ldap_node_requests_total{node="mi-1"} 12
"""

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@allow(Access.ANYBODY)
@operation(Success("Metrics in Prometheus' text format.", text=_EXAMPLE))
def show_metrics() -> Response:
    """Count the requests to each Micro Integrator.

    The counters are those of all workers since the start.
    """
    return Response("".join(_lines(known_nodes())), content_type=_TYPE)


def _lines(nodes: Sequence[Node]) -> Iterator[str]:
    totals = {node.id: node.counters.totals() for node in nodes}
    counters = {
        "requests_total": ("Requests sent to a Micro Integrator.", "requests"),
        "errors_total": ("Requests that it did not answer completely.", "errors"),
        "seconds_total": ("Seconds that the requests took.", "seconds"),
    }
    for name, (about, key) in counters.items():
        values = {node: getattr(total, key) for node, total in totals.items()}
        yield from _metric(name, about, "counter", values)
    states = {node.id: int(node.is_up) for node in nodes}
    yield from _metric("up", "Whether it answered its last request.", "gauge", states)


def _metric(name: str, about: str, kind: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP mi_ldap_node_{name} {about}\n# TYPE mi_ldap_node_{name} {kind}\n"
    # An id needs no escapes: it consists of letters, digits, dashes and dots.
    for node, value in values.items():
        yield f'mi_ldap_node_{name}{{node="{node}"}} {value}\n'
