"""The groups of commands for artifacts, created from the table in `kinds`."""

from __future__ import annotations

from collections.abc import Callable

import click

from mi_ldap.cli.commands import (
    Command,
    Decorated,
    Example,
    Group,
    node_option,
    search_option,
)
from mi_ldap.cli.details import show_details, show_entries
from mi_ldap.cli.kinds import Kind
from mi_ldap.cli.names import artifact_names
from mi_ldap.cli.options import Options, pass_options


def group_of(kind: Kind, *special: click.Command) -> Group:
    """Return the group of commands for a kind; `special` are those that only it has."""
    commands = [_show(kind), *(_set_state(kind, name) for name in kind.states), *special]
    verbs = " or ".join(", ".join(str(each.name) for each in commands[1:]).rsplit(", ", 1))
    return Group(
        kind.command,
        commands=commands,
        help=f"Show {kind.plural}{verbs and f'; {verbs} them'}.",
        no_args_is_help=True,
        examples=_examples(kind),
    )


def _show(kind: Kind) -> click.Command:
    @click.command(
        "show",
        cls=Command,
        help=f"Show all {kind.plural}, those that match, or one.",
        examples=_examples(kind),
    )
    @_type_argument(kind)
    @_name_argument(kind, required=False)
    @search_option()
    @node_option()
    @pass_options
    def show(
        options: Options, name: str | None, search: str | None, of_type: str | None = None
    ) -> None:
        if name is not None and search:
            raise click.UsageError("Give a NAME or --search, not both.")
        if name is None or not kind.query_key:
            _show_list(options, kind, name, search, of_type)
        else:
            with options.artifacts() as api:
                details = api.named(kind.resource, kind.query_key, name, {"type": of_type})
            show_details(options, details)

    return show


def _name_argument(kind: Kind, *, required: bool = True) -> Callable[[Decorated], Decorated]:
    return click.argument(
        "name",
        required=required,
        shell_complete=artifact_names(kind),
        help=f"The name of one {kind.noun}.",
    )


def _type_argument(kind: Kind) -> Callable[[Decorated], Decorated]:
    """Return the argument TYPE for a kind that has types, in which names are unique."""
    if not kind.types:
        return lambda command: command
    return click.argument(
        "of_type",
        metavar="[TYPE]",
        required=False,
        type=click.Choice(kind.types),
        help=f"{_capitalized(' or '.join(kind.types))}.",
    )


def _set_state(kind: Kind, command: str) -> click.Command:
    @click.command(
        command,
        cls=Command,
        help=f"{_capitalized(command)} {'an' if kind.noun[0] in 'aei' else 'a'} {kind.noun}.",
        examples=((f"mi {kind.command} {command} {_sample(kind)}", "on the first node"),),
    )
    @_name_argument(kind)
    @node_option()
    @pass_options
    def set_state(options: Options, name: str) -> None:
        with options.artifacts() as api:
            answer = api.set_state(kind.resource, name, kind.states[command])
        done = f"{command.removesuffix('e')}ed"
        options.report_change(answer, f"{_capitalized(kind.noun)} {name} was {done}.")

    return set_state


def _show_list(
    options: Options, kind: Kind, name: str | None, search: str | None, of_type: str | None
) -> None:
    with options.artifacts() as api:
        query = {"type": of_type, "searchKey": search}
        content = api.lists(kind.resource, query, kind.lists)
    entries = kind.entries(content)
    if name is not None:
        entries = [each for each in entries if each.get(kind.columns[0]) == name]
        if not entries:
            raise click.ClickException(f"There is no {kind.noun} {name}.")
        content = {"count": len(entries), "list": entries}
    if of_type:
        entries = [{"type": of_type, **each} for each in entries]
    show_entries(options, content, kind.columns, entries)


def _examples(kind: Kind) -> tuple[Example, ...]:
    show = f"mi {kind.command} show"
    return (
        (show, f"all {kind.plural} of the first node"),
        (f"{show} {_sample(kind)}", "one of them"),
        (f"{show} -s {kind.sample.lower()} --node mi-2", "by a part of the name, on another node"),
    )


def _sample(kind: Kind) -> str:
    return " ".join([*kind.types[:1], kind.sample])


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
