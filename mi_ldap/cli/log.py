"""`mi log download` and `mi log-level update`, for log files and loggers of a Micro Integrator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mi_ldap.cli import output
from mi_ldap.cli.commands import Command, node_option
from mi_ldap.cli.kinds import LOGGERS, LOGS
from mi_ldap.cli.names import artifact_names
from mi_ldap.cli.options import Options, pass_options

if TYPE_CHECKING:
    from mi_ldap.client.http import Download

_LEVELS: Final = ("OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")


@click.command(
    cls=Command,
    examples=(
        ("mi log download wso2carbon.log", "into this folder"),
        ("mi log download wso2carbon.log -p mi-2.log --node mi-2", "into a file of another name"),
        ("mi log download audit.log --overwrite", "also if the file exists"),
    ),
)
@click.argument("file", shell_complete=artifact_names(LOGS), help="The name of a log file.")
@click.option(
    "-p",
    "--path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The folder to write to, or the new file. Default: this folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@node_option()
@pass_options
def download(options: Options, file: str, path: Path, overwrite: bool) -> None:
    """Download a log file, completely or not at all. Only you can read the new file."""
    from mi_ldap.client.downloads import save, target_of

    target = target_of(path, file, overwrite=overwrite)
    with options.artifacts() as api, api.log_file(file) as content:
        size = save(target, _with_bar(content), overwrite=overwrite)
    answer = {"file": file, "path": str(target), "bytes": size}
    options.report_change(answer, f"{target} was written: {size:,} bytes.")


class _Level(click.Choice[str]):
    """A level in any case; errors and the completion show capitals."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert(str(value).upper(), param, ctx)


@click.command(
    cls=Command,
    examples=(
        ("mi log-level update org-apache-coyote DEBUG", "an existing logger"),
        ("mi log-level update synapse-api DEBUG org.apache.synapse.rest.API", "a new one"),
        ("mi log-level update rootLogger INFO", "all that have no logger of their own"),
    ),
)
@click.argument("name", shell_complete=artifact_names(LOGGERS), help="The name of one logger.")
@click.argument(
    "level",
    metavar="LEVEL",
    type=_Level(_LEVELS),
    help=f"One of {', '.join(_LEVELS)}.",
)
@click.argument("logger_class", required=False, metavar="[CLASS]", help="Adds a logger for it.")
@node_option()
@pass_options
def update(options: Options, name: str, level: str, logger_class: str | None) -> None:
    """Set the level of a logger, or add a logger for a class."""
    with options.artifacts() as api:
        answer = api.set_level(name, level, logger_class)
    added = f" was added for {logger_class}, and" if logger_class else " now"
    options.report_change(answer, f"Logger {name}{added} has level {level}.")


def _with_bar(content: Download) -> Iterator[bytes]:
    """Show a progress bar on stderr, if that is a terminal."""
    if not output.is_styled(sys.stderr):
        yield from content.chunks
        return
    from rich import progress
    from rich.console import Console

    columns = (progress.BarColumn(), progress.DownloadColumn(), progress.TransferSpeedColumn())
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=content.length)
        for chunk in content.chunks:
            yield chunk
            bar.advance(task, len(chunk))
