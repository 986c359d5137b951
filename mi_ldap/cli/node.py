"""`mi node`: the Micro Integrators behind the selected service."""

from __future__ import annotations

import click

from mi_ldap.cli.commands import Group
from mi_ldap.cli.details import show_entries
from mi_ldap.cli.options import Options, pass_options


@click.group(
    cls=Group,
    no_args_is_help=True,
    aliases={"list": "show"},
    examples=(("mi node show", "the first one is used where --node is missing"),),
)
def node() -> None:
    """Show the Micro Integrators behind the service."""


@node.command(
    examples=(
        ("mi node show", "the first one is used where --node is missing"),
        ("mi api show --node mi-2", "the APIs of another one"),
    )
)
@pass_options
def show(options: Options) -> None:
    """Show the Micro Integrators and their states. Needs no login."""
    nodes = options.nodes()
    entries = [{"node": node, "state": state} for node, state in nodes.items()]
    show_entries(options, nodes, ("node", "state"), entries)
