"""The groups of commands for artifacts, made from the table in `kinds`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from mi_ldap.cli import output
from mi_ldap.cli.commands import (
    Command,
    Decorated,
    Example,
    Group,
    node_option,
    search_option,
)
from mi_ldap.cli.details import csv_value, label_of, lines_of, text_of
from mi_ldap.cli.kinds import Kind
from mi_ldap.cli.names import artifact_names
from mi_ldap.cli.options import Options, pass_options


def group_of(kind: Kind, summary: str = "") -> Group:
    """Return the group of commands for a kind; `summary` describes it in the help."""
    *others, last = kind.states or [""]
    also = f"; {', '.join(others)} or {last} them" if others else ""
    group = Group(
        kind.command,
        help=summary or f"Show {kind.plural}{also}.",
        no_args_is_help=True,
        examples=_examples(kind),
    )
    group.add_command(_show(kind))
    for name in kind.states:
        group.add_command(_set_state(kind, name))
    return group


def name_argument(kind: Kind, *, required: bool = True) -> Callable[[Decorated], Decorated]:
    """Return the argument NAME of a command."""
    return click.argument(
        "name",
        required=required,
        shell_complete=artifact_names(kind),
        help=f"The name of one {kind.noun}.",
    )


def _show(kind: Kind) -> click.Command:
    @click.command(
        "show",
        cls=Command,
        help=f"Show all {kind.plural}, those that match, or one.",
        examples=_examples(kind),
    )
    @_type_argument(kind)
    @name_argument(kind, required=False)
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
    @name_argument(kind)
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


def show_entries(
    options: Options, content: Any, columns: tuple[str, ...], entries: list[dict[str, Any]]
) -> None:
    """Print a list; the table has no columns for keys that all entries lack."""
    known = [key for key in columns if not entries or any(key in each for each in entries)]
    options.show(
        content,
        columns,
        ([csv_value(each.get(key)) for key in columns] for each in entries),
        lambda: output.show_table(
            [label_of(key).upper() for key in known],
            ([text_of(each.get(key)) for key in known] for each in entries),
        ),
    )


def show_details(options: Options, details: dict[str, Any]) -> None:
    """Print an object: a label and the lines of its value for each key."""
    options.show(
        details,
        list(details),
        [[csv_value(each) for each in details.values()]],
        lambda: output.show_details({label_of(key): lines_of(details[key]) for key in details}),
    )


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
