"""Settings of a service for the Micro Integrators behind it."""

from __future__ import annotations

from tests.micro_integrator import MicroIntegrator

_NODE = """
[[micro_integrator]]
id = "{name}"
management_url = "{node.url}"
username = "{node.username}"
password = "{node.password}"
ca_file = "{node.ca_file}"
"""


def with_node(name: str, node: MicroIntegrator) -> str:
    """The table of one node."""
    return _NODE.format(name=name, node=node)
