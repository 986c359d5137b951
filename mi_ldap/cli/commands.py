"""What every command of `mi` has: the options that stand everywhere, examples in its help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mi_ldap.cli.options import Options

Example = tuple[str, str]
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
Decorated = TypeVar("Decorated", bound=Callable[..., object])


class Command(click.Command):
    """A command.

    Args:
        examples: pairs of what is typed and what it does.
    """

    def __init__(self, *args: Any, examples: tuple[Example, ...] = (), **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", _SETTINGS)
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params.extend(_everywhere())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options apart from those of all commands."""
        _format_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        _format_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """A group of commands."""

    command_class = Command

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
        self.params.extend(_everywhere())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands first: they are what one looks for here."""
        self.format_commands(ctx, formatter)
        _format_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, and what else there is to know."""
        _format_examples(self.examples, formatter)
        for title, rows in self.notes:
            with formatter.section(title):
                formatter.write_text(rows)
        super().format_epilog(ctx, formatter)


Group.group_class = Group


def _format_options(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Everywhere": []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and isinstance(parameter, click.Option):
            sections[_section(parameter)].append(record)
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def _section(parameter: click.Parameter) -> str:
    is_common = isinstance(parameter, _Everywhere) or parameter.name == "help"
    return "Everywhere" if is_common else "Options"


def _format_examples(examples: tuple[Example, ...], formatter: click.HelpFormatter) -> None:
    if not examples:
        return
    with formatter.section("Examples"):
        for typed, means in examples:
            formatter.write(f"{'':{formatter.current_indent}}{typed}\n")
            formatter.indent()
            formatter.write_text(means)
            formatter.dedent()


class _Everywhere(click.Option):
    """An option that every command knows: the last one counts, wherever it stands."""

    def __init__(self, *declarations: str, **kwargs: Any) -> None:
        super().__init__(
            list(declarations), expose_value=False, callback=_remember, default=None, **kwargs
        )

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Ranges are for the message that tells of a wrong value."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


def _remember(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None and parameter.name:
        setattr(ctx.ensure_object(Options), parameter.name, value)


def _everywhere() -> list[click.Option]:
    from mi_ldap.cli.names import remote_names

    return [
        _Everywhere(
            "--remote",
            metavar="NAME",
            help="Use this remote instead of the selected one.",
            shell_complete=remote_names,
        ),
        _Everywhere(
            "--format",
            "form",
            type=click.Choice(["table", "json", "csv"]),
            help="How answers are written; json is what the service says.",
        ),
        _Everywhere(
            "--ca",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False),
            help="Certificate (PEM) that the service's must come from.",
        ),
        _Everywhere(
            "-k",
            "--insecure",
            is_flag=True,
            help="Don't verify the service's certificate. Not for real passwords.",
        ),
        _Everywhere(
            "--timeout",
            metavar="SECONDS",
            type=click.FloatRange(0.1, 3600),
            help="How long an answer may take; 60 unless told.",
        ),
        _Everywhere("-v", "--verbose", is_flag=True, help="Log each request on stderr."),
    ]


def yes_option() -> Callable[[Decorated], Decorated]:
    """Return the option `--yes`, for commands that ask for confirmation."""
    return click.option("--yes", is_flag=True, help="Don't ask for confirmation.")


def domain_option() -> Callable[[Decorated], Decorated]:
    """For commands on users and roles."""
    return click.option(
        "--domain",
        metavar="NAME",
        expose_value=False,
        callback=_remember,
        help="The user store; the primary one unless told.",
    )
