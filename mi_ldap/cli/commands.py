"""The classes of all commands: common options, examples in the help, aliases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

import click

from mi_ldap.cli.options import Options

Example = tuple[str, str]
_COMMON = "Common options"
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
Decorated = TypeVar("Decorated", bound=Callable[..., object])


class Command(click.Command):
    """A command with examples in its help.

    Args:
        examples: pairs of a command line and its explanation.
        notes: pairs of a heading and a text, for the end of the help.
    """

    def __init__(
        self,
        *args: Any,
        examples: tuple[Example, ...] = (),
        notes: tuple[tuple[str, str], ...] = (),
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("context_settings", _SETTINGS)
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.notes = notes
        self.params.extend(_common_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the command's own options and the common ones in separate sections."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], _COMMON: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections[_section(parameter)].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Add the examples and notes."""
        _format_examples(self.examples, formatter)
        for title, text in self.notes:
            with formatter.section(title):
                formatter.write_text(text)
        super().format_epilog(ctx, formatter)


class Group(Command, click.Group):
    """A group of commands.

    Args:
        aliases: other names of its commands, which the help does not list.
    """

    command_class = Command

    def __init__(
        self, *args: Any, aliases: Mapping[str, str] = MappingProxyType({}), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.aliases = aliases

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name or alias."""
        return super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands before the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


# Here, because the class does not exist yet while its body is executed.
Group.group_class = Group


def _section(parameter: click.Parameter) -> str:
    is_common = isinstance(parameter, _CommonOption) or parameter.name == "help"
    return _COMMON if is_common else "Options"


def _format_examples(examples: tuple[Example, ...], formatter: click.HelpFormatter) -> None:
    if not examples:
        return
    with formatter.section("Examples"):
        for typed, means in examples:
            formatter.write(f"{'':{formatter.current_indent}}{typed}\n")
            formatter.indent()
            formatter.write_text(means)
            formatter.dedent()


class _CommonOption(click.Option):
    """An option of every command and group; if it is given several times, the last one counts."""

    def __init__(self, *declarations: str, **kwargs: Any) -> None:
        super().__init__(
            list(declarations), expose_value=False, callback=_store_option, default=None, **kwargs
        )

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Omit the range from the help; the error for a wrong value has it."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


def _store_option(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    # None means not given: a subcommand must not reset an option that precedes it.
    if value is not None and parameter.name:
        setattr(ctx.ensure_object(Options), parameter.name, value)


@cache
def _common_options() -> list[click.Option]:
    """Return the common options, which all commands share: each takes 20 µs to create."""
    from mi_ldap.cli.names import remote_names

    return [
        _CommonOption(
            "--remote",
            metavar="NAME",
            help="Use this remote instead of the selected one.",
            shell_complete=remote_names,
        ),
        _CommonOption(
            "--format",
            "output_format",
            type=click.Choice(["table", "json", "csv"]),
            help="Output format; json is the response of the service.",
        ),
        _CommonOption(
            "--ca",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False),
            help="Certificate (PEM) of the authority that signed the service's certificate.",
        ),
        _CommonOption(
            "-k",
            "--insecure",
            is_flag=True,
            help="Don't verify the service's certificate. Not for real passwords.",
        ),
        _CommonOption(
            "--timeout",
            metavar="SECONDS",
            type=click.FloatRange(0.1, 3600),
            help="Time limit of a response. Default: 60.",
        ),
        _CommonOption("-v", "--verbose", is_flag=True, help="Log each request on stderr."),
    ]


def yes_option() -> Callable[[Decorated], Decorated]:
    """Return the option `--yes`, for commands that ask for confirmation."""
    return click.option("--yes", is_flag=True, help="Don't ask for confirmation.")


def domain_option() -> Callable[[Decorated], Decorated]:
    """Return the option `--domain`, for commands on users and roles."""
    return click.option(
        "--domain",
        metavar="NAME",
        expose_value=False,
        callback=_store_option,
        help="The user store; for roles also Internal or Application. Default: the primary one; "
        "lists show all.",
    )


def node_option() -> Callable[[Decorated], Decorated]:
    """Return the option `--node`, for commands on artifacts and logs."""
    from mi_ldap.cli.names import node_names

    return click.option(
        "--node",
        metavar="ID",
        expose_value=False,
        callback=lambda context, parameter, value: _store_option(
            context, parameter, not_empty(context, parameter, value)
        ),
        shell_complete=node_names,
        help="The Micro Integrator, as 'mi node show' lists it. Default: the first one.",
    )


def search_option() -> Callable[[Decorated], Decorated]:
    """Return the option `--search`, for lists of a Micro Integrator."""
    return click.option(
        "-s",
        "--search",
        metavar="TEXT",
        callback=not_empty,
        help="Those whose names contain this text, ignoring case.",
    )


def not_empty(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Reject an empty condition."""
    # The service ignores it, so that `-p "$UNSET"` in a script would list all.
    if value is not None and not value.strip():
        raise click.UsageError(f"{parameter.opts[0]} is empty: leave it out.", ctx)
    return value
